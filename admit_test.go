package llmproxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// admissions records what a host is asked and told.
type admissions struct {
	asked   []*llmproxy.Admission
	settled chan llmproxy.Exchange
	err     error
	header  http.Header
}

func (a *admissions) option() llmproxy.Option {
	a.settled = make(chan llmproxy.Exchange, 100)
	return llmproxy.WithAdmission(func(_ context.Context, q *llmproxy.Admission) (func(*llmproxy.Exchange), error) {
		a.asked = append(a.asked, q)
		for name, v := range a.header {
			q.Header[name] = v
		}
		return func(x *llmproxy.Exchange) { a.settled <- *x }, a.err
	})
}

// last returns what the host was told last, and fails unless it was told once.
func (a *admissions) last(t *testing.T) llmproxy.Exchange {
	t.Helper()
	select {
	case x := <-a.settled:
		if len(a.settled) != 0 {
			t.Errorf("settled %d times more", len(a.settled))
		}
		return x
	case <-time.After(10 * time.Second):
		t.Fatal("never settled")
		panic("unreachable")
	}
}

func TestAdmission(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Ratelimit-Remaining-Tokens", "theirs")
		w.Header().Set("Anthropic-Ratelimit-Requests-Limit", "theirs")
		switch {
		case strings.HasSuffix(r.URL.Path, "/embeddings"):
			io.WriteString(w, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":4,"total_tokens":4}}`)
		default:
			io.WriteString(w, chatAnswer)
		}
	})
	host := &admissions{header: http.Header{"X-Ratelimit-Remaining-Requests": {"ours"}}}
	s := proxy(t, compatible("up", up.URL+"/v1", "sk-1"), host.option(),
		llmproxy.WithAuth(func(*http.Request) (string, error) { return "alice", nil }))
	for _, c := range []struct {
		method, path, body string
		op                 provider.Op
		model              string
		output             int64
		usage              int64
	}{
		{"POST", "/v1/chat/completions", `{"model":"up/m","messages":[{"role":"user","content":"hi"}],"max_tokens":9}`, provider.Chat, "m", 9, 5},
		{"POST", "/v1/messages", `{"model":"up/m","messages":[{"role":"user","content":"hi"}],"max_tokens":9}`, provider.Chat, "m", 9, 5},
		{"POST", "/v1/responses", `{"model":"up/m","input":"hi","max_output_tokens":9}`, provider.Chat, "m", 9, 5},
		{"POST", "/v1beta/models/up%2Fm:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":9}}`, provider.Chat, "m", 9, 5},
		{"POST", "/v1/embeddings", `{"model":"up/m","input":"hi"}`, provider.Embed, "m", 0, 4},
		{"POST", "/v1/moderations", `{"model":"up/m","input":"hi"}`, provider.Forward, "m", 0, 0},
		{"POST", "/up/anything", `{"max_tokens":9}`, provider.Pass, "", 9, 0},
		{"GET", "/up/anything", ``, provider.Pass, "", 0, 0},
	} {
		host.asked = nil
		got := do(t, s, c.method, c.path, c.body)
		if got.StatusCode != 200 || len(host.asked) != 1 {
			t.Errorf("%s: %d, asked %d times: %s", c.path, got.StatusCode, len(host.asked), got.body)
			continue
		}
		q, x := host.asked[0], host.last(t)
		if q.Op != c.op || q.Model != c.model || q.Provider != "up" || q.MaxOutputTokens != c.output || q.Principal != "alice" || q.BodyBytes != int64(len(c.body)) ||
			q.InputTokens != int64(len(c.body)+3)/4 || q.ID != x.ID || q.Route != x.Route || q.ClientFormat != x.ClientFormat || q.ModelAsked != x.ModelAsked {
			t.Errorf("%s: asked about %+v", c.path, q)
		}
		if x.Status != 200 || x.Principal != "alice" || c.usage > 0 && (x.Usage == nil || x.Usage.Total() != c.usage) || len(x.Attempts) != 1 {
			t.Errorf("%s: settled with %+v", c.path, x)
		}
		h := got.Header
		if h.Get("X-Ratelimit-Remaining-Requests") != "ours" || h.Get("X-Ratelimit-Remaining-Tokens") != "" || h.Get("Anthropic-Ratelimit-Requests-Limit") != "" {
			t.Errorf("%s: headers %v", c.path, h)
		}
	}
	host.asked = nil
	for _, path := range []string{"/ping", "/status", "/v1/models"} {
		do(t, s, "GET", path, "")
	}
	do(t, s, "POST", "/v1/chat/completions", `{"model":"none/m","messages":[]}`)
	if len(host.asked) != 0 {
		t.Errorf("asked about %+v, which no provider is sent", host.asked[0])
	}
	host.header = nil
	if got := do(t, s, "POST", "/v1/moderations", `{"model":"up/m"}`); got.Header.Get("X-Ratelimit-Remaining-Tokens") != "theirs" {
		t.Errorf("without limits of the host's the provider's are gone: %v", got.Header)
	}
}

// A refusal is in the client's format, and no key was taken for it.
func TestAdmissionRefuses(t *testing.T) {
	up := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("asked although refused") })
	host := &admissions{header: http.Header{"Ratelimit": {`"r";r=0;t=7`}}}
	s := proxy(t, compatible("up", up.URL+"/v1", "sk-1"), host.option())
	for _, c := range chatRequests(false) {
		host.err = &translate.Error{Kind: translate.RateLimit, Message: "too many requests", RetryAfter: 6500 * time.Millisecond}
		got := do(t, s, "POST", c.path, c.body)
		if got.StatusCode != 429 || got.Header.Get("Retry-After") != "7" || got.Header.Get("Ratelimit") == "" || errorMessage(got.body) != "too many requests" {
			t.Errorf("%s: %d %v %s", c.path, got.StatusCode, got.Header, got.body)
		}
		host.err = errors.New("dial tcp 10.0.0.1: refused")
		if got := do(t, s, "POST", c.path, c.body); got.StatusCode != 500 || strings.Contains(got.body, "10.0.0.1") {
			t.Errorf("%s: %d %s", c.path, got.StatusCode, got.body)
		}
	}
	if len(host.settled) != 0 {
		t.Errorf("what was refused was settled %d times", len(host.settled))
	}
}

// However a request ends, its admission is settled once.
func TestAdmissionIsSettled(t *testing.T) {
	const body = `{"model":"up/m","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	reached := make(chan struct{})
	for name, h := range map[string]http.HandlerFunc{
		"answered": streamHandler(chunk(`{"content":"a"}`, ""), chunk(`{}`, `"stop"`), "data: [DONE]\n\n"),
		"cut":      streamHandler(chunk(`{"content":"a"}`, "")),
		"failed":   func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadRequest) },
		"retried":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"broken": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "part")
		},
		"aborted": func(w http.ResponseWriter, r *http.Request) {
			streamHandler(chunk(`{"content":"a"}`, ""))(w, r)
			close(reached)
			<-r.Context().Done()
		},
		"panic": streamHandler(chunk(`{"content":"a"}`, ""), chunk(`{}`, `"stop"`), "data: [DONE]\n\n"),
	} {
		t.Run(name, func(t *testing.T) {
			host := &admissions{}
			opts := []llmproxy.Option{compatible("up", upstream(t, h).URL+"/v1", "sk-1", "sk-2"), host.option()}
			if name == "panic" {
				opts = append(opts, llmproxy.WithObserver(llmproxy.Observer{Attempt: func(context.Context, *llmproxy.Exchange, *llmproxy.Attempt) { panic(http.ErrAbortHandler) }}))
			}
			s := proxy(t, opts...)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			path := "/api/llm/v1/chat/completions"
			if name == "broken" {
				path = "/api/llm/up/anything"
			}
			req, _ := http.NewRequestWithContext(ctx, "POST", s.URL+path, strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+clientKey)
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				if name == "aborted" {
					<-reached
					cancel()
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			x := host.last(t)
			if len(host.asked) != 1 || (x.Err == nil) != (name == "answered" || name == "panic") || x.Aborted != (name == "aborted") {
				t.Errorf("asked %d times; %+v", len(host.asked), x)
			}
		})
	}
}

// Every way to a provider asks once, also where two are tried for one request.
// A client has its whole answer before the host has counted it.
func TestAnswerDoesNotWaitForSettle(t *testing.T) {
	const stream = `data: {"id":"1","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, stream)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	read := make(chan struct{}, 4)
	s := proxy(t, compatible("up", up.URL+"/v1", "sk-1"), llmproxy.WithAdmission(func(context.Context, *llmproxy.Admission) (func(*llmproxy.Exchange), error) {
		return func(*llmproxy.Exchange) {
			select {
			case <-read:
			case <-time.After(3 * time.Second):
				t.Error("the client waits for the host")
			}
		}, nil
	}))
	for _, c := range []struct{ path, members, end string }{
		{"/v1/chat/completions", ``, "}"},
		{"/v1/chat/completions", `,"stream":true`, "[DONE]\n\n"},
		{"/v1/messages", `,"max_tokens":9`, "}"},
		{"/v1/messages", `,"max_tokens":9,"stream":true`, `"message_stop"}` + "\n\n"},
	} {
		req, err := http.NewRequest("POST", s.URL+"/api/llm"+c.path, strings.NewReader(`{"model":"up/m","messages":[{"role":"user","content":"hi"}]`+c.members+`}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+clientKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for b := make([]byte, 1000); err == nil && !strings.HasSuffix(string(got), c.end); {
			var n int
			n, err = resp.Body.Read(b)
			got = append(got, b[:n]...)
		}
		if !strings.HasSuffix(string(got), c.end) {
			t.Errorf("%s %s: %v, got %q", c.path, c.members, err, got)
		}
		read <- struct{}{}
		resp.Body.Close()
	}
}

func TestAdmissionOnEveryWay(t *testing.T) {
	var reached atomic.Int64
	gw := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	const chat = `"messages":[{"role":"user","content":"hi"}]}`
	for _, c := range []struct {
		name, path, body string
		op               provider.Op
		provider         string
		header           []string
	}{
		{"universal mode", "/v1/chat/completions", `{"model":"openai/gpt-4o",` + chat, provider.Chat, "openai", nil},
		{"universal mode that cannot be", "/v1/chat/completions", `{"model":"mixed",` + chat, provider.Chat, "ollama", nil},
		{"compat", "/compat/chat/completions", `{"model":"openai/gpt-4o",` + chat, provider.Forward, "openai", nil},
		{"a dynamic route", "/compat/chat/completions", `{"model":"dynamic/mine",` + chat, provider.Forward, "ai-gateway", nil},
		{"the client's own steps", "/", `[{"provider":"openai","endpoint":"chat/completions","query":{}}]`, provider.Forward, "ai-gateway", nil},
		{"tokens", "/v1/messages/count_tokens", `{"model":"anthropic/claude-sonnet-4-5",` + chat, provider.CountTokens, "anthropic", nil},
		{"Gemini's embeddings", "/v1beta/models/google-ai-studio%2Fm:embedContent", `{"content":{"parts":[{"text":"x"}]}}`, provider.Pass, "google-ai-studio", nil},
		{"WebSocket", "/up/realtime", "", provider.Pass, "up", []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
	} {
		for _, refused := range []bool{false, true} {
			host := &admissions{}
			if refused {
				host.err = translate.Errorf(translate.RateLimit, "not now")
			}
			s := proxy(t, withGateway(gw.URL, func(g *gateway.Gateway) { g.Universal = true }), host.option(), compatible("up", gw.URL, "sk-1"),
				llmproxy.WithProvider(provider.GoogleAIStudio()), llmproxy.WithKeys("google-ai-studio", rotate.Secrets("g1")...), llmproxy.WithAlias("mixed", "ollama/m", "openai/gpt-4o"))
			reached.Store(0)
			method := "POST"
			if c.name == "WebSocket" {
				method = "GET"
			}
			got := do(t, s, method, c.path, c.body, c.header...)
			if len(host.asked) != 1 || host.asked[0].Op != c.op || host.asked[0].Provider != c.provider {
				t.Errorf("%s: asked %d times: %+v; %d %s", c.name, len(host.asked), host.asked, got.StatusCode, got.body)
			}
			if refused && (got.StatusCode != 429 || reached.Load() != 0 || len(host.settled) != 0) {
				t.Errorf("%s: %d, reached %d times, settled %d times", c.name, got.StatusCode, reached.Load(), len(host.settled))
			}
			if !refused && reached.Load() == 0 {
				t.Errorf("%s: %d %s", c.name, got.StatusCode, got.body)
			}
			if !refused {
				host.last(t)
			}
		}
	}
}

// A provider's error as it came has the host's limits, and not the provider's.
func TestAdmissionHeadersOfErrors(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Ratelimit-Limit-Requests", "theirs")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":null}}`)
	})
	host := &admissions{header: http.Header{"X-Ratelimit-Remaining-Requests": {"ours"}}}
	s := proxy(t, compatible("up", up.URL+"/v1", "sk-1"), host.option())
	for _, c := range chatRequests(false) {
		got := do(t, s, "POST", c.path, c.body)
		if got.StatusCode != 400 || got.Header.Get("X-Ratelimit-Limit-Requests") != "" || got.Header.Get("X-Ratelimit-Remaining-Requests") != "ours" {
			t.Errorf("%s: %d %v", c.name, got.StatusCode, got.Header)
		}
	}
}

// What the host said of one request is not said again with its answer from the
// cache, for which the host is not asked.
func TestAdmissionAndCache(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	host := &admissions{header: http.Header{"X-Plan-Of": {"alice"}, "Ratelimit": {`"r";r=1;t=1`}}}
	s := proxy(t, compatible("up", up.URL+"/v1", "sk-1"), host.option(), llmproxy.WithCache(llmproxy.Cache{Shared: true}))
	for i, want := range []string{"miss", "hit"} {
		got := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[{"role":"user","content":"hi"}]}`)
		told := got.Header.Get("X-Plan-Of") + got.Header.Get("Ratelimit")
		if got.Header.Get("Llmproxy-Cache") != want || (told == "") != (i == 1) || got.body != chatAnswer {
			t.Errorf("%s: %v %s", want, got.Header, got.body)
		}
	}
	if len(host.asked) != 1 {
		t.Errorf("asked %d times", len(host.asked))
	}
}
