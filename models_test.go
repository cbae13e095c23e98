package llmproxy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
)

func list(ids ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"object":"list","data":[`)
		for i, id := range ids {
			if i > 0 {
				io.WriteString(w, ",")
			}
			io.WriteString(w, `{"id":"`+id+`","object":"model","created":7,"owned_by":"them"}`)
		}
		io.WriteString(w, `]}`)
	}
}

// fakeClock is a clock that tests move.
type fakeClock struct{ offset atomic.Int64 }

func (c *fakeClock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *fakeClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// pitfall 41: one list over all providers; one that fails is left out and
// named, and served stale once it was known.
func TestModels(t *testing.T) {
	var calls atomic.Int32
	var broken atomic.Bool
	a := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if broken.Load() {
			w.WriteHeader(500)
			return
		}
		if r.URL.Path != "/models" || r.Header.Get("Authorization") != "Bearer k" {
			t.Errorf("got %s %v", r.URL, r.Header)
		}
		list("m1", "org/m2")(w, r)
	})
	b := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	clock := new(fakeClock)
	s := proxy(t, compatible("a", a.URL, "k"), compatible("b", b.URL, "k"), llmproxy.WithAlias("fast", "a/m1"), llmproxy.WithClock(clock.now))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { do(t, s, "GET", "/v1/models", "") })
	}
	wg.Wait()
	if calls.Load() != 1 {
		t.Errorf("the provider was asked %d times for one list", calls.Load())
	}
	got := do(t, s, "GET", "/models", "")
	const want = `{"object":"list","data":[{"id":"fast","object":"model","created":0,"owned_by":"alias"},{"id":"a/m1","object":"model","created":7,"owned_by":"them"},{"id":"a/org/m2","object":"model","created":7,"owned_by":"them"}]}`
	if got.body != want || got.Header.Get("Llmproxy-Models-Failed") != "b" {
		t.Errorf("got %s %v", got.body, got.Header)
	}
	broken.Store(true)
	clock.advance(time.Hour)
	if got = do(t, s, "GET", "/v1/models", ""); got.body != want || got.Header.Get("Llmproxy-Models-Failed") != "a, b" {
		t.Errorf("stale: %s %v", got.body, got.Header)
	}
	if got = do(t, s, "GET", "/v1/models/a/org/m2", ""); !strings.Contains(got.body, `"id":"a/org/m2"`) {
		t.Errorf("one model: %d %s", got.StatusCode, got.body)
	}
	if got = do(t, s, "GET", "/v1/models/a%2Forg%2Fm2", ""); !strings.Contains(got.body, `"id":"a/org/m2"`) {
		t.Errorf("one model, escaped: %d %s", got.StatusCode, got.body)
	}
	if got = do(t, s, "GET", "/v1/models/a/none", ""); got.StatusCode != 404 {
		t.Errorf("no such model: %d %s", got.StatusCode, got.body)
	}
	if got = do(t, s, "GET", "/v1/models", "", "Anthropic-Version", "2023-06-01"); !strings.Contains(got.body, `"has_more":false`) || !strings.Contains(got.body, `"created_at":"1970-01-01T00:00:07Z"`) {
		t.Errorf("Anthropic's shape: %s", got.body)
	}
	if got = do(t, s, "GET", "/v1beta/models", ""); !strings.Contains(got.body, `"name":"models/a/org/m2"`) || !strings.Contains(got.body, "generateContent") {
		t.Errorf("Gemini's shape: %s", got.body)
	}
	if got = do(t, s, "GET", "/v1beta/models/a/m1", ""); !strings.HasPrefix(got.body, `{"name":"models/a/m1"`) {
		t.Errorf("Gemini's shape of one: %s", got.body)
	}
}

// /status tells every key's state, masked, and asks a provider once a minute
// and key at most.
func TestStatus(t *testing.T) {
	var calls atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.Header.Get("Authorization") == "Bearer sk-bad-canary" {
			w.WriteHeader(401)
			io.WriteString(w, `{"error":{"message":"Incorrect API key provided: sk-bad-canary"}}`)
			return
		}
		list("m")(w, r)
	})
	clock := new(fakeClock)
	s := proxy(t, compatible("up", up.URL, "sk-good-canary", "sk-bad-canary"), llmproxy.WithClock(clock.now))
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { do(t, s, "GET", "/status", "") })
	}
	wg.Wait()
	a := do(t, s, "GET", "/status", "")
	if calls.Load() != 2 {
		t.Errorf("the provider was asked %d times about two keys", calls.Load())
	}
	var v struct {
		Providers []struct {
			Name string
			Keys []struct {
				Index int
				Check struct {
					OK    bool
					Class string
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Providers) != 1 || len(v.Providers[0].Keys) != 2 {
		t.Fatalf("%v: %s", err, a.body)
	}
	if k := v.Providers[0].Keys; !k[0].Check.OK || k[1].Check.OK || k[1].Check.Class != "unauthorized" {
		t.Errorf("got %s", a.body)
	}
	if strings.Contains(a.body, "canary") {
		t.Errorf("a key is shown: %s", a.body)
	}
	clock.advance(61 * time.Second)
	do(t, s, "GET", "/status", "")
	if n := calls.Load(); n < 3 {
		t.Errorf("a check older than a minute is shown (%d calls)", n)
	}
}
