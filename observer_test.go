package llmproxy_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// The trace that a client is in goes on at the provider, in whatever format
// the provider is spoken to.
func TestTraceContextIsPassedOn(t *testing.T) {
	const parent, state = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1"
	up := providertest.NewServer(t, providertest.Forever(providertest.Text("hi")))
	claude := provider.Anthropic()
	claude.BaseURL = up.URL
	s := proxy(t, compatible("up", up.URL, "sk-1"), llmproxy.WithProvider(claude), llmproxy.WithKeys("anthropic", rotate.Secrets("sk-2")...))
	for _, tt := range []struct{ path, model string }{
		{"/v1/chat/completions", "up/m"},
		{"/v1/chat/completions", "anthropic/m"},
		{"/v1/messages", "up/m"},
		{"/v1/messages", "anthropic/m"},
		{"/up/chat/completions", "m"},
	} {
		body := `{"model":"` + tt.model + `","max_tokens":9,"messages":[{"role":"user","content":"q"}]}`
		if a := do(t, s, "POST", tt.path, body, "Traceparent", parent, "Tracestate", state); a.StatusCode != 200 {
			t.Fatalf("%s %s: %d %s", tt.path, tt.model, a.StatusCode, a.body)
		}
		q := up.Requests()[up.Count()-1]
		if q.Header.Get("Traceparent") != parent || q.Header.Get("Tracestate") != state {
			t.Errorf("%s %s: the provider got traceparent %q, tracestate %q", tt.path, tt.model, q.Header.Get("Traceparent"), q.Header.Get("Tracestate"))
		}
	}
}

// An attempt's record tells when it began and where it went, and the
// exchange's which model answered the last one.
func TestRecordOfAttempts(t *testing.T) {
	named := `{"id":"c1","object":"chat.completion","created":1,"model":"m-2026","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`
	stream := `data: {"id":"c1","model":"m-2026","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	for _, tt := range []struct{ name, stream, contentType, answer string }{
		{"whole", "false", "application/json", named},
		{"stream", "true", "text/event-stream", stream},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := providertest.NewServer(t, providertest.RateLimited(0), providertest.Raw(200, tt.contentType, []byte(tt.answer)))
			var now time.Time
			seen := make(chan llmproxy.Exchange, 1)
			s := proxy(t, compatible("up", up.URL, "sk-1", "sk-2"), llmproxy.WithObserver(llmproxy.Observer{
				Exchange: func(_ context.Context, x *llmproxy.Exchange) { now = time.Now(); seen <- *x },
			}))
			do(t, s, http.MethodPost, "/v1/chat/completions", `{"model":"up/m","stream":`+tt.stream+`,"messages":[{"role":"user","content":"q"}]}`)
			x := <-seen
			if x.Method != "POST" || x.ResponseModel != "m-2026" || x.Model != "m" || len(x.Attempts) != 2 {
				t.Fatalf("observed %+v", x)
			}
			end := x.Start
			for i, a := range x.Attempts {
				if a.Host != strings.TrimPrefix(up.URL, "http://") {
					t.Errorf("attempt %d went to %q, not to %s", i, a.Host, up.URL)
				}
				if a.Start.Before(end) || a.Start.Add(a.Duration).After(now) {
					t.Errorf("attempt %d from %v for %v; the one before ended at %v, the exchange at %v", i, a.Start, a.Duration, end, now)
				}
				end = a.Start.Add(a.Duration)
			}
		})
	}
}

// The route of a record is one of few, whatever paths clients invent: it is a
// label of metrics.
func TestRouteNames(t *testing.T) {
	routes := make(chan string, 1)
	s := proxy(t, compatible("up", "http://127.0.0.1:9", "sk-1"), llmproxy.WithObserver(llmproxy.Observer{
		Exchange: func(_ context.Context, x *llmproxy.Exchange) { routes <- x.Route },
	}))
	for path, want := range map[string]string{
		"/v1/images/generations": "/v1/images/generations", "/audio/speech": "/audio/speech",
		"/v1/images/x1": "/v1/images/…", "/v1/audio/x/y": "/v1/audio/…", "/audio/speech/": "/audio/…",
		"/up/x/y": "/up/…", "/x/y": "unknown", "/v1/models/x:y": "unknown", "/v1beta/models/x:countTokens": "/v1beta/models/{model}:countTokens",
	} {
		do(t, s, http.MethodPost, path, "", "Authorization", "")
		if got := <-routes; got != want {
			t.Errorf("%s is the route %q, want %q", path, got, want)
		}
	}
}

// Behind a gateway, too, an attempt's host is the provider's own.
func TestHostBehindGateway(t *testing.T) {
	for _, universal := range []bool{false, true} {
		up := providertest.NewServer(t, providertest.Text("hi"))
		seen := make(chan llmproxy.Exchange, 1)
		s := proxy(t, llmproxy.WithProvider(provider.OpenAI()), llmproxy.WithKeys("openai", rotate.Secrets("sk-1")...), llmproxy.WithTransport(up.Everywhere()),
			llmproxy.WithGateway(&gateway.Gateway{Account: "acct", Name: "gw", Universal: universal}), llmproxy.WithObserver(llmproxy.Observer{
				Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen <- *x },
			}))
		if a := do(t, s, http.MethodPost, "/v1/chat/completions", `{"model":"openai/m","messages":[{"role":"user","content":"q"}]}`); a.StatusCode != 200 {
			t.Fatal(a.StatusCode, a.body)
		}
		if x := <-seen; len(x.Attempts) != 1 || x.Attempts[0].Host != "api.openai.com" || x.Gateway != "gw" || up.Requests()[0].Host != "gateway.ai.cloudflare.com" {
			t.Errorf("universal %v: observed %+v", universal, x)
		}
	}
}
