package vertex_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/provider/vertex"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// TestTokensThroughTheProxy has clients reach each vendor's models with the
// token that a service account's signed assertion has bought, directly and
// through the gateway; no assertion and no key of the account goes there.
func TestTokensThroughTheProxy(t *testing.T) {
	for _, g := range []*gateway.Gateway{nil, {Account: "acct", Name: "gw", Token: rotate.NewSecret("cf-token")}} {
		tokens := newTokenServer(t)
		source, project, err := vertex.JSON(t.Context(), account(t, tokens.URL))
		if err != nil {
			t.Fatal(err)
		}
		up := providertest.NewServer(t)
		opts := []llmproxy.Option{
			llmproxy.WithProvider(provider.VertexAI(provider.VertexConfig{Project: project, Location: "us-central1", Token: source})), llmproxy.WithoutAuth(), llmproxy.WithTransport(up.Everywhere()),
		}
		if g != nil {
			opts = append(opts, llmproxy.WithGateway(g))
		}
		h, err := llmproxy.New(opts...)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(h)
		defer s.Close()
		const base = "/v1/projects/proj/locations/us-central1"
		for _, tt := range []struct{ method, path, body, address, want string }{
			{"POST", "/v1/chat/completions", `{"model":"google-vertex-ai/gemini-3-pro",%s}`, base + "/publishers/google/models/gemini-3-pro:generateContent", "wörld"},
			{"POST", "/v1/chat/completions", `{"model":"google-vertex-ai/gemini-3-pro",%s,"stream":true}`, base + "/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse", "[DONE]"},
			{"POST", "/v1/messages", `{"model":"google-vertex-ai/claude-x@1",%s}`, base + "/publishers/anthropic/models/claude-x@1:rawPredict", "wörld"},
			{"POST", "/v1/messages", `{"model":"google-vertex-ai/claude-x@1",%s,"stream":true}`, base + "/publishers/anthropic/models/claude-x@1:streamRawPredict", "message_stop"},
			{"POST", "/v1/messages/count_tokens", `{"model":"google-vertex-ai/claude-x@1",%s}`, base + "/publishers/anthropic/models/count-tokens:rawPredict", `{"input_tokens":10}`},
			{"POST", "/v1/chat/completions", `{"model":"google-vertex-ai/meta/llama",%s}`, base + "/endpoints/openapi/chat/completions", "wörld"},
			{"GET", "/v1/models", "", "/v1beta1/publishers/google/models?pageSize=200", "google-vertex-ai/model-a"},
		} {
			up.Then(providertest.Text("Hello, wörld"))
			before := up.Count()
			body := strings.ReplaceAll(tt.body, "%s", `"max_tokens":9,"messages":[{"role":"user","content":"hi"}]`)
			r, _ := http.NewRequest(tt.method, s.URL+tt.path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer client's")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.Contains(string(answer), tt.want) {
				t.Errorf("%s: %d %s", tt.address, resp.StatusCode, answer)
			}
			q := up.Requests()[before]
			host, prefix := "us-central1-aiplatform.googleapis.com", ""
			if g != nil && tt.method == "POST" {
				host, prefix = "gateway.ai.cloudflare.com", "/v1/acct/gw/google-vertex-ai"
			}
			got := q.Path
			if q.Query != "" {
				got += "?" + q.Query
			}
			if q.Host != host || got != prefix+tt.address || q.Header.Get("Authorization") != "Bearer tok-1" {
				t.Errorf("%s %s%s with %q, want %s%s", q.Method, q.Host, got, q.Header.Get("Authorization"), host, prefix+tt.address)
			}
			if err := q.Invalid(); err != nil {
				t.Errorf("%s: %v %s", q.Path, err, q.Body)
			}
		}
		if n := tokens.asked.Load(); n != 1 {
			t.Errorf("%d tokens were asked for", n)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Many clients of the proxy at the moment of refresh, and after the token's
// death: none fails, none sends a token that is over, and one alone asks.
func TestRefreshThroughTheProxy(t *testing.T) {
	signingKey() // outside the bubble
	synctest.Test(t, func(t *testing.T) {
		const clients = 100
		var asked, served atomic.Int64
		var dead atomic.Int64 // when the newest token is over
		tokens := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), "assertion=") {
				t.Errorf("%s", body)
			}
			n := asked.Add(1)
			time.Sleep(time.Second) // of the bubble
			dead.Store(time.Now().Add(time.Hour).Unix())
			w := httptest.NewRecorder()
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"tok-%d","expires_in":3600,"token_type":"Bearer"}`, n)
			return w.Result(), nil
		})}
		source, _, err := vertex.JSON(context.WithValue(t.Context(), oauth2.HTTPClient, tokens), account(t, "https://oauth2.googleapis.com/token"))
		if err != nil {
			t.Fatal(err)
		}
		h, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithProvider(provider.VertexAI(provider.VertexConfig{Project: "p", Token: source})),
			llmproxy.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
				served.Add(1)
				var n int64
				if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer tok-%d", &n); err != nil || n < asked.Load()-1 || n == asked.Load() && time.Now().Unix() > dead.Load() {
					t.Errorf("%q after %d tokens", r.Header.Get("Authorization"), asked.Load())
				}
				w := httptest.NewRecorder()
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, `{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}`)
				return w.Result(), nil
			})))
		if err != nil {
			t.Fatal(err)
		}
		for round, wait := range []time.Duration{56 * time.Minute, 56 * time.Minute, 2 * time.Hour, 0} {
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() { // waited for below
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"google-vertex-ai/gemini-3-pro","messages":[{"role":"user","content":"hi"}]}`)))
					if w.Code != 200 {
						t.Errorf("round %d: %d %s", round, w.Code, w.Body)
					}
				})
			}
			wg.Wait()
			if n := asked.Load(); n != int64(round+1) {
				t.Errorf("round %d: %d tokens were asked for", round, n)
			}
			time.Sleep(wait)
		}
		if served.Load() != 4*clients {
			t.Errorf("%d served", served.Load())
		}
	})
}
