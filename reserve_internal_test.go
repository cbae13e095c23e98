package llmproxy

import (
	"math"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// tune tunes the collector for the time of a test.
func tune(t *testing.T, percent int, limit int64) {
	percent, limit = debug.SetGCPercent(percent), debug.SetMemoryLimit(limit)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
}

// The reserve is there from the first request on, goes while many are open,
// and comes back when half of them are gone.
func TestReserve(t *testing.T) {
	tune(t, 100, math.MaxInt64)
	r := newReserve(8 * openSize)
	for i, held := range []bool{true, true, true, true, true, true, true, true, false, false} {
		if r.enter(); (r.held.Load() != nil) != held {
			t.Errorf("%d open: held is %v", i+1, !held)
		}
	}
	for range 6 {
		r.leave()
	}
	if r.enter(); r.held.Load() != nil { // the fifth
		t.Error("held again with more than half of them open")
	}
	r.leave()
	r.leave()
	if r.enter(); r.held.Load() == nil {
		t.Error("not held again")
	}
}

// Whoever tunes the collector has decided.
func TestReserveOfTunedHosts(t *testing.T) {
	for _, c := range []struct {
		name    string
		percent int
		limit   int64
		size    int
		want    bool
	}{
		{"by default", 100, math.MaxInt64, 1 << 20, true},
		{"of no size", 100, math.MaxInt64, 0, false},
		{"beside GOGC=200", 200, math.MaxInt64, 1 << 20, false},
		{"beside GOGC=off", -1, math.MaxInt64, 1 << 20, false},
		{"beside GOMEMLIMIT", 100, 8 << 30, 1 << 20, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tune(t, c.percent, c.limit)
			r := newReserve(c.size)
			if r.enter(); (r.held.Load() != nil) != c.want {
				t.Errorf("held is %v", !c.want)
			}
		})
	}
}

// Every request is counted down again, whatever becomes of it.
func TestReserveCountsRequests(t *testing.T) {
	tune(t, 100, math.MaxInt64)
	p, err := New(WithProvider(provider.Compatible("lab", "http://127.0.0.1:0/v1")), WithKeys("lab", rotate.Key{}),
		WithoutAuth(), WithAuth(func(r *http.Request) (string, error) {
			if r.Header.Get("Panic") != "" {
				panic("a host's fault")
			}
			return "", nil
		}), WithHeapReserve(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	for path, panics := range map[string]string{"/ping": "", "/nowhere": "", "/v1/models": "yes"} {
		func() {
			defer func() { _ = recover() }()
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Panic", panics)
			p.ServeHTTP(httptest.NewRecorder(), r)
		}()
	}
	if n := p.reserve.open.Load(); n != 0 {
		t.Errorf("%d requests are open", n)
	}
	if p.reserve.held.Load() == nil {
		t.Error("nothing is held")
	}
}
