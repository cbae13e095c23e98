package llmproxy_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// transport is a provider in the same bubble of virtual time as the test.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// slow is a body whose pieces come at intervals; its request's end ends it.
type slow struct {
	ctx    context.Context
	pieces []string
	every  time.Duration
	left   string // of the piece that has come
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left != "" {
		n := copy(p, s.left)
		s.left = s.left[n:]
		return n, nil
	}
	select {
	case <-s.ctx.Done():
		return 0, context.Cause(s.ctx)
	case <-time.After(s.every):
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	s.left, s.pieces = s.pieces[0], s.pieces[1:]
	return s.Read(p)
}

func (s *slow) Close() error { return nil }

// writer is a ResponseWriter without a connection.
type writer struct {
	mu     sync.Mutex
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *writer) Header() http.Header { return w.header }
func (w *writer) WriteHeader(s int)   { w.status = s }
func (w *writer) Flush()              {}
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.Write(p)
}

func streamRequest(ctx context.Context) *http.Request {
	r, _ := http.NewRequestWithContext(ctx, "POST", "/v1/chat/completions", strings.NewReader(`{"model":"up/m","stream":true,"messages":[]}`))
	return r
}

// pitfall 25: four bounds instead of one. Pings are no content; a stream that
// makes progress may last as long as it likes.
func TestTimeouts(t *testing.T) {
	bounds := llmproxy.Timeouts{ResponseHeader: 10 * time.Second, FirstContent: 20 * time.Second, Idle: 5 * time.Second}
	long := []string{chunk(`{"content":"x"}`, "")}
	for range 1000 {
		long = append(long, chunk(`{"content":"x"}`, ""))
	}
	long = append(long, chunk(`{}`, `"stop"`), "data: [DONE]\n\n")
	pings := make([]string, 100)
	for i := range pings {
		pings[i] = ": ping\n\n"
	}
	for _, c := range []struct {
		name   string
		header time.Duration // until the answer's header
		every  time.Duration
		pieces []string
		status int
		took   time.Duration
		says   string
	}{
		{"no header", time.Hour, 0, nil, 504, 10 * time.Second, "did not answer in time"},
		{"pings only", time.Second, 3 * time.Second, pings, 504, 21 * time.Second, "no content in time"},
		{"falls silent", time.Second, 4 * time.Second, []string{long[0], long[1], ""}, 200, 0, "fell silent"},
		{"slow and long", time.Second, 4 * time.Second, long, 200, 1 * time.Second, "[DONE]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up := transport(func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(c.header):
					case <-r.Context().Done():
						return nil, context.Cause(r.Context())
					}
					body := &slow{ctx: r.Context(), pieces: c.pieces, every: c.every}
					if c.name == "falls silent" {
						body.pieces = c.pieces[:2]
						return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: r, Body: struct {
							io.Reader
							io.Closer
						}{io.MultiReader(strings.NewReader(c.pieces[0]), &slow{ctx: r.Context(), pieces: []string{"x"}, every: time.Hour}), body}}, nil
					}
					return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body, Request: r}, nil
				})
				p, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithProvider(provider.Compatible("up", "http://up")), llmproxy.WithTransport(up), llmproxy.WithTimeouts(bounds))
				if err != nil {
					t.Fatal(err)
				}
				w := &writer{header: http.Header{}}
				began := time.Now()
				p.ServeHTTP(w, streamRequest(t.Context()))
				if w.status != c.status || !strings.Contains(w.body.String(), c.says) {
					t.Errorf("%d %.300s", w.status, w.body.String())
				}
				if took := time.Since(began); c.status != 200 && took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if c.name == "falls silent" && strings.Contains(w.body.String(), "[DONE]") {
					t.Error("a stream that fell silent looks whole")
				}
			})
		})
	}
}

// pitfall 7: when the client goes away, the host chooses: the provider's request
// is cancelled at once, or read on for its usage, within bounds. What is not told
// is estimated, and marked.
func TestAbortAccounting(t *testing.T) {
	for _, c := range []struct {
		name  string
		abort llmproxy.OnAbort
		usage bool
	}{
		{"cancel", llmproxy.OnAbort{}, false},
		{"drain", llmproxy.OnAbort{Drain: time.Minute}, true},
		{"drain, too slow", llmproxy.OnAbort{Drain: time.Second}, false},
		{"drain, too much", llmproxy.OnAbort{Drain: time.Minute, Bytes: 100}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				usage := `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}` + "\n\n"
				up := transport(func(r *http.Request) (*http.Response, error) {
					body := &slow{ctx: r.Context(), pieces: []string{chunk(`{"content":"a"}`, ""), chunk(`{"content":"b"}`, ""), chunk(`{}`, `"stop"`), usage, "data: [DONE]\n\n"}, every: 2 * time.Second}
					return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body, Request: r}, nil
				})
				var seen llmproxy.Exchange
				p, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithProvider(provider.Compatible("up", "http://up")), llmproxy.WithTransport(up), llmproxy.WithOnAbort(c.abort),
					llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen = *x }}))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(3*time.Second, cancel)
				p.ServeHTTP(&writer{header: http.Header{}}, streamRequest(ctx))
				from, output := llmproxy.UsageEstimated, int64(1) // "a", perhaps "b"
				if c.usage {
					from, output = llmproxy.UsageUpstream, 2
				}
				if !seen.Aborted || seen.UsageFrom != from || seen.Usage == nil || seen.Usage.TotalOutput() != output {
					t.Errorf("aborted %v, usage %+v from %s", seen.Aborted, seen.Usage, seen.UsageFrom)
				}
				time.Sleep(time.Hour) // whatever is left of timers must do no harm
			})
		})
	}
}

// pitfall 27: each target gets the request translated anew, body and all.
func TestFallbackTranslatesAnew(t *testing.T) {
	down := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/v1/messages" || !bytes.Contains(b, []byte(`"max_tokens"`)) {
			t.Errorf("%s %s", r.URL, b)
		}
		w.WriteHeader(529)
		io.WriteString(w, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)
	})
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if string(b) != `{"model":"m","messages":[{"role":"user","content":"hi"}],"unknown":1}` || r.ContentLength != int64(len(b)) {
			t.Errorf("%s %s", r.URL, b)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	ant := provider.Anthropic()
	ant.BaseURL = down.URL
	s := proxy(t, llmproxy.WithProvider(ant), llmproxy.WithKeys("anthropic", rotate.Secrets("a")...), compatible("up", up.URL, "k"), llmproxy.WithAlias("best", "anthropic/claude-sonnet-4-5", "up/m"))
	a := do(t, s, "POST", "/v1/chat/completions", `{"model":"best","messages":[{"role":"user","content":"hi"}],"unknown":1}`)
	if a.StatusCode != 200 || a.body != chatAnswer || a.Header.Get("Llmproxy-Provider") != "up" || a.Header.Get("Llmproxy-Loss") != "" {
		t.Errorf("%d %s %v", a.StatusCode, a.body, a.Header)
	}
}

// A bounded number is under way; a bounded number waits; the rest is refused.
func TestConcurrency(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 10)
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-release
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	for name, c := range map[string]llmproxy.Concurrency{"in all": {Total: 2, Queue: 1}, "per provider": {PerProvider: 2, Queue: 1}} {
		s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithConcurrency(c))
		var wg sync.WaitGroup
		status := make(chan int, 4)
		ask := func() {
			wg.Go(func() {
				a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`)
				if a.StatusCode == 503 && a.Header.Get("Retry-After") == "" {
					t.Error("503 without Retry-After")
				}
				status <- a.StatusCode
			})
		}
		ask()
		ask()
		<-entered
		<-entered
		ask() // one of these two waits, the other is refused
		ask()
		if got := <-status; got != 503 {
			t.Errorf("%s: %d", name, got)
		}
		if a := do(t, s, "GET", "/ping", ""); a.StatusCode != 200 {
			t.Errorf("%s: /ping under load: %d", name, a.StatusCode)
		}
		for range 3 {
			release <- struct{}{}
		}
		wg.Wait()
		for range 3 {
			if got := <-status; got != 200 {
				t.Errorf("%s: %d", name, got)
			}
		}
		<-entered
	}
}

// A target that failed several times in a row is left alone; the next one
// serves.
func TestBreaker(t *testing.T) {
	calls := 0
	down := upstream(t, func(w http.ResponseWriter, _ *http.Request) { calls++; w.WriteHeader(500) })
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	clock := new(fakeClock)
	s := proxy(t, compatible("down", down.URL, "k"), compatible("up", up.URL, "k"), llmproxy.WithAlias("a", "down/m", "up/m"), llmproxy.WithRetry(llmproxy.Retry{Streak: 3}),
		llmproxy.WithPool(rotate.WithClock(clock.now)), llmproxy.WithClock(clock.now))
	for i := range 6 {
		if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"a","messages":[]}`); a.StatusCode != 200 {
			t.Fatal(a.StatusCode, a.body)
		}
		if i < 2 { // faults at the same time count as one
			clock.advance(5 * time.Second)
		}
	}
	if calls != 3 {
		t.Errorf("the target that is down was asked %d times", calls)
	}
	if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"down/m","messages":[]}`); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || calls != 3 {
		t.Errorf("alone: %d %v after %d calls", a.StatusCode, a.Header, calls)
	}
	clock.advance(time.Hour)
	do(t, s, "POST", "/v1/chat/completions", `{"model":"a","messages":[]}`)
	if calls != 4 {
		t.Errorf("no probe after the cooldown: %d calls", calls)
	}
}
