package llmproxy

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/translate"
)

// historyExchanges, historyMinutes and historyModels bound what the status
// page remembers.
const (
	historyExchanges = 100
	historyMinutes   = 60
	historyModels    = 200
)

// history is what the status page tells of the past: the last exchanges, the
// last hour minute by minute, and what the models cost. It is kept in memory
// alone, and holds no content.
type history struct {
	mu      sync.Mutex
	last    [historyExchanges]past // a ring
	n       int                    // exchanges so far
	minutes [historyMinutes]minute // a ring, by minute modulo its length
	models  map[modelKey]*modelTotal
}

type modelKey struct{ provider, model string }

// Name is the model's, with its provider.
func (k modelKey) Name() string { return k.provider + "/" + k.model }

// past is an exchange without its errors, which may quote the client and hold
// bodies.
type past struct {
	Exchange
	Failure translate.ErrorKind
}

// minute counts what ended within one minute.
type minute struct {
	start            int64 // Unix minutes
	requests, errors int
	duration, first  durations
}

// modelTotal is what was used of one model since the start.
type modelTotal struct {
	modelKey
	Requests, Errors int
	Usage            translate.Usage
	Unknown          int // requests whose usage is not known
	Cost             price.USD
	Unpriced         int // requests whose cost is not known
}

// add records an exchange that has ended.
func (h *history) add(x *Exchange, now time.Time) {
	failed := x.Status >= 400
	h.mu.Lock()
	defer h.mu.Unlock()
	e := &h.last[h.n%historyExchanges]
	h.n++
	*e = past{Exchange: *x}
	if x.Err != nil {
		e.Err, e.Failure = nil, keyError(x.Err).Kind
	}
	if slices.ContainsFunc(x.Attempts, func(a Attempt) bool { return a.Err != nil }) {
		e.Attempts = slices.Clone(x.Attempts)
		for i := range e.Attempts {
			e.Attempts[i].Err = nil
		}
	}
	at := now.Unix() / 60
	m := &h.minutes[at%historyMinutes]
	if m.start != at {
		*m = minute{start: at}
	}
	m.requests++
	if failed {
		m.errors++
	}
	m.duration.add(x.Duration)
	if x.FirstByte > 0 {
		m.first.add(x.FirstByte)
	}
	if x.Provider != "" && x.Model != "" {
		h.total(x, failed)
	}
}

func (h *history) total(x *Exchange, failed bool) {
	key := modelKey{x.Provider, x.Model}
	t := h.models[key]
	if t == nil {
		if len(h.models) >= historyModels { // clients choose the names
			key = modelKey{x.Provider, "others"}
			t = h.models[key]
		}
		if t == nil {
			if h.models == nil {
				h.models = map[modelKey]*modelTotal{}
			}
			t = &modelTotal{modelKey: key}
			h.models[key] = t
		}
	}
	t.Requests++
	if failed {
		t.Errors++
	}
	if u := x.Usage; u != nil {
		t.Usage.Input += u.Input
		t.Usage.CacheRead += u.CacheRead
		t.Usage.CacheWrite += u.CacheWrite
		t.Usage.Output += u.Output
		t.Usage.Reasoning += u.Reasoning
	} else if !failed && !x.Cached {
		t.Unknown++
	}
	if x.Priced {
		t.Cost += x.Cost
	} else if !failed || x.Usage != nil {
		t.Unpriced++
	}
}

// exchanges returns the last exchanges, the latest first.
func (h *history) exchanges() []past {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]past, 0, min(h.n, historyExchanges))
	for i := range cap(out) {
		out = append(out, h.last[(h.n-1-i)%historyExchanges])
	}
	return out
}

// hour returns the last minutes, the earliest first, the present one last.
func (h *history) hour(now time.Time) []minute {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]minute, historyMinutes)
	at := now.Unix() / 60
	for i := range out {
		start := at - historyMinutes + 1 + int64(i)
		out[i] = minute{start: start}
		if m := h.minutes[start%historyMinutes]; m.start == start {
			out[i] = m
		}
	}
	return out
}

// totals returns what was used, by model, the busiest first.
func (h *history) totals() []modelTotal {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]modelTotal, 0, len(h.models))
	for _, t := range h.models {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b modelTotal) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name(), b.Name()))
	})
	return out
}

// durations is a histogram whose buckets double every two: 1 ms, 1.4 ms, 2 ms
// and so on, up to nine hours.
type durations [50]uint32

func (d *durations) add(v time.Duration) {
	ms := float64(max(v, time.Millisecond)) / float64(time.Millisecond)
	d[min(math.Ilogb(ms*ms), len(d)-1)]++
}

// quantile returns the upper bound of the bucket in which a part q of the
// durations has been passed; 0 if there are none.
func (d *durations) quantile(q float64) time.Duration {
	var n uint32
	for _, c := range d {
		n += c
	}
	if n == 0 {
		return 0
	}
	rank := uint32(math.Ceil(q * float64(n)))
	for i, c := range d {
		if c >= rank {
			return time.Duration(math.Pow(2, float64(i+1)/2) * float64(time.Millisecond))
		}
		rank -= c
	}
	return 0
}
