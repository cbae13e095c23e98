package llmproxy_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

func withGateway(base string, change func(*gateway.Gateway)) llmproxy.Option {
	g := &gateway.Gateway{Account: "acct", Name: "gw", Token: rotate.NewSecret("cf-token"), BaseURL: base}
	if change != nil {
		change(g)
	}
	return llmproxy.Options(
		llmproxy.WithGateway(g), llmproxy.WithProvider(provider.OpenAI(), provider.Anthropic(), provider.Ollama("http://127.0.0.1:1")),
		llmproxy.WithKeys("openai", rotate.Secrets("o1", "o2")...), llmproxy.WithKeys("anthropic", rotate.Secrets("a1")...))
}

// pitfall 46: requests travel by the provider's own path at the gateway, with
// the gateway's token apart from the provider's key.
func TestGatewayPath(t *testing.T) {
	var path, auth, token, attempts, meta string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		path, auth, token = r.URL.Path, r.Header.Get("Authorization")+r.Header.Get("X-Api-Key"), r.Header.Get("Cf-Aig-Authorization")
		attempts, meta = r.Header.Get("Cf-Aig-Max-Attempts"), r.Header.Get("Cf-Aig-Metadata")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cf-Aig-Log-Id", "log1")
		io.WriteString(w, chatAnswer)
	})
	var seen llmproxy.Exchange
	s := proxy(t, withGateway(up.URL+"/v1", nil), llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen = *x }}))
	a := do(t, s, "POST", "/v1/chat/completions", `{"model":"openai/gpt-4o","messages":[]}`, "Cf-Aig-Metadata", `{"a":1}`, "Cf-Aig-Authorization", "Bearer stolen")
	if a.StatusCode != 200 || path != "/v1/acct/gw/openai/chat/completions" || auth != "Bearer o1" || token != "Bearer cf-token" || attempts != "1" || meta != `{"a":1}` {
		t.Errorf("%d %s: %q %q %q %q %q", a.StatusCode, a.body, path, auth, token, attempts, meta)
	}
	if a.Header.Get("Cf-Aig-Log-Id") != "log1" || seen.Gateway != "gw" {
		t.Errorf("%v %+v", a.Header, seen.Gateway)
	}
	if do(t, s, "POST", "/g/other/v1/chat/completions", `{"model":"openai/gpt-4o","messages":[]}`); path != "/v1/acct/other/openai/chat/completions" {
		t.Errorf("/g/other: %s", path)
	}
	if do(t, s, "POST", "/key/0/g/other/v1/chat/completions", `{"model":"openai/gpt-4o","messages":[]}`); path != "/v1/acct/other/openai/chat/completions" || auth != "Bearer o1" {
		t.Errorf("/key/0/g/other: %s %s", path, auth)
	}
	if do(t, s, "GET", "/anthropic/v1/files", ""); path != "/v1/acct/gw/anthropic/v1/files" || auth != "a1" {
		t.Errorf("pass-through: %s %s", path, auth)
	}
	plain := proxy(t, compatible("up", up.URL, "k"))
	if a := do(t, plain, "POST", "/g/x/v1/chat/completions", `{"model":"up/m","messages":[]}`); a.StatusCode != 400 || !strings.Contains(a.body, "gateway") {
		t.Errorf("no gateway: %d %s", a.StatusCode, a.body)
	}
	// A provider that the gateway does not know goes direct, without its headers.
	if a := do(t, plain, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`, "Cf-Aig-Metadata", "x"); a.StatusCode != 200 || meta != "" || path != "/chat/completions" {
		t.Errorf("direct: %d %q %s", a.StatusCode, meta, path)
	}
}

// The gateway itself failing: the next attempt goes around it, with the same key.
func TestGatewayDown(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"502":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) },
	} {
		gw := upstream(t, fail)
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Cf-Aig-Authorization") != "" || r.Header.Get("Authorization") != "Bearer only" {
				t.Errorf("headers: %v", r.Header)
			}
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, chatAnswer)
		})
		p := provider.Compatible("up", up.URL)
		p.NoKey = false
		s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("up", rotate.Secrets("only")...), llmproxy.WithGateway(&gateway.Gateway{
			Account: "a", BaseURL: gw.URL, Token: rotate.NewSecret("cf"), Slugs: map[string]string{"up": "custom-up"}, DirectOnFailure: true}))
		if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`); a.StatusCode != 200 || a.Header.Get("Llmproxy-Attempts") != "2" {
			t.Errorf("%s: %d %s %v", name, a.StatusCode, a.body, a.Header)
		}
	}
}

// One cache entry for all keys, where the host opts in.
func TestGatewaySharedCache(t *testing.T) {
	var keys []string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Cf-Aig-Cache-Key"))
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	s := proxy(t, withGateway(up.URL, func(g *gateway.Gateway) { g.SharedCache = true }))
	for _, m := range []string{"x", "x", "y"} {
		do(t, s, "POST", "/v1/chat/completions", `{"model":"openai/gpt-4o","messages":[{"role":"user","content":"`+m+`"}]}`)
	}
	if len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[0] == keys[2] {
		t.Errorf("cache keys: %q", keys)
	}
}

// Universal mode: a step for each key and target, and the answer in the format
// of the step that gave it.
func TestGatewayUniversalMode(t *testing.T) {
	var step atomic.Value
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var steps []struct {
			Provider, Endpoint string
			Headers            map[string]string
			Query              map[string]any
		}
		if err := json.Unmarshal(b, &steps); err != nil || r.URL.Path != "/acct/gw" || len(steps) != 3 {
			t.Errorf("%s: %v %s", r.URL, err, b)
			return
		}
		if steps[0].Endpoint != "chat/completions" || steps[0].Headers["Authorization"] == steps[1].Headers["Authorization"] ||
			steps[2].Provider != "anthropic" || steps[2].Endpoint != "v1/messages" || steps[2].Headers["X-Api-Key"] != "a1" || steps[2].Query["model"] != "claude-sonnet-4-5" {
			t.Errorf("steps: %s", b)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cf-Aig-Step", step.Load().(string))
		if step.Load() == "2" {
			io.WriteString(w, `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"from claude"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}`)
			return
		}
		io.WriteString(w, chatAnswer)
	})
	var seen llmproxy.Exchange
	s := proxy(t, withGateway(up.URL, func(g *gateway.Gateway) { g.Universal = true }), llmproxy.WithAlias("best", "openai/gpt-4o", "anthropic/claude-sonnet-4-5"),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen = *x }}))
	step.Store("1")
	if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"best","messages":[{"role":"user","content":"hi"}]}`); a.body != chatAnswer || seen.Provider != "openai" {
		t.Errorf("%d %s %+v", a.StatusCode, a.body, seen)
	}
	step.Store("2")
	if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"best","messages":[{"role":"user","content":"hi"}]}`); !strings.Contains(a.body, `"content":"from claude"`) || seen.Provider != "anthropic" || len(seen.Attempts) != 1 {
		t.Errorf("%d %s %+v", a.StatusCode, a.body, seen)
	}
}

// POST / and /compat/…: keys are filled in, the client's own win.
func TestGatewayClientEndpoints(t *testing.T) {
	var body, path, auth string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body, path, auth = string(b), r.URL.Path, r.Header.Get("Authorization")
		w.Header().Set("Cf-Aig-Step", "1")
		io.WriteString(w, `{"any":"thing"}`)
	})
	s := proxy(t, withGateway(up.URL, nil))
	a := do(t, s, "POST", "/", `[{"provider":"openai","endpoint":"chat/completions","query":{"model":"x","big":12345678901234567890}},{"provider":"anthropic","endpoint":"v1/messages","headers":{"x-api-key":"mine"},"query":{}}]`)
	if a.body != `{"any":"thing"}` || path != "/acct/gw" || !strings.Contains(body, `"Authorization":"Bearer o1"`) || !strings.Contains(body, `"X-Api-Key":"mine"`) ||
		strings.Contains(body, "a1") || !strings.Contains(body, `"big":12345678901234567890`) || !strings.Contains(body, `"Anthropic-Version"`) {
		t.Errorf("%d %s: %s %s", a.StatusCode, a.body, path, body)
	}
	if a = do(t, s, "POST", "/", `[{"provider":"nobody","endpoint":"x","query":{}}]`); a.StatusCode != 400 || !strings.Contains(a.body, "nobody") {
		t.Errorf("unknown provider: %d %s", a.StatusCode, a.body)
	}
	if a = do(t, s, "POST", "/", `{`); a.StatusCode != 400 {
		t.Errorf("bad JSON: %d %s", a.StatusCode, a.body)
	}
	a = do(t, s, "POST", "/g/other/compat/chat/completions", `{"model":"openai/gpt-4o","messages":[]}`)
	if a.body != `{"any":"thing"}` || path != "/acct/other/compat/chat/completions" || !strings.HasPrefix(auth, "Bearer o") || body != `{"model":"openai/gpt-4o","messages":[]}` {
		t.Errorf("compat: %d %s %s %s", a.StatusCode, path, auth, body)
	}
	if a = do(t, s, "POST", "/compat/chat/completions", `{"model":"dynamic/route","messages":[]}`); a.StatusCode != 200 || auth != "" {
		t.Errorf("dynamic: %d %s", a.StatusCode, auth)
	}
	if a = do(t, s, "POST", "/compat/chat/completions", `{"model":"nobody/x","messages":[]}`); a.StatusCode != 400 || !strings.Contains(a.body, "nobody") {
		t.Errorf("compat, unknown provider: %d %s", a.StatusCode, a.body)
	}
	plain := proxy(t, compatible("up", up.URL, "k"))
	if a = do(t, plain, "POST", "/", `[]`); a.StatusCode != 404 {
		t.Errorf("no gateway: %d", a.StatusCode)
	}
}

// The gateway's REST surface: three formats, the gateway chosen by a header,
// and Cloudflare's token as the key.
func TestGatewayREST(t *testing.T) {
	var path, auth, id, body string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		path, auth, id, body = r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Cf-Aig-Gateway-Id"), string(b)
		w.WriteHeader(400)
	})
	p := gateway.REST("acct", "gw")
	if p.BaseURL != "https://api.cloudflare.com/client/v4/accounts/acct/ai/v1" {
		t.Error(p.BaseURL)
	}
	p.BaseURL = up.URL + "/ai/v1"
	s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("ai-gateway", rotate.Secrets("cf-token")...))
	for route, want := range map[string]string{"/v1/chat/completions": "/ai/v1/chat/completions", "/v1/responses": "/ai/v1/responses", "/v1/messages": "/ai/v1/messages"} {
		do(t, s, "POST", route, `{"model":"ai-gateway/openai/gpt-5.6","x":1}`)
		if path != want || auth != "Bearer cf-token" || id != "gw" || body != `{"model":"openai/gpt-5.6","x":1}` {
			t.Errorf("%s: %s %s %s %s", route, path, auth, id, body)
		}
	}
}
