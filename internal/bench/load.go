package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// loadSpec is one measurement.
type loadSpec struct {
	Kind     kind
	Addr     string
	Admin    string // of the contender
	Upstream string // upstream's admin address

	Path, Header string
	Body         []byte
	Stamps       int    // in every answer
	End          string // of a stream; empty: an answer is whole
	Callers      int    // or streams held
	Rate         int    // requests a second
	Measure      time.Duration
}

// sample is what one measurement gave. Durations are in µs.
type sample struct {
	Seconds  float64 `json:"seconds"`
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"`
	Error    string  `json:"error,omitempty"` // one of them
	Rate     float64 `json:"requests_per_second"`

	CPU    float64 `json:"cpu_us"` // of the contender's process, a request; a chunk where streams are held
	Allocs float64 `json:"allocs"` // a request
	KiB    float64 `json:"alloc_kib"`
	RSS    float64 `json:"rss_mib"`
	Idle   float64 `json:"idle_rss_mib"` // before the first request
	Others float64 `json:"others_cores"` // that programs beside these used

	P50     float64 `json:"p50_us"` // from sending a request to its answer's end
	P99     float64 `json:"p99_us"`
	First50 float64 `json:"first_p50_us"` // to the first content
	First99 float64 `json:"first_p99_us"`
	Chunk50 float64 `json:"chunk_p50_us"` // from upstream's sending a chunk to its arrival
	Chunk99 float64 `json:"chunk_p99_us"`
	Streams int64   `json:"streams,omitempty"`   // held
	Stack   float64 `json:"stack_kib,omitempty"` // of all goroutines, a stream held
}

// load asks one contender. The client is written straight over TCP: what load
// uses of the shared cores flattens what it measures.
type load struct {
	loadSpec
	request   []byte
	recording atomic.Bool
	done      atomic.Int64 // answers
	chunks    atomic.Int64
	errors    atomic.Int64

	mu                  sync.Mutex
	total, first, delay []time.Duration
	err                 error // one of errors
}

func runLoad(in io.Reader, out io.Writer) error {
	l := &load{}
	if err := json.NewDecoder(in).Decode(&l.loadSpec); err != nil {
		return err
	}
	l.request = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", l.Path, l.Addr, l.Header, len(l.Body), l.Body)
	run := map[kind]func(stop <-chan struct{}, ready func()){closed: l.closed, open: l.open, held: l.held}[l.Kind]
	s, err := l.measure(run)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(s)
}

// mark is what is read at both ends of the measured time.
type mark struct {
	at                      time.Time
	contender, upstream     stats
	own, machine            time.Duration
	requests, chunks, fails int64
}

func (l *load) mark() (m mark, err error) {
	if m.upstream, err = getStats(l.Upstream); err != nil {
		return m, err
	}
	if m.contender, err = getStats(l.Admin); err != nil {
		return m, err
	}
	m.at, m.own, m.machine = time.Now(), ownCPU(), machineCPU()
	m.requests, m.chunks, m.fails = l.done.Load(), l.chunks.Load(), l.errors.Load()
	return m, nil
}

// measure warms up, measures, and waits for what is under way.
func (l *load) measure(run func(stop <-chan struct{}, ready func())) (*sample, error) {
	idle, err := getStats(l.Admin)
	if err != nil {
		return nil, err
	}
	stop, ready, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		run(stop, sync.OnceFunc(func() { close(ready) }))
	}()
	select {
	case <-ready:
	case <-ended:
		return nil, fmt.Errorf("load ended early: %w", l.err)
	}
	if l.Kind != held {
		time.Sleep(max(l.Measure/5, 200*time.Millisecond))
	}
	from, err := l.mark()
	if err != nil {
		return nil, err
	}
	l.recording.Store(true)
	time.Sleep(l.Measure)
	l.recording.Store(false)
	to, err := l.mark()
	if err != nil {
		return nil, err
	}
	close(stop)
	<-ended
	last, err := getStats(l.Admin)
	if err != nil {
		return nil, err
	}
	return l.sample(idle, from, to, last.Missed), nil
}

func (l *load) sample(idle stats, from, to mark, missed int64) *sample {
	took := to.at.Sub(from.at)
	s := &sample{
		Seconds: took.Seconds(), Requests: to.requests - from.requests, Errors: l.errors.Load() + missed,
		RSS: float64(to.contender.RSS) / mb, Idle: float64(idle.RSS) / mb,
	}
	if l.err != nil {
		s.Error = l.err.Error()
	} else if missed > 0 {
		s.Error = "the proxy did not count the usage of answers"
	}
	n := float64(s.Requests)
	if l.Kind == held {
		s.Streams = int64(l.Callers) - l.errors.Load()
		s.Stack = (float64(to.contender.Stack) - float64(idle.Stack)) / kb / max(1, float64(s.Streams))
		n = float64(to.chunks - from.chunks)
	}
	s.Rate = float64(s.Requests) / took.Seconds()
	cpu := to.contender.CPU - from.contender.CPU
	used := cpu + to.own - from.own
	if l.Admin != l.Upstream {
		used += to.upstream.CPU - from.upstream.CPU
	}
	s.Others = max(0, (to.machine-from.machine-used).Seconds()/took.Seconds())
	if n > 0 {
		s.CPU = micros(cpu) / n
		s.Allocs = float64(to.contender.Mallocs-from.contender.Mallocs) / n
		s.KiB = float64(to.contender.Alloc-from.contender.Alloc) / n / kb
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.P50, s.P99 = percentiles(l.total)
	s.First50, s.First99 = percentiles(l.first)
	s.Chunk50, s.Chunk99 = percentiles(l.delay)
	return s
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func percentiles(d []time.Duration) (p50, p99 float64) {
	if len(d) == 0 {
		return 0, 0
	}
	slices.Sort(d)
	return micros(d[len(d)/2]), micros(d[len(d)*99/100])
}

// closed has callers that ask again as soon as they were answered.
func (l *load) closed(stop <-chan struct{}, ready func()) {
	var wg sync.WaitGroup
	for range l.Callers {
		wg.Go(func() {
			c := &caller{load: l}
			defer c.close()
			for {
				select {
				case <-stop:
					return
				default:
					c.ask()
					ready()
				}
			}
		})
	}
	wg.Wait()
}

// open asks at a fixed rate, whatever the answers take. A request has a
// connection that is free, or a new one, so it never waits for another one's
// answer.
func (l *load) open(stop <-chan struct{}, ready func()) {
	var wg sync.WaitGroup
	defer wg.Wait()
	var mu sync.Mutex
	var free []*caller
	defer func() {
		wg.Wait()
		for _, c := range free {
			c.close()
		}
	}()
	ready()
	interval := time.Second / time.Duration(l.Rate)
	for next := time.Now(); ; next = next.Add(interval) {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(next)):
		}
		mu.Lock()
		c := &caller{load: l}
		if n := len(free); n > 0 {
			c, free = free[n-1], free[:n-1]
		}
		mu.Unlock()
		wg.Go(func() {
			c.ask()
			mu.Lock()
			free = append(free, c)
			mu.Unlock()
		})
	}
}

// held opens streams, a few at a time, and keeps them until stop.
func (l *load) held(stop <-chan struct{}, ready func()) {
	const opening = 50
	var wg, opened sync.WaitGroup
	gate := make(chan struct{}, opening)
	callers := make([]*caller, l.Callers)
	for i := range callers {
		gate <- struct{}{}
		c := &caller{load: l, stop: stop}
		callers[i] = c
		opened.Add(1)
		c.onFirst = sync.OnceFunc(func() { <-gate; opened.Done() })
		wg.Go(func() {
			c.ask()
			c.onFirst()
		})
	}
	opened.Wait()
	ready()
	<-stop
	for _, c := range callers {
		c.close()
	}
	wg.Wait()
}

// caller asks over a connection of its own.
type caller struct {
	*load
	mu      sync.Mutex // held streams are closed while they are read
	conn    net.Conn
	r       *bufio.Reader
	buf     []byte
	onFirst func()
	stop    <-chan struct{} // of a held stream
}

func (c *caller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ask asks once, and records what came of it.
func (c *caller) ask() {
	err := c.exchange()
	select {
	case <-c.stop: // a nil channel: never
		return
	default:
	}
	if err == nil {
		return
	}
	c.close()
	c.errors.Add(1)
	c.load.mu.Lock()
	defer c.load.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

func (c *caller) exchange() error {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.Addr)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.conn, c.r = conn, bufio.NewReaderSize(conn, 8*kb)
		c.mu.Unlock()
	}
	sent := time.Now()
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	first, stamps, err := c.read(resp)
	if err != nil {
		return err
	}
	if stamps != c.Stamps || !bytes.Contains(c.buf, []byte(c.End)) {
		return fmt.Errorf("an answer with %d of %d pieces of content, ending in %q", stamps, c.Stamps, c.buf[max(0, len(c.buf)-80):])
	}
	took := time.Since(sent)
	c.done.Add(1)
	if c.recording.Load() {
		c.load.mu.Lock()
		c.total = append(c.total, took)
		c.first = append(c.first, first.Sub(sent))
		c.load.mu.Unlock()
	}
	return nil
}

// read reads an answer's body, all of which then is in c.buf; of a held stream
// only the end.
func (c *caller) read(resp *http.Response) (first time.Time, stamps int, err error) {
	c.buf = c.buf[:0]
	seen := 0
	for {
		c.buf = slices.Grow(c.buf, 4*kb)
		n, err := resp.Body.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		now := time.Now()
		for {
			t, n := nextStamp(c.buf[seen:])
			seen += n
			if t == 0 {
				break
			}
			if stamps++; stamps == 1 {
				first = now
				if c.onFirst != nil {
					c.onFirst()
				}
			}
			c.chunks.Add(1)
			if c.Kind != closed && c.End != "" && c.recording.Load() {
				c.load.mu.Lock()
				c.delay = append(c.delay, now.Sub(time.Unix(0, t)))
				c.load.mu.Unlock()
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return first, stamps, err
		}
		if c.Kind == held {
			c.buf = append(c.buf[:0], c.buf[seen:]...)
			seen = 0
		}
	}
	if resp.StatusCode != http.StatusOK {
		return first, stamps, fmt.Errorf("status %d: %s", resp.StatusCode, c.buf)
	}
	return first, stamps, nil
}
