package rotate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// upstream is a provider that answers by key, and notes what it was sent.
type upstream struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []string
	bodies  []string
	answers map[string]http.HandlerFunc
}

func newUpstream(t *testing.T, answers map[string]http.HandlerFunc) *upstream {
	u := &upstream{answers: answers}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("X-Api-Key")
		u.mu.Lock()
		u.keys = append(u.keys, key)
		u.bodies = append(u.bodies, string(body))
		u.mu.Unlock()
		if answer := u.answers[key]; answer != nil {
			answer(w, r)
			return
		}
		fmt.Fprint(w, `{"ok":true}`)
	}))
	t.Cleanup(u.Close)
	return u
}

func answer(status int, body string, kv ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(kv); i += 2 {
			w.Header().Set(kv[i], kv[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func abc(opts ...rotate.PoolOption) *rotate.Pool {
	return rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": {
		{ID: "a", Secret: rotate.NewSecret("sk-a")}, {ID: "b", Secret: rotate.NewSecret("sk-b")}, {ID: "c", Secret: rotate.NewSecret("sk-c")}}}), opts...)
}

func send(t *testing.T, tr *rotate.Transport, url, body string, kv ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(kv); i += 2 {
		req.Header.Set(kv[i], kv[i+1])
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

func TestTransportFailsOver(t *testing.T) {
	u := newUpstream(t, map[string]http.HandlerFunc{
		"sk-a": answer(429, `{"error":{"code":"insufficient_quota"}}`),
		"sk-b": answer(401, `{"error":{"code":"invalid_api_key"}}`),
	})
	pool := abc()
	tr := &rotate.Transport{Rotator: pool, Provider: "openai"}
	const body = `{"model":"gpt-4o","messages":[]}`
	resp, got := send(t, tr, u.URL, body, "Authorization", "Bearer unused")
	if resp.StatusCode != 200 || got != `{"ok":true}` {
		t.Errorf("got %d %s", resp.StatusCode, got)
	}
	if want := []string{"sk-a", "sk-b", "sk-c"}; !slices.Equal(u.keys, want) {
		t.Errorf("keys %v, want %v", u.keys, want)
	}
	for _, b := range u.bodies {
		if b != body {
			t.Errorf("the body arrives as %q", b)
		}
	}
	// The next request knows.
	send(t, tr, u.URL, body)
	if u.keys[len(u.keys)-1] != "sk-c" || len(u.keys) != 4 {
		t.Errorf("keys %v", u.keys)
	}
	states, _ := pool.Snapshot(context.Background(), "openai")
	if states[0].State != "quota_exhausted" || states[1].State != "unauthorized" || states[2].State != "healthy" || states[2].InFlight != 0 {
		t.Errorf("got %+v", states)
	}
}

// pitfall 28: one budget of attempts, which the client's own retries do not multiply.
func TestTransportBudget(t *testing.T) {
	limited := answer(429, `{"error":{"message":"slow down"}}`, "Retry-After", "30")
	u := newUpstream(t, map[string]http.HandlerFunc{"sk-a": limited, "sk-b": limited, "sk-c": limited})
	for _, c := range []struct {
		attempts int
		retries  string
		want     int
	}{{0, "", 3}, {2, "", 2}, {1, "", 1}, {3, "1", 2}, {3, "7", 1}, {99, "", 3}} {
		u.keys = nil
		tr := &rotate.Transport{Rotator: abc(), Provider: "openai", Attempts: c.attempts}
		resp, body := send(t, tr, u.URL, `{}`, "X-Stainless-Retry-Count", c.retries)
		if len(u.keys) != c.want {
			t.Errorf("%+v: %d attempts", c, len(u.keys))
		}
		if resp.StatusCode != 429 || resp.Header.Get("X-Should-Retry") != "false" || resp.Header.Get("Retry-After") != "30" || !strings.Contains(body, "slow down") {
			t.Errorf("%+v: the client gets %d %v %s", c, resp.StatusCode, resp.Header, body)
		}
	}
}

// pitfall 11: what another key cannot mend is the client's to see.
func TestTransportLeavesOthersFaults(t *testing.T) {
	for _, status := range []int{400, 404, 422, 500, 503, 529} {
		u := newUpstream(t, map[string]http.HandlerFunc{"sk-a": answer(status, `{"error":{"message":"x"}}`)})
		pool := abc()
		resp, _ := send(t, &rotate.Transport{Rotator: pool, Provider: "openai"}, u.URL, `{"model":"m"}`)
		if resp.StatusCode != status || len(u.keys) != 1 || resp.Header.Get("X-Should-Retry") != "" {
			t.Errorf("%d: the client gets %d after %d attempts", status, resp.StatusCode, len(u.keys))
		}
		states, _ := pool.Snapshot(context.Background(), "openai")
		if states[0].State != "healthy" || len(states[0].Models) != 0 {
			t.Errorf("%d: the key is %+v", status, states[0])
		}
		if faults := pool.Target("openai", "m").Faults; (faults == 1) != (status >= 500) {
			t.Errorf("%d: the target has %d faults", status, faults)
		}
	}
}

// pitfall 14: with no key at all the client learns when to come back.
func TestTransportUnavailable(t *testing.T) {
	limited := answer(429, `{}`, "Retry-After", "30")
	u := newUpstream(t, map[string]http.HandlerFunc{"sk-a": limited, "sk-b": limited, "sk-c": limited})
	client := &http.Client{Transport: &rotate.Transport{Rotator: abc(), Provider: "openai"}}
	resp, err := client.Post(u.URL, "application/json", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	_, err = client.Post(u.URL, "application/json", strings.NewReader(`{}`))
	var unavailable *rotate.UnavailableError
	if !errors.As(err, &unavailable) || unavailable.RetryAfter <= 29*time.Second || unavailable.RetryAfter > 30*time.Second {
		t.Errorf("got %v", err)
	}
}

func TestTransportPutsTheKey(t *testing.T) {
	var got http.Header
	base := roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})
	for _, c := range []struct{ name, sent, want string }{
		{"Authorization", "Bearer unused", "Bearer sk-a"},
		{"Authorization", "unused", "sk-a"},
		{"X-Api-Key", "unused", "sk-a"},
		{"Api-Key", "unused", "sk-a"},
		{"X-Goog-Api-Key", "unused", "sk-a"},
		{"Authorization", "", "Bearer sk-a"},
	} {
		send(t, &rotate.Transport{Rotator: abc(), Provider: "openai", Base: base}, "http://provider/", "", c.name, c.sent)
		if got.Get(c.name) != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.sent, got.Get(c.name), c.want)
		}
		for name, v := range got {
			if strings.Contains(strings.Join(v, ""), "unused") || name != c.name && strings.Contains(strings.Join(v, ""), "sk-a") {
				t.Errorf("%s: %v", name, v)
			}
		}
	}
	tr := &rotate.Transport{Rotator: abc(), Provider: "openai", Base: base, Authorize: func(r *http.Request, k rotate.Key) { r.Header.Set("Own", k.Secret.Reveal()) }}
	req, _ := http.NewRequest("GET", "http://provider/", nil)
	if _, err := tr.RoundTrip(req); err != nil || got.Get("Own") != "sk-a" || req.Header.Get("Own") != "" {
		t.Errorf("got %v, %v; the caller's request has %v", got, err, req.Header)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pitfall 44: a redirect to another host gets no key.
func TestTransportRedirect(t *testing.T) {
	elsewhere := newUpstream(t, nil)
	u := newUpstream(t, map[string]http.HandlerFunc{"sk-a": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}})
	resp, _ := send(t, &rotate.Transport{Rotator: abc(), Provider: "openai"}, u.URL, `{"model":"m"}`, "X-Api-Key", "unused")
	if resp.StatusCode != 200 || len(elsewhere.keys) != 1 || elsewhere.keys[0] != "" || elsewhere.bodies[0] != `{"model":"m"}` {
		t.Errorf("got %d, and the other host keys %q, bodies %q", resp.StatusCode, elsewhere.keys, elsewhere.bodies)
	}
}

// The key is given back when the body ends, and a body that breaks off is the
// target's fault.
func TestTransportBody(t *testing.T) {
	inFlight := func(p *rotate.Pool) (n int64, outcomes map[string]uint64) {
		s, _ := p.Snapshot(context.Background(), "openai")
		return s[0].InFlight, s[0].Outcomes
	}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		body   io.Reader
		finish func(*http.Response, context.CancelFunc)
		want   string
	}{
		"read":     {strings.NewReader("x"), func(r *http.Response, _ context.CancelFunc) { io.ReadAll(r.Body) }, "success"},
		"closed":   {strings.NewReader("x"), func(r *http.Response, _ context.CancelFunc) { r.Body.Close(); r.Body.Close() }, "success"},
		"broken":   {&failing{broken}, func(r *http.Response, _ context.CancelFunc) { io.ReadAll(r.Body) }, "target_fault"},
		"canceled": {&failing{context.Canceled}, func(r *http.Response, cancel context.CancelFunc) { cancel(); io.ReadAll(r.Body) }, "canceled"},
	} {
		pool := abc()
		tr := &rotate.Transport{Rotator: pool, Provider: "openai", Base: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(c.body), Request: r}, nil
		})}
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://provider/", nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := inFlight(pool); n != 1 {
			t.Errorf("%s: %d in flight before the body ends", name, n)
		}
		c.finish(resp, cancel)
		resp.Body.Close()
		if n, outcomes := inFlight(pool); n != 0 || outcomes[c.want] != 1 || len(outcomes) != 1 {
			t.Errorf("%s: %d in flight, outcomes %v", name, n, outcomes)
		}
		cancel()
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestTransportModel(t *testing.T) {
	for _, c := range []struct{ path, body, want string }{
		{"/v1/chat/completions", `{"messages":[],"model":"gpt-4o"}`, "gpt-4o"},
		{"/v1beta/models/gemini-2.5-pro:generateContent", `{}`, "gemini-2.5-pro"},
		{"/model/anthropic.claude-v2%3A1/converse", `{}`, "anthropic.claude-v2:1"},
		{"/openai/deployments/mine/chat/completions", `{}`, "mine"},
		{"/v1/models", ``, ""},
		{"/v1/x", `not json`, ""},
		{"/v1/x", ` `, ""},
		{"/v1/x", `[1]`, ""},
	} {
		var got rotate.Scope
		tr := &rotate.Transport{Rotator: abc(), Provider: "openai", Scope: func(_ *http.Request, _ []byte, s *rotate.Scope) { got = *s },
			Base: roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})}
		send(t, tr, "http://provider"+c.path, c.body)
		if got.Model != c.want {
			t.Errorf("%s %s: model %q, want %q", c.path, c.body, got.Model, c.want)
		}
	}
}

// A body that is too large to keep is sent whole, once; with GetBody it is sent again.
func TestTransportLargeBody(t *testing.T) {
	u := newUpstream(t, map[string]http.HandlerFunc{"sk-a": answer(401, `{}`)})
	large := bytes.Repeat([]byte("x"), 1000)
	for _, replays := range []bool{false, true} {
		u.keys, u.bodies = nil, nil
		req, _ := http.NewRequest("POST", u.URL, io.MultiReader(bytes.NewReader(large)))
		if replays {
			req, _ = http.NewRequest("POST", u.URL, bytes.NewReader(large))
		}
		tr := &rotate.Transport{Rotator: abc(), Provider: "openai", MaxBody: 100}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := map[bool]int{false: 401, true: 200}[replays]; resp.StatusCode != want {
			t.Errorf("replays %v: status %d", replays, resp.StatusCode)
		}
		for _, b := range u.bodies {
			if b != string(large) {
				t.Errorf("replays %v: %d bytes arrive", replays, len(b))
			}
		}
	}
}
