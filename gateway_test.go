package llmproxy_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
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
	if a.Header.Get("Cf-Aig-Log-Id") != "log1" || seen.Gateway != "gw" || seen.Attempts[0].Gateway.LogID != "log1" {
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

// The gateway itself failing: the next attempt goes around it, with the same
// key, where the host wants that; a provider's failure is no reason.
func TestGatewayDown(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	for name, tt := range map[string]struct {
		fail      http.HandlerFunc // nil: nobody listens
		stay      bool             // the host wants no other way
		universal bool
		around    bool
	}{
		"refused":                {nil, false, false, true},
		"reset":                  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, false, true},
		"502":                    {status(502), false, false, true},
		"refused, universal":     {nil, false, true, true},
		"502, universal":         {status(502), false, true, true},
		"502, not wanted":        {status(502), true, false, false},
		"provider's 500":         {status(500, "Cf-Aig-Log-Id", "l"), false, false, false},
		"provider's 500, a step": {status(500, "Cf-Aig-Step", "0"), false, true, false},
		"provider's 400":         {status(400, "Cf-Aig-Log-Id", "l"), false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			address, direct := "http://127.0.0.1:1", 0
			if tt.fail != nil {
				address = upstream(t, tt.fail).URL
			}
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				direct++
				if r.Header.Get("Cf-Aig-Authorization")+r.Header.Get("Cf-Aig-Metadata") != "" || r.Header.Get("Authorization") != "Bearer only" {
					t.Errorf("headers: %v", r.Header)
				}
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, chatAnswer)
			})
			p := provider.Compatible("up", up.URL)
			p.NoKey = false
			s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("up", rotate.Secrets("only")...), llmproxy.WithGateway(&gateway.Gateway{
				Account: "a", BaseURL: address, Token: rotate.NewSecret("cf"), Slugs: map[string]string{"up": "custom-up"}, DirectOnFailure: !tt.stay, Universal: tt.universal}))
			a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`, "Cf-Aig-Metadata", "{}")
			if (a.StatusCode == 200) != tt.around || (direct == 1) != tt.around || tt.around && a.Header.Get("Llmproxy-Attempts") != "2" {
				t.Errorf("%d after %d: %s %v", a.StatusCode, direct, a.body, a.Header)
			}
		})
	}
}

// What the gateway is told by the client and what it says itself: the one goes
// up, but for the token, and the other comes down and to the observer.
func TestGatewayHeaders(t *testing.T) {
	var up http.Header
	gw := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		up = r.Header
		for name, v := range map[string]string{"Log-Id": "log1", "Cache-Status": "HIT", "Step": "0", "Event-Id": "ev", "Model": "m", "Provider": "p"} {
			w.Header().Set("Cf-Aig-"+name, v)
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "/anthropic/") {
			io.WriteString(w, `{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}`)
			return
		}
		io.WriteString(w, chatAnswer)
	})
	var seen llmproxy.Attempt
	s := proxy(t, withGateway(gw.URL, nil), llmproxy.WithObserver(llmproxy.Observer{Attempt: func(_ context.Context, _ *llmproxy.Exchange, a *llmproxy.Attempt) { seen = *a }}))
	told := map[string]string{
		"Metadata": `{"a":1}`, "Skip-Cache": "true", "Cache-Ttl": "60", "Cache-Key": "k", "Collect-Log": "false", "Custom-Cost": `{"per_token_in":1}`, "Event-Id": "ev",
		"Request-Timeout": "1000", "Max-Attempts": "3", "Retry-Delay": "10", "Backoff": "linear", "Byok-Alias": "b", "No-Wholesale": "true", "Zdr": "true",
	}
	headers := []string{"Cf-Aig-Authorization", "Bearer stolen"}
	for name, v := range told {
		headers = append(headers, "Cf-Aig-"+name, v)
	}
	for _, route := range []struct{ path, body string }{
		{"/v1/chat/completions", `{"model":"openai/gpt-4o","messages":[]}`},
		{"/v1/chat/completions", `{"model":"anthropic/claude-sonnet-4-5","messages":[{"role":"user","content":"x"}]}`}, // translated
		{"/compat/chat/completions", `{"model":"openai/gpt-4o","messages":[]}`},
		{"/", `[{"provider":"openai","endpoint":"chat/completions","query":{}}]`},
		{"/openai/files", `x`},
	} {
		seen = llmproxy.Attempt{}
		a := do(t, s, "POST", route.path, route.body, headers...)
		for name, v := range told {
			if got := up.Get("Cf-Aig-" + name); got != v {
				t.Errorf("%s: %s went up as %q, want %q", route.path, name, got, v)
			}
		}
		if up.Get("Cf-Aig-Authorization") != "Bearer cf-token" {
			t.Errorf("%s: token %q", route.path, up.Get("Cf-Aig-Authorization"))
		}
		if a.StatusCode != 200 || a.Header.Get("Cf-Aig-Log-Id") != "log1" || a.Header.Get("Cf-Aig-Cache-Status") != "HIT" || a.Header.Get("Cf-Aig-Step") != "0" {
			t.Errorf("%s: %d %v %s", route.path, a.StatusCode, a.Header, a.body)
		}
		if want := (gateway.Info{LogID: "log1", CacheStatus: "HIT", EventID: "ev", Provider: "p", Model: "m"}); seen.Gateway != want {
			t.Errorf("%s: observed %+v", route.path, seen)
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

// A step of a provider that takes several exchanges, or whose answer must be
// put into its format, is finished as if it had been asked alone; the steps
// share the cache's entries where the host opts in.
func TestGatewayUniversalTransports(t *testing.T) {
	frames := eventstream.AppendEvent(nil, "chunk", []byte(`{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(`{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`))+`"}`))
	var answer http.HandlerFunc
	gw := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/acct/gw" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		var steps []struct{ Headers map[string]string }
		if json.NewDecoder(r.Body).Decode(&steps) != nil || len(steps) != 2 || steps[0].Headers["Cf-Aig-Cache-Key"] == "" || steps[0].Headers["Cf-Aig-Cache-Key"] != steps[1].Headers["Cf-Aig-Cache-Key"] {
			t.Errorf("steps %+v", steps)
		}
		w.Header().Set("Cf-Aig-Step", "1")
		answer(w, r)
	})
	g := &gateway.Gateway{Account: "acct", Name: "gw", BaseURL: gw.URL, Universal: true, SharedCache: true}
	opts := []llmproxy.Option{
		llmproxy.WithGateway(g), llmproxy.WithProvider(provider.Replicate(), provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"})),
		llmproxy.WithKeys("replicate", rotate.Secrets("r1", "r2")...), llmproxy.WithKeys("aws-bedrock", rotate.Secrets("b1", "b2")...),
	}
	s := proxy(t, opts...)
	answer = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":"p1","status":"succeeded","output":["Hel","lo"],"urls":{}}`)
	}
	for _, stream := range []string{"false", "true"} {
		a := do(t, s, "POST", "/v1/chat/completions", `{"model":"replicate/o/n","messages":[{"role":"user","content":"hi"}],"stream":`+stream+`}`)
		if a.StatusCode != 200 || !strings.Contains(a.body, "Hel") || (stream == "true") != strings.HasSuffix(a.body, "data: [DONE]\n\n") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		w.Write(frames)
	}
	if a := do(t, s, "POST", "/v1/messages", messagesTo(bedrockClaude, `,"stream":true`)); a.StatusCode != 529 && a.StatusCode != 503 || !strings.Contains(a.body, "busy") {
		t.Errorf("%d %s", a.StatusCode, a.body)
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
	if a = do(t, s, "POST", "/g/other", `[{"provider":"openai","endpoint":"x","query":{}}]`); a.StatusCode != 200 || path != "/acct/other" {
		t.Errorf("/g/other: %d %s %s", a.StatusCode, path, a.body)
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

// The gateway's REST surface: three formats as they come and a fourth
// translated, whole, streamed and refused, the gateway chosen by a header, and
// Cloudflare's token as the key.
func TestGatewayREST(t *testing.T) {
	up := providertest.NewServer(t)
	s := proxy(t, llmproxy.WithProvider(gateway.REST("acct", "gw")), llmproxy.WithKeys("ai-gateway", rotate.Secrets("cf-token")...), llmproxy.WithTransport(up.Everywhere()))
	const turns = `"messages":[{"role":"user","content":"hi"}],"max_tokens":9`
	for _, tt := range []struct{ route, body, at, end string }{
		{"/v1/chat/completions", turns, "chat/completions", "data: [DONE]"},
		{"/v1/responses", `"input":"hi"`, "responses", "response.completed"},
		{"/v1/messages", turns, "messages", "message_stop"},
		{"/v1beta/models/ai-gateway/openai/gpt-5.6:generateContent", `"contents":[{"role":"user","parts":[{"text":"hi"}]}]`, "chat/completions", `"finishReason":"STOP"`},
	} {
		up.Then(providertest.Text("Hello"), providertest.Text("Hello"), providertest.Fail(400, "no credits"))
		before := up.Count()
		for i, stream := range []string{"false", "true", "false"} {
			route, body := tt.route, `{"model":"ai-gateway/openai/gpt-5.6",`+tt.body+`,"stream":`+stream+`}`
			if strings.Contains(route, "generateContent") {
				body = "{" + tt.body + "}"
				if stream == "true" {
					route = strings.Replace(route, "generate", "streamGenerate", 1) + "?alt=sse"
				}
			}
			a := do(t, s, "POST", route, body)
			switch i {
			case 0:
				if a.StatusCode != 200 || !strings.Contains(a.body, `"Hello"`) {
					t.Errorf("%s: %d %s", route, a.StatusCode, a.body)
				}
			case 1:
				if !strings.Contains(a.body, tt.end) {
					t.Errorf("%s: %s", route, a.body)
				}
			case 2:
				if a.StatusCode != 400 || !strings.Contains(a.body, "no credits") {
					t.Errorf("%s: %d %s", route, a.StatusCode, a.body)
				}
			}
		}
		for _, q := range up.Requests()[before:] {
			if q.Host+q.Path != "api.cloudflare.com/client/v4/accounts/acct/ai/v1/"+tt.at || q.Header.Get("Authorization") != "Bearer cf-token" || q.Header.Get("Cf-Aig-Gateway-Id") != "gw" || q.Model != "openai/gpt-5.6" {
				t.Errorf("%s%s %v %s", q.Host, q.Path, q.Header, q.Body)
			}
			if err := q.Invalid(); err != nil {
				t.Errorf("%v: %s", err, q.Body)
			}
		}
	}
}
