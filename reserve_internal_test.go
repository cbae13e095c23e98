package llmproxy

import (
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// The reserve is there from the first request on, goes while many are open,
// and comes back when half of them are gone.
func TestReserve(t *testing.T) {
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
	held := func(size int) bool {
		r := newReserve(size)
		r.enter()
		return r.held.Load() != nil
	}
	if !held(1 << 20) {
		t.Error("none is held by default")
	}
	if held(0) {
		t.Error("one of no size is held")
	}
	percent := debug.SetGCPercent(200)
	if held(1 << 20) {
		t.Error("held beside GOGC")
	}
	debug.SetGCPercent(percent)
	limit := debug.SetMemoryLimit(8 << 30)
	if held(1 << 20) {
		t.Error("held beside GOMEMLIMIT")
	}
	debug.SetMemoryLimit(limit)
}

// Every request is counted down again, whatever becomes of it.
func TestReserveCountsRequests(t *testing.T) {
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
