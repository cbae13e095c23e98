// Package clienttest has the official SDKs as clients of the proxy, over real
// sockets, against providers of every format.
package clienttest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const clientKey = "client-key"

// upstreams are providers of each format, by the model that a client names.
var upstreams = []struct {
	model string
	make  func() *provider.HTTP
}{
	{"groq/llama", provider.Groq},           // OpenAI Chat, or Responses
	{"mistral/m", provider.Mistral},         // OpenAI Chat
	{"openai/gpt-5-codex", provider.OpenAI}, // Responses
	{"anthropic/claude-sonnet-4-5", provider.Anthropic},
	{"google-ai-studio/gemini-3-pro", provider.GoogleAIStudio},
	{"cohere/command-a", provider.Cohere},
	{"aws-bedrock/amazon.nova-lite-v1:0", func() *provider.HTTP { return provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}) }},
	{"aws-bedrock/us.anthropic.claude-sonnet-4-5-v1:0", func() *provider.HTTP { return provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}) }}, // InvokeModel for Messages
	{"google-vertex-ai/claude-sonnet-4-5@20250929", func() *provider.HTTP { return provider.VertexAI(provider.VertexConfig{Project: "p"}) }},            // rawPredict
}

// serve starts a proxy under a prefix, with one provider that follows a script.
func serve(t *testing.T, make func() *provider.HTTP, script ...providertest.Step) (base string, up *providertest.Server) {
	t.Helper()
	return serveWith(t, nil, make, script...)
}

// serveWith is serve with further options for the proxy.
func serveWith(t *testing.T, options []llmproxy.Option, make func() *provider.HTTP, script ...providertest.Step) (base string, up *providertest.Server) {
	t.Helper()
	up = providertest.NewServer(t, script...)
	p := make()
	p.BaseURL = up.URL
	up.RequireKey("sk-up")
	return listen(t, append(options, llmproxy.WithProvider(p), llmproxy.WithKeys(p.ID, rotate.Secrets("sk-up")...))...), up
}

// listen starts a proxy under a prefix.
func listen(t *testing.T, options ...llmproxy.Option) (base string) {
	t.Helper()
	proxy, err := llmproxy.New(append(options, llmproxy.WithProxyKeys(clientKey))...)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/llm/", http.StripPrefix("/api/llm", proxy))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/api/llm"
}

func each(t *testing.T, f func(t *testing.T, c client, model string, make func() *provider.HTTP)) {
	for _, c := range clients {
		for _, up := range upstreams {
			t.Run(c.name+" to "+up.model, func(t *testing.T) { f(t, c, up.model, up.make) })
		}
	}
}

// What an SDK's user sees is what the provider said: text and parallel tool
// calls, whole and as a stream.
func TestAnswers(t *testing.T) {
	want := seen{text: "Hello – \"world\"."}
	calls := seen{text: "I will.", calls: []string{`f{"x":1}`, `f{"x":2}`, `f{}`}}
	each(t, func(t *testing.T, c client, model string, make func() *provider.HTTP) {
		tools := providertest.Say(providertest.Answer{Text: calls.text, Tools: []providertest.ToolCall{{ID: "call_1", Name: "f", Arguments: `{"x":1}`}, {ID: "call_2", Name: "f", Arguments: `{"x":2}`}, {ID: "call_3", Name: "f", Arguments: `{}`}}})
		base, up := serve(t, make, providertest.Text(want.text), providertest.Text(want.text), tools, tools)
		for i, ask := range []func(context.Context, string, string) (seen, error){c.ask, c.watch, c.ask, c.watch} {
			expect := want
			if i >= 2 {
				expect = calls
			}
			if got, err := ask(t.Context(), base, model); err != nil || got.String() != expect.String() {
				t.Errorf("%d: %v, %v; want %v", i, got, err, expect)
			}
		}
		for _, q := range up.Requests() {
			if !strings.Contains(string(q.Body), "be brief") || !strings.Contains(string(q.Body), "hi") {
				t.Errorf("the provider was sent %s", q.Body)
			}
		}
	})
}

// message returns what an SDK's error says.
func message(err error) string {
	var o *openai.Error
	if errors.As(err, &o) {
		return o.Message + o.RawJSON()
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// status returns the HTTP status that an SDK's error tells.
func status(err error) int {
	var o *openai.Error
	var a *anthropic.Error
	var g genai.APIError
	switch {
	case errors.As(err, &o):
		return o.StatusCode
	case errors.As(err, &a):
		return a.StatusCode
	case errors.As(err, &g):
		return g.Code
	}
	return 0
}

// Errors arrive as each SDK's own, with the provider's status and message.
func TestErrors(t *testing.T) {
	each(t, func(t *testing.T, c client, model string, make func() *provider.HTTP) {
		for _, code := range []int{400, 404, 429, 529} {
			step := providertest.Forever(providertest.Fail(code, "no such luck"))
			for i, ask := range []func(context.Context, string, string) (seen, error){c.ask, c.watch} {
				base, _ := serve(t, make, step) // anew: the key would be cooling
				_, err := ask(t.Context(), base, model)
				if err == nil || !strings.Contains(message(err), "no such luck") {
					t.Errorf("%d, stream %v: %v %s", code, i == 1, err, message(err))
				}
				if got := status(err); got != code && (code != 529 || got < 500) && got != 0 {
					t.Errorf("%d, stream %v: the SDK says %d", code, i == 1, got)
				}
			}
		}
	})
}

// pitfall 2, pitfall 3: a stream that is cut, and one that reports an error in
// its middle, are errors to the SDK's user, never a clean end.
func TestBrokenStreams(t *testing.T) {
	long := providertest.Answer{Text: strings.Repeat("word ", 40)}
	each(t, func(t *testing.T, c client, model string, make func() *provider.HTTP) {
		for name, step := range map[string]providertest.Step{
			"cut":    providertest.Say(long).With(providertest.CutAfterEvents(8)),
			"ended":  providertest.Say(long).With(providertest.EndAfterEvents(8)),
			"failed": providertest.FailInside(8, long, 529, "overloaded inside"),
		} {
			base, _ := serve(t, make, step)
			if got, err := c.watch(t.Context(), base, model); err == nil {
				t.Errorf("%s: the user sees a clean end: %v", name, got)
			}
		}
	})
}

// pitfall 6: a client that goes away takes the provider's request with it.
func TestAbort(t *testing.T) {
	each(t, func(t *testing.T, c client, model string, upstream func() *provider.HTTP) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		gone := make(chan (<-chan struct{}), 1)
		base, _ := serve(t, upstream, providertest.Check(func(q *providertest.Request) {
			gone <- q.Done()
			cancel()
		}, providertest.Hang()))
		if _, err := c.watch(ctx, base, model); err == nil {
			t.Error("no error")
		}
		select {
		case <-<-gone:
		case <-time.After(5 * time.Second):
			t.Error("the provider's request goes on")
		}
	})
}

// openai-go lists models through the prefix, with and without /v1 in its base.
func TestModels(t *testing.T) {
	base, _ := serve(t, provider.Groq, providertest.Forever(providertest.ModelList("llama", "qwen")))
	for _, b := range []string{base, base + "/v1"} {
		c := openai.NewClient(option.WithBaseURL(b), option.WithAPIKey(clientKey))
		page, err := c.Models.List(t.Context())
		if err != nil || len(page.Data) != 2 || page.Data[0].ID != "groq/llama" {
			t.Errorf("%s: %+v, %v", b, page, err)
		}
	}
	ac := anthropicClient(base)
	if page, err := ac.Models.List(t.Context(), anthropic.ModelListParams{}); err != nil || len(page.Data) != 2 || page.Data[1].ID != "groq/qwen" {
		t.Errorf("anthropic: %+v, %v", page, err)
	}
	gc, err := geminiClient(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := gc.Models.List(t.Context(), nil); err != nil || len(page.Items) != 2 || page.Items[0].Name != "models/groq/llama" {
		t.Errorf("genai: %+v, %v", page, err)
	}
}

// The habits of Python's and JavaScript's SDKs: their paths and headers, with
// and without /v1 in the base URL.
func TestOtherLanguages(t *testing.T) {
	base, _ := serve(t, provider.Groq, providertest.Forever(providertest.Text("Hello")))
	for _, c := range []struct{ path, header, value, body, want string }{
		{"/v1/chat/completions", "Authorization", "Bearer " + clientKey, `{"model":"groq/llama","messages":[{"role":"user","content":"hi"}]}`, `"content":"Hello"`},
		{"/chat/completions", "Authorization", "Bearer " + clientKey, `{"model":"groq/llama","messages":[{"role":"user","content":"hi"}]}`, `"content":"Hello"`},
		{"/responses", "Authorization", "Bearer " + clientKey, `{"model":"groq/llama","input":"hi"}`, `"text":"Hello"`},
		{"/v1/messages", "X-Api-Key", clientKey, `{"model":"groq/llama","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, `"text":"Hello"`},
		{"/v1/v1/messages", "Authorization", "Bearer " + clientKey, `{"model":"groq/llama","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, `"text":"Hello"`},
		{"/v1beta/models/groq/llama:generateContent", "X-Goog-Api-Key", clientKey, `{"contents":[{"parts":[{"text":"hi"}]}]}`, `"text":"Hello"`},
		{"/v1beta/models/groq/llama:generateContent?key=" + clientKey, "X-Nothing", "", `{"contents":[{"parts":[{"text":"hi"}]}]}`, `"text":"Hello"`},
	} {
		req, _ := http.NewRequest("POST", base+c.path, strings.NewReader(c.body))
		req.Header.Set(c.header, c.value)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("User-Agent", "OpenAI/Python 2.1.0")
		req.Header.Set("X-Stainless-Lang", "python")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(strings.ReplaceAll(string(b), `": "`, `":"`), c.want) {
			t.Errorf("%s: %d %s", c.path, resp.StatusCode, b)
		}
	}
}
