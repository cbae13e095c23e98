// Package clienttest has the official SDKs as clients of the proxy, over real
// sockets, against providers of every format.
package clienttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
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

// seen is what an SDK's user sees of an answer.
type seen struct {
	text    string
	calls   []string
	thought string // where the SDK shows it
}

func (s seen) String() string { return fmt.Sprintf("%q %q", s.text, s.calls) }

func compact(raw string) string {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return raw
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// client is an SDK, asking one question, with a tool at hand.
type client struct {
	name   string
	format translate.Format
	ask    func(ctx context.Context, base, model string) (seen, error)
	watch  func(ctx context.Context, base, model string) (seen, error) // as a stream
}

func openaiClient(base string) openai.Client {
	return openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(clientKey), option.WithMaxRetries(0))
}

func chatParams(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("be brief"), openai.UserMessage("hi")},
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name: "f", Description: openai.String("d"), Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{"x": map[string]any{"type": "integer"}}}})},
	}
}

func fromCompletion(c *openai.ChatCompletion) (s seen) {
	if len(c.Choices) == 0 {
		return s
	}
	m := c.Choices[0].Message
	s.text = m.Content
	for _, tc := range m.ToolCalls {
		s.calls = append(s.calls, tc.Function.Name+compact(tc.Function.Arguments))
	}
	return s
}

func responseParams(model string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: model, Instructions: openai.String("be brief"), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hi")},
		Tools: []responses.ToolUnionParam{responses.ToolParamOfFunction("f", map[string]any{"type": "object", "properties": map[string]any{"x": map[string]any{"type": "integer"}}}, false)},
	}
}

func fromResponse(r *responses.Response) (s seen) {
	s.text = r.OutputText()
	for _, item := range r.Output {
		if item.Type == "function_call" {
			call := item.AsFunctionCall()
			s.calls = append(s.calls, call.Name+compact(call.Arguments))
		}
	}
	return s
}

func anthropicClient(base string) anthropic.Client {
	return anthropic.NewClient(aoption.WithBaseURL(base), aoption.WithAPIKey(clientKey), aoption.WithMaxRetries(0))
}

func messageParams(model string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 1000, System: []anthropic.TextBlockParam{{Text: "be brief"}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))},
		Tools: []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "f", Description: anthropic.String("d"),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"x": map[string]any{"type": "integer"}}}}}},
	}
}

func fromMessage(m *anthropic.Message) (s seen) {
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			s.text += b.Text
		case "tool_use":
			s.calls = append(s.calls, b.Name+compact(string(b.Input)))
		}
	}
	return s
}

func geminiClient(ctx context.Context, base string) (*genai.Client, error) {
	return genai.NewClient(ctx, &genai.ClientConfig{APIKey: clientKey, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: base}})
}

func geminiConfig() *genai.GenerateContentConfig {
	return &genai.GenerateContentConfig{
		SystemInstruction: genai.NewContentFromText("be brief", genai.RoleUser),
		Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "f", Description: "d",
			Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"x": {Type: genai.TypeInteger}}}}}}},
	}
}

func (s *seen) addGemini(r *genai.GenerateContentResponse) {
	for _, c := range r.Candidates {
		if c.Content == nil {
			continue
		}
		for _, p := range c.Content.Parts {
			switch {
			case p.FunctionCall != nil:
				args, _ := json.Marshal(p.FunctionCall.Args)
				s.calls = append(s.calls, p.FunctionCall.Name+string(args))
			case p.Thought:
				s.thought += p.Text
			default:
				s.text += p.Text
			}
		}
	}
}

var clients = []client{
	{"openai-go Chat", translate.OpenAI,
		func(ctx context.Context, base, model string) (seen, error) {
			c := openaiClient(base)
			r, err := c.Chat.Completions.New(ctx, chatParams(model))
			if err != nil {
				return seen{}, err
			}
			return fromCompletion(r), nil
		},
		func(ctx context.Context, base, model string) (seen, error) {
			c := openaiClient(base)
			stream := c.Chat.Completions.NewStreaming(ctx, chatParams(model))
			var acc openai.ChatCompletionAccumulator
			for stream.Next() {
				acc.AddChunk(stream.Current())
			}
			return fromCompletion(&acc.ChatCompletion), stream.Err()
		}},
	{"openai-go Responses", translate.Responses,
		func(ctx context.Context, base, model string) (seen, error) {
			c := openaiClient(base)
			r, err := c.Responses.New(ctx, responseParams(model))
			if err != nil {
				return seen{}, err
			}
			return fromResponse(r), nil
		},
		func(ctx context.Context, base, model string) (s seen, err error) {
			c := openaiClient(base)
			stream := c.Responses.NewStreaming(ctx, responseParams(model))
			completed := false
			for stream.Next() {
				switch e := stream.Current(); e.Type {
				case "response.completed":
					completed = true
					r := e.AsResponseCompleted().Response
					s = fromResponse(&r)
				case "response.failed", "error":
					err = errors.New(e.RawJSON())
				}
			}
			if stream.Err() != nil {
				err = stream.Err()
			}
			if err == nil && !completed {
				err = io.ErrUnexpectedEOF
			}
			return s, err
		}},
	{"anthropic-sdk-go", translate.Anthropic,
		func(ctx context.Context, base, model string) (seen, error) {
			c := anthropicClient(base)
			m, err := c.Messages.New(ctx, messageParams(model))
			if err != nil {
				return seen{}, err
			}
			return fromMessage(m), nil
		},
		func(ctx context.Context, base, model string) (seen, error) {
			c := anthropicClient(base)
			stream := c.Messages.NewStreaming(ctx, messageParams(model))
			var m anthropic.Message
			for stream.Next() {
				if err := m.Accumulate(stream.Current()); err != nil {
					return seen{}, err
				}
			}
			return fromMessage(&m), stream.Err()
		}},
	{"genai", translate.Gemini,
		func(ctx context.Context, base, model string) (s seen, err error) {
			c, err := geminiClient(ctx, base)
			if err != nil {
				return s, err
			}
			r, err := c.Models.GenerateContent(ctx, model, genai.Text("hi"), geminiConfig())
			if err != nil {
				return s, err
			}
			s.addGemini(r)
			return s, nil
		},
		func(ctx context.Context, base, model string) (s seen, err error) {
			c, err := geminiClient(ctx, base)
			if err != nil {
				return s, err
			}
			for r, err := range c.Models.GenerateContentStream(ctx, model, genai.Text("hi"), geminiConfig()) {
				if err != nil {
					return s, err
				}
				s.addGemini(r)
			}
			return s, nil
		}},
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
	each(t, func(t *testing.T, c client, model string, make func() *provider.HTTP) {
		var gone <-chan struct{}
		base, _ := serve(t, make, providertest.Check(func(q *providertest.Request) { gone = q.Done() }, providertest.Hang()))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := c.watch(ctx, base, model); err == nil {
			t.Error("no error")
		}
		select {
		case <-gone:
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
