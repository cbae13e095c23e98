package providertest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// TestExchanges has every provider chat, stream, call tools, fail, list and
// embed with an upstream that wants its key, in each of its formats.
func TestExchanges(t *testing.T) {
	const secret = "sk-exchange"
	key := rotate.Key{ID: "k", Secret: rotate.NewSecret(secret)}
	tools := providertest.Answer{
		Text: "Looking.", Tools: []providertest.ToolCall{{ID: "callaaaaa", Name: "f", Arguments: `{"x":1}`}, {ID: "callbbbbb", Name: "g"}},
	}
	for _, tt := range []struct {
		p      *provider.HTTP
		models []string
		embed  string
	}{
		{p: provider.OpenAI(), models: []string{"gpt-4o", "gpt-5.6", "o3-pro"}, embed: "text-embedding-3-small"},
		{p: provider.Anthropic(), models: []string{"claude-opus-5", "claude-sonnet-4-5"}},
		{p: provider.GoogleAIStudio(), models: []string{"gemini-3-pro"}, embed: "gemini-embedding-001"},
		{p: provider.Cerebras(), models: []string{"gpt-oss-120b"}},
		{p: provider.Cohere(), models: []string{"command-a"}, embed: "embed-v4.0"},
		{p: provider.DeepSeek(), models: []string{"deepseek-flash"}},
		{p: provider.Grok(), models: []string{"grok-4.7"}},
		{p: provider.Groq(), models: []string{"openai/gpt-oss-120b"}, embed: "e"},
		{p: provider.Mistral(), models: []string{"mistral-large"}, embed: "mistral-embed"},
		{p: provider.Perplexity(), models: []string{"sonar"}, embed: "pplx-embed-v1"},
		{p: provider.OpenRouter(), models: []string{"a/b"}, embed: "a/e"},
		{p: provider.WorkersAI("acct"), models: []string{"@cf/meta/llama", "@cf/openai/gpt-oss-20b"}, embed: "@cf/baai/bge"},
		{p: provider.HuggingFace(), models: []string{"o/m"}, embed: "o/e"},
		{p: provider.Ollama(""), models: []string{"qwen3"}, embed: "e"},
		{p: provider.AzureOpenAI(provider.AzureConfig{Resource: "r"}), models: []string{"gpt-4o", "gpt-5"}, embed: "e"},
		{p: provider.AzureOpenAI(provider.AzureConfig{Resource: "r", APIVersion: "2025-04-01-preview"}), models: []string{"my-4o"}, embed: "e"},
		{p: provider.VertexAI(provider.VertexConfig{Project: "p"}), models: []string{"gemini-3-pro", "claude-opus-5", "meta/llama"}, embed: "gemini-embedding-001"},
		{p: provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}), models: []string{"us.anthropic.claude-sonnet-4-5-v1:0", "openai.gpt-oss-20b-1:0", "amazon.nova-pro-v1:0"}, embed: ""},
		{p: provider.Compatible("compatible", ""), models: []string{"m"}, embed: "e"},
	} {
		t.Run(tt.p.ID, func(t *testing.T) {
			up := providertest.NewServer(t, providertest.Forever(providertest.Say(tools)))
			up.RequireKey(secret)
			tt.p.BaseURL = up.URL + "/base"
			send := func(c provider.Call) *http.Response {
				t.Helper()
				r, err := tt.p.NewRequest(t.Context(), &c, key)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := tt.p.Transport(http.DefaultTransport).RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { resp.Body.Close() })
				return resp
			}
			for _, m := range tt.models {
				for _, f := range tt.p.Formats(m) {
					for _, stream := range []bool{false, true} {
						codec := tt.p.Outbound(f, m)
						req := chatRequest(m, stream)
						body, _, err := codec.AppendRequest(nil, req)
						if err != nil {
							t.Fatalf("%s %s: %v", m, f, err)
						}
						if !json.Valid(body) {
							t.Fatalf("%s %s: %s", m, f, body)
						}
						resp := send(provider.Call{Op: provider.Chat, Format: f, Model: m, Stream: stream, Body: body, Translated: true})
						var got *translate.Response
						if stream {
							got, err = translate.Collect(translate.Check(codec.Events(resp.Body)))
						} else {
							b, _ := io.ReadAll(resp.Body)
							if got, err = codec.ParseResponse(b); err != nil {
								err = errors.Join(err, errors.New(string(b)))
							}
						}
						if err != nil {
							t.Fatalf("%s %s: %v", m, f, err)
						}
						calls := 0
						for _, p := range got.Parts {
							if u, ok := p.(*translate.ToolUse); ok && (u.Name == "f" || u.Name == "g") {
								calls++
							}
						}
						if calls != 2 || got.Finish.Reason != translate.FinishToolUse {
							t.Errorf("%s %s: %d calls, %+v", m, f, calls, got.Finish)
						}
					}
				}
			}
			asked := up.Requests()
			for _, q := range asked {
				if q.Format == "" {
					t.Errorf("%s %s is no chat", q.Method, q.Path)
				}
			}
			if tt.p.Supports(provider.Models, "", "") {
				b, _ := io.ReadAll(send(provider.Call{Op: provider.Models}).Body)
				if list, _, err := tt.p.ParseModels(b); err != nil || len(list) != 2 {
					t.Errorf("models: %v, %v", list, err)
				}
			}
			if tt.embed != "" {
				codec := tt.p.Embeddings(tt.embed)
				if codec == nil {
					codec = openai.Embeddings{}
				}
				body, _, err := codec.AppendRequest(nil, &translate.EmbeddingRequest{Model: tt.embed, Inputs: []string{"a", "b"}})
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(send(provider.Call{Op: provider.Embed, Model: tt.embed, Body: body}).Body)
				if got, err := codec.ParseResponse(b); err != nil || len(got.Vectors) != 2 || len(got.Vectors[1]) != 3 {
					t.Errorf("embeddings: %+v, %v: %s", got, err, b)
				}
			}
		})
	}
}

func chatRequest(model string, stream bool) *translate.Request {
	return &translate.Request{
		Format: translate.OpenAI, Model: model, Stream: stream, IncludeUsage: true,
		Messages: []translate.Message{
			{Role: translate.System, Parts: []translate.Part{&translate.Text{Text: "Be brief."}}},
			{Role: translate.User, Parts: []translate.Part{&translate.Text{Text: "Hi"}}},
		},
		Tools: []translate.Tool{
			{Kind: translate.FunctionTool, Name: "f", Schema: []byte(`{"type":"object","properties":{"x":{"type":"integer"}}}`)},
			{Kind: translate.FunctionTool, Name: "g"},
		},
	}
}
