package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

const canary = "sk-canary-7f3a9c"

var key = rotate.Key{ID: "k", Secret: rotate.NewSecret(canary)}

// all returns every provider, the clouds in each of their forms.
func all() map[string]*provider.HTTP {
	return map[string]*provider.HTTP{
		"openai":           provider.OpenAI(),
		"anthropic":        provider.Anthropic(),
		"google-ai-studio": provider.GoogleAIStudio(),
		"cerebras":         provider.Cerebras(),
		"cohere":           provider.Cohere(),
		"deepseek":         provider.DeepSeek(),
		"grok":             provider.Grok(),
		"groq":             provider.Groq(),
		"mistral":          provider.Mistral(),
		"perplexity":       provider.Perplexity(),
		"openrouter":       provider.OpenRouter(),
		"workers-ai":       provider.WorkersAI("acct"),
		"huggingface":      provider.HuggingFace(),
		"replicate":        provider.Replicate(),
		"ollama":           provider.Ollama(""),
		"ollama local":     provider.Ollama("http://localhost:11434/"),
		"azure-openai":     provider.AzureOpenAI(provider.AzureConfig{Resource: "res", Deployments: map[string]string{"gpt-4o": "my 4o"}, Claude: true}),
		"azure dated":      provider.AzureOpenAI(provider.AzureConfig{BaseURL: "https://res.openai.azure.com/", APIVersion: "2025-04-01-preview"}),
		"google-vertex-ai": provider.VertexAI(provider.VertexConfig{Project: "proj", Location: "us-central1"}),
		"vertex express":   provider.VertexAI(provider.VertexConfig{Express: true}),
		"aws-bedrock":      provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}),
		"mine":             provider.Compatible("mine", "https://llm.example.com/v1/"),
		"custom": provider.Custom(provider.CustomConfig{
			Name: "custom", BaseURL: "http://host:8000/v1", Models: []string{"m1"}, ChatCompletionPath: "chat", ModelsPath: "/list",
		}),
	}
}

// TestRequests holds each provider to its address, its authentication and its
// body, as PROVIDERS.md has them.
func TestRequests(t *testing.T) {
	const (
		bearer = "Authorization: Bearer " + canary
		xkey   = "X-Api-Key: " + canary
		goog   = "X-Goog-Api-Key: " + canary
		azure  = "Api-Key: " + canary
		v1     = "Anthropic-Version: 2023-06-01"
	)
	chat := func(f translate.Format, model string) provider.Call {
		return provider.Call{Op: provider.Chat, Format: f, Model: model, Body: []byte(`{"model":"` + model + `","x":1}`)}
	}
	stream := func(f translate.Format, model string) provider.Call {
		c := chat(f, model)
		c.Stream = true
		return c
	}
	count := func(f translate.Format, model string) provider.Call {
		c := chat(f, model)
		c.Op = provider.CountTokens
		return c
	}
	embed := func(model string) provider.Call {
		return provider.Call{Op: provider.Embed, Model: model, Body: []byte(`{"model":"` + model + `","input":"a"}`)}
	}
	list := provider.Call{Op: provider.Models}
	page := provider.Call{Op: provider.Models, Path: "a&b"}
	forward := func(path string) provider.Call {
		return provider.Call{Op: provider.Forward, Path: path, Body: []byte(`{}`)}
	}
	pass := func(path string) provider.Call {
		return provider.Call{Op: provider.Pass, Method: http.MethodPut, Path: path, Query: "a=%20b"}
	}
	for _, tt := range []struct {
		provider string
		call     provider.Call
		want     string // method and URL
		headers  []string
		body     string // where it is not the call's
	}{
		{"openai", chat(translate.OpenAI, "gpt-4o"), "POST https://api.openai.com/v1/chat/completions", []string{bearer}, ""},
		{"openai", stream(translate.OpenAI, "gpt-4o"), "POST https://api.openai.com/v1/chat/completions", []string{bearer}, ""},
		{"openai", chat(translate.Responses, "gpt-5"), "POST https://api.openai.com/v1/responses", []string{bearer}, ""},
		{"openai", embed("text-embedding-3-small"), "POST https://api.openai.com/v1/embeddings", []string{bearer}, ""},
		{"openai", list, "GET https://api.openai.com/v1/models", []string{bearer}, ""},
		{"openai", forward("/images/generations"), "POST https://api.openai.com/v1/images/generations", []string{bearer}, ""},
		{"openai", pass("/v1/files/a%2Fb"), "PUT https://api.openai.com/v1/files/a%2Fb?a=%20b", []string{bearer}, ""},
		{"anthropic", chat(translate.Anthropic, "claude-x"), "POST https://api.anthropic.com/v1/messages", []string{xkey, v1}, ""},
		{"anthropic", count(translate.Anthropic, "claude-x"), "POST https://api.anthropic.com/v1/messages/count_tokens", []string{xkey, v1}, ""},
		{"anthropic", page, "GET https://api.anthropic.com/v1/models?limit=1000&after_id=a%26b", []string{xkey, v1}, ""},
		{"anthropic", pass("/v1/messages/batches"), "PUT https://api.anthropic.com/v1/messages/batches?a=%20b", []string{xkey, v1}, ""},
		{"anthropic", pass("/v1/chat/completions"), "PUT https://api.anthropic.com/v1/chat/completions?a=%20b", []string{bearer, v1}, ""},
		{"google-ai-studio", chat(translate.Gemini, "gemini-2.5-pro"), "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent", []string{goog}, ""},
		{"google-ai-studio", stream(translate.Gemini, "models/gemini-2.5-pro"), "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", []string{goog}, `{"model":"gemini-2.5-pro","x":1}`},
		{"google-ai-studio", stream(translate.Gemini, "tunedModels/a"), "POST https://generativelanguage.googleapis.com/v1beta/tunedModels/a:streamGenerateContent?alt=sse", []string{goog}, `{"model":"a","x":1}`},
		{"google-ai-studio", count(translate.Gemini, "gemini-2.5-pro"), "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:countTokens", []string{goog}, ""},
		{"google-ai-studio", list, "GET https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000", []string{goog}, ""},
		{"google-ai-studio", pass("/v1beta/openai/chat/completions"), "PUT https://generativelanguage.googleapis.com/v1beta/openai/chat/completions?a=%20b", []string{bearer}, ""},
		{"cerebras", chat(translate.OpenAI, "m"), "POST https://api.cerebras.ai/v1/chat/completions", []string{bearer}, ""},
		{"cerebras", list, "GET https://api.cerebras.ai/v1/models", []string{bearer}, ""},
		{"cohere", chat(translate.Cohere, "command-a"), "POST https://api.cohere.com/v2/chat", []string{bearer}, ""},
		{"cohere", embed("embed-v4.0"), "POST https://api.cohere.com/v2/embed", []string{bearer}, ""},
		{"cohere", page, "GET https://api.cohere.com/v1/models?endpoint=chat&page_size=1000&page_token=a%26b", []string{bearer}, ""},
		{"cohere", forward("/rerank"), "POST https://api.cohere.com/v2/rerank", []string{bearer}, ""},
		{"cohere", pass("/compatibility/v1/chat/completions"), "PUT https://api.cohere.com/compatibility/v1/chat/completions?a=%20b", []string{bearer}, ""},
		{"deepseek", chat(translate.OpenAI, "deepseek-flash"), "POST https://api.deepseek.com/chat/completions", []string{bearer}, ""},
		{"deepseek", chat(translate.Anthropic, "deepseek-flash"), "POST https://api.deepseek.com/anthropic/v1/messages", []string{xkey, v1}, ""},
		{"deepseek", list, "GET https://api.deepseek.com/models", []string{bearer}, ""},
		{"deepseek", pass("/anthropic/v1/messages"), "PUT https://api.deepseek.com/anthropic/v1/messages?a=%20b", []string{xkey}, ""},
		{"deepseek", forward("/completions"), "POST https://api.deepseek.com/beta/completions", []string{bearer}, ""},
		{"grok", chat(translate.Responses, "grok-4.7"), "POST https://api.x.ai/v1/responses", []string{bearer}, ""},
		{"grok", chat(translate.OpenAI, "grok-4.7"), "POST https://api.x.ai/v1/chat/completions", []string{bearer}, ""},
		{"grok", list, "GET https://api.x.ai/v1/models", []string{bearer}, ""},
		{"groq", chat(translate.OpenAI, "m"), "POST https://api.groq.com/openai/v1/chat/completions", []string{bearer}, ""},
		{"groq", chat(translate.Responses, "m"), "POST https://api.groq.com/openai/v1/responses", []string{bearer}, ""},
		{"groq", list, "GET https://api.groq.com/openai/v1/models", []string{bearer}, ""},
		{"groq", pass("/openai/v1/files"), "PUT https://api.groq.com/openai/v1/files?a=%20b", []string{bearer}, ""},
		{"mistral", chat(translate.OpenAI, "m"), "POST https://api.mistral.ai/v1/chat/completions", []string{bearer}, ""},
		{"mistral", embed("mistral-embed"), "POST https://api.mistral.ai/v1/embeddings", []string{bearer}, ""},
		{"mistral", list, "GET https://api.mistral.ai/v1/models", []string{bearer}, ""},
		{"mistral", forward("/moderations"), "POST https://api.mistral.ai/v1/moderations", []string{bearer}, ""},
		{"perplexity", chat(translate.Responses, "sonar-pro"), "POST https://api.perplexity.ai/v1/responses", []string{bearer}, `{"model":"perplexity/sonar","x":1,"preset":"fast"}`},
		{"perplexity", chat(translate.Responses, "openai/gpt-5"), "POST https://api.perplexity.ai/v1/responses", []string{bearer}, ""},
		{"perplexity", embed("pplx-embed-v1"), "POST https://api.perplexity.ai/v1/embeddings", []string{bearer}, ""},
		{"openrouter", chat(translate.OpenAI, "a/b"), "POST https://openrouter.ai/api/v1/chat/completions", []string{bearer}, ""},
		{"openrouter", chat(translate.Responses, "a/b"), "POST https://openrouter.ai/api/v1/responses", []string{bearer}, ""},
		{"openrouter", chat(translate.Anthropic, "a/b"), "POST https://openrouter.ai/api/v1/messages", []string{bearer, v1}, ""},
		{"openrouter", list, "GET https://openrouter.ai/api/v1/models", []string{bearer}, ""},
		{"workers-ai", chat(translate.OpenAI, "@cf/meta/llama"), "POST https://api.cloudflare.com/client/v4/accounts/acct/ai/v1/chat/completions", []string{bearer}, ""},
		{"workers-ai", chat(translate.Responses, "@cf/openai/gpt-oss-120b"), "POST https://api.cloudflare.com/client/v4/accounts/acct/ai/v1/responses", []string{bearer}, ""},
		{"workers-ai", embed("@cf/baai/bge-m3"), "POST https://api.cloudflare.com/client/v4/accounts/acct/ai/v1/embeddings", []string{bearer}, ""},
		{"workers-ai", provider.Call{Op: provider.Models, Path: "2"}, "GET https://api.cloudflare.com/client/v4/accounts/acct/ai/models/search?task=Text%20Generation&per_page=100&page=2", []string{bearer}, ""},
		{"workers-ai", pass("/run/@cf/meta/llama"), "PUT https://api.cloudflare.com/client/v4/accounts/acct/ai/run/@cf/meta/llama?a=%20b", []string{bearer}, ""},
		{"huggingface", chat(translate.OpenAI, "o/m:groq"), "POST https://router.huggingface.co/v1/chat/completions", []string{bearer}, ""},
		{"huggingface", chat(translate.Responses, "o/m"), "POST https://router.huggingface.co/v1/responses", []string{bearer}, ""},
		{"huggingface", chat(translate.Anthropic, "o/m"), "POST https://router.huggingface.co/v1/messages", []string{bearer, v1}, ""},
		{"huggingface", embed("BAAI/bge m3"), "POST https://router.huggingface.co/hf-inference/models/BAAI/bge%20m3/pipeline/feature-extraction", []string{bearer}, ""},
		{"huggingface", list, "GET https://router.huggingface.co/v1/models", []string{bearer}, ""},
		{"replicate", list, "GET https://api.replicate.com/v1/collections/language-models", []string{bearer}, ""},
		{"replicate", pass("/v1/predictions"), "PUT https://api.replicate.com/v1/predictions?a=%20b", []string{bearer}, ""},
		{"ollama", chat(translate.OpenAI, "m"), "POST https://ollama.com/v1/chat/completions", []string{bearer}, ""},
		{"ollama local", chat(translate.Anthropic, "m"), "POST http://localhost:11434/v1/messages", []string{bearer, v1}, ""},
		{"ollama local", chat(translate.Responses, "m"), "POST http://localhost:11434/v1/responses", []string{bearer}, ""},
		{"ollama local", pass("/api/chat"), "PUT http://localhost:11434/api/chat?a=%20b", []string{bearer}, ""},
		{"ollama local", list, "GET http://localhost:11434/v1/models", []string{bearer}, ""},
		{"azure-openai", chat(translate.OpenAI, "gpt-4o"), "POST https://res.openai.azure.com/openai/v1/chat/completions", []string{azure}, `{"model":"my 4o","x":1}`},
		{"azure-openai", chat(translate.Responses, "gpt-5"), "POST https://res.openai.azure.com/openai/v1/responses", []string{azure}, ""},
		{"azure-openai", chat(translate.Anthropic, "claude-opus-5"), "POST https://res.services.ai.azure.com/anthropic/v1/messages", []string{azure, v1}, ""},
		{"azure-openai", embed("e"), "POST https://res.openai.azure.com/openai/v1/embeddings", []string{azure}, ""},
		{"azure-openai", list, "GET https://res.openai.azure.com/openai/v1/models", []string{azure}, ""},
		{"azure-openai", pass("/openai/v1/files"), "PUT https://res.openai.azure.com/openai/v1/files?a=%20b", []string{azure}, ""},
		{"azure dated", chat(translate.OpenAI, "my 4o"), "POST https://res.openai.azure.com/openai/deployments/my%204o/chat/completions?api-version=2025-04-01-preview", []string{azure}, ""},
		{"azure dated", chat(translate.Responses, "gpt-5"), "POST https://res.openai.azure.com/openai/responses?api-version=2025-04-01-preview", []string{azure}, ""},
		{"azure dated", embed("e"), "POST https://res.openai.azure.com/openai/deployments/e/embeddings?api-version=2025-04-01-preview", []string{azure}, ""},
		{"azure dated", list, "GET https://res.openai.azure.com/openai/models?api-version=2025-04-01-preview", []string{azure}, ""},
		{"google-vertex-ai", chat(translate.Gemini, "gemini-3-pro"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/publishers/google/models/gemini-3-pro:generateContent", []string{bearer}, ""},
		{"google-vertex-ai", stream(translate.Gemini, "google/gemini-3-pro"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse", []string{bearer}, `{"model":"gemini-3-pro","x":1}`},
		{"google-vertex-ai", chat(translate.Gemini, "endpoints/123"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/endpoints/123:generateContent", []string{bearer}, `{"model":"123","x":1}`},
		{"google-vertex-ai", chat(translate.Anthropic, "claude-opus-4@20250514"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/publishers/anthropic/models/claude-opus-4@20250514:rawPredict", []string{bearer}, `{"x":1,"anthropic_version":"vertex-2023-10-16"}`},
		{"google-vertex-ai", stream(translate.Anthropic, "anthropic/claude-x"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/publishers/anthropic/models/claude-x:streamRawPredict", []string{bearer}, `{"x":1,"anthropic_version":"vertex-2023-10-16"}`},
		{"google-vertex-ai", count(translate.Anthropic, "claude-x"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/publishers/anthropic/models/count-tokens:rawPredict", []string{bearer}, `{"model":"claude-x","x":1,"anthropic_version":"vertex-2023-10-16"}`},
		{"google-vertex-ai", chat(translate.OpenAI, "meta/llama-4"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/endpoints/openapi/chat/completions", []string{bearer}, ""},
		{"google-vertex-ai", embed("gemini-embedding-001"), "POST https://us-central1-aiplatform.googleapis.com/v1/projects/proj/locations/us-central1/publishers/google/models/gemini-embedding-001:predict", []string{bearer}, ""},
		{"google-vertex-ai", page, "GET https://us-central1-aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=200&pageToken=a%26b", []string{bearer, "X-Goog-User-Project: proj"}, ""},
		{"vertex express", chat(translate.Gemini, "gemini-3-pro"), "POST https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-3-pro:generateContent", []string{goog}, ""},
		{"aws-bedrock", chat(translate.Bedrock, "us.anthropic.claude-sonnet-4-20250514-v1:0"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0/converse", []string{bearer}, ""},
		{"aws-bedrock", stream(translate.Bedrock, "arn:aws:bedrock:us-east-1:1:inference-profile/x"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse-stream", []string{bearer}, ""},
		{"aws-bedrock", chat(translate.Anthropic, "eu.anthropic.claude-x"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/anthropic/v1/messages", []string{bearer, v1}, ""},
		{"aws-bedrock", chat(translate.OpenAI, "openai.gpt-oss-120b-1:0"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1/chat/completions", []string{bearer}, ""},
		{"aws-bedrock", embed("amazon.titan-embed-text-v2:0"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke", []string{bearer}, ""},
		{"aws-bedrock", list, "GET https://bedrock.us-east-1.amazonaws.com/foundation-models?byOutputModality=TEXT", []string{bearer}, ""},
		{"mine", chat(translate.OpenAI, "m"), "POST https://llm.example.com/v1/chat/completions", []string{bearer}, ""},
		{"custom", chat(translate.OpenAI, "m"), "POST http://host:8000/v1/chat", []string{bearer}, ""},
		{"custom", list, "GET http://host:8000/v1/list", []string{bearer}, ""},
	} {
		t.Run(fmt.Sprintf("%s %s %s %s%s", tt.provider, tt.call.Op, tt.call.Format, tt.call.Model, tt.call.Path), func(t *testing.T) {
			p := all()[tt.provider]
			before := string(tt.call.Body)
			r, err := p.NewRequest(t.Context(), &tt.call, key)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Method + " " + r.URL.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			var headers []string
			for name := range r.Header {
				if name != "Content-Type" {
					headers = append(headers, name+": "+r.Header.Get(name))
				}
			}
			if want := slices.Sorted(slices.Values(tt.headers)); !slices.Equal(slices.Sorted(slices.Values(headers)), want) {
				t.Errorf("headers %q, want %q", headers, want)
			}
			if tt.call.Body != nil && r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("content type %q", r.Header.Get("Content-Type"))
			}
			want := tt.body
			if want == "" {
				want = before
			}
			if got := bodyOf(t, r); got != want {
				t.Errorf("body %s, want %s", got, want)
			}
			if string(tt.call.Body) != before {
				t.Error("the call's body was changed in place")
			}
		})
	}
}

func bodyOf(t *testing.T, r *http.Request) string {
	t.Helper()
	if r.Body == nil {
		return ""
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.ContentLength != int64(len(b)) {
		t.Errorf("content length %d of %d bytes", r.ContentLength, len(b))
	}
	return string(b)
}

// TestFormats holds each provider to the formats it serves, best first.
func TestFormats(t *testing.T) {
	const o, r, a, g, c, b = translate.OpenAI, translate.Responses, translate.Anthropic, translate.Gemini, translate.Cohere, translate.Bedrock
	for _, tt := range []struct {
		provider, model string
		want            []translate.Format
	}{
		{"openai", "gpt-4o", []translate.Format{o, r}},
		{"openai", "gpt-5-chat-latest", []translate.Format{o, r}},
		{"openai", "ft:gpt-4o:acme", []translate.Format{o, r}},
		{"openai", "some-new-model", []translate.Format{o, r}},
		{"openai", "gpt-5.6", []translate.Format{r, o}},
		{"openai", "o3", []translate.Format{r, o}},
		{"openai", "gpt-6.1-terra", []translate.Format{r, o}},
		{"openai", "gpt-5-pro", []translate.Format{r}},
		{"openai", "gpt-5.1-codex-mini", []translate.Format{r}},
		{"openai", "o3-pro", []translate.Format{r}},
		{"openai", "o4-mini-deep-research", []translate.Format{r}},
		{"openai", "computer-use-preview", []translate.Format{r}},
		{"anthropic", "x", []translate.Format{a}},
		{"google-ai-studio", "gemini-3", []translate.Format{g}},
		{"cohere", "command-a", []translate.Format{c}},
		{"mistral", "m", []translate.Format{o}},
		{"deepseek", "m", []translate.Format{o, a}},
		{"grok", "grok-4.7", []translate.Format{r, o}},
		{"groq", "m", []translate.Format{o, r}},
		{"cerebras", "m", []translate.Format{o}},
		{"perplexity", "sonar", []translate.Format{r}},
		{"openrouter", "a/b", []translate.Format{o, r, a}},
		{"workers-ai", "@cf/meta/llama-4", []translate.Format{o}},
		{"workers-ai", "@cf/openai/gpt-oss-120b", []translate.Format{o, r}},
		{"huggingface", "a/b", []translate.Format{o, r, a}},
		{"ollama", "m", []translate.Format{o, r, a}},
		{"azure-openai", "gpt-4o", []translate.Format{o, r}},
		{"azure-openai", "claude-opus-5", []translate.Format{a}},
		{"azure dated", "gpt-5", []translate.Format{o, r}},
		{"google-vertex-ai", "gemini-3", []translate.Format{g}},
		{"google-vertex-ai", "claude-x", []translate.Format{a}},
		{"google-vertex-ai", "meta/llama-4", []translate.Format{o}},
		{"google-vertex-ai", "endpoints/1", []translate.Format{g}},
		{"aws-bedrock", "amazon.nova-pro-v1:0", []translate.Format{b}},
		{"aws-bedrock", "global.anthropic.claude-x", []translate.Format{b, a}},
		{"aws-bedrock", "openai.gpt-oss-20b-1:0", []translate.Format{b, o, r}},
		{"mine", "m", []translate.Format{o}},
	} {
		if got := all()[tt.provider].Formats(tt.model); !slices.Equal(got, tt.want) {
			t.Errorf("%s serves %s in %v, want %v", tt.provider, tt.model, got, tt.want)
		}
	}
}

// Where a provider is moved, nothing of it stays at the old address.
// pitfall 46: no /v1/v1.
func TestMoved(t *testing.T) {
	for name, p := range all() {
		for _, base := range []string{"http://127.0.0.1:9/fake", "http://127.0.0.1:9/fake/v1"} {
			p.BaseURL = base
			for _, c := range everyCall(p) {
				if name == "azure-openai" && c.Format == translate.Anthropic {
					continue // on the resource's other host by its configuration
				}
				r, err := p.NewRequest(t.Context(), &c, key)
				if err != nil {
					t.Errorf("%s %s: %v", name, c.Op, err)
					continue
				}
				if u := r.URL.String(); !strings.HasPrefix(u, "http://127.0.0.1:9/fake/") || strings.Contains(u, "/v1/v1/") {
					t.Errorf("%s, moved to %s, asks %s", name, base, u)
				}
			}
		}
	}
}

// everyCall returns a call of each kind that the provider serves.
func everyCall(p *provider.HTTP) []provider.Call {
	var calls []provider.Call
	for _, m := range []string{"gpt-4o", "gpt-5", "claude-opus-5", "gemini-3", "meta/llama", "anthropic.claude-x", "openai.gpt-oss", "amazon.titan-embed-text-v2:0", "@cf/openai/gpt-oss"} {
		for _, f := range p.Formats(m) {
			calls = append(calls, provider.Call{Op: provider.Chat, Format: f, Model: m, Body: []byte(`{}`)}, provider.Call{Op: provider.Chat, Format: f, Model: m, Stream: true, Body: []byte(`{}`)})
			if p.Supports(provider.CountTokens, f, m) {
				calls = append(calls, provider.Call{Op: provider.CountTokens, Format: f, Model: m, Body: []byte(`{}`)})
			}
		}
		if p.Supports(provider.Embed, "", m) {
			calls = append(calls, provider.Call{Op: provider.Embed, Model: m, Body: []byte(`{}`)})
		}
	}
	if p.Supports(provider.Models, "", "") {
		calls = append(calls, provider.Call{Op: provider.Models})
	}
	for route := range p.Forwards {
		calls = append(calls, provider.Call{Op: provider.Forward, Path: route + strings.Repeat("x", strings.Count(route, "/")-1), Body: []byte(`{}`)})
	}
	return append(calls, provider.Call{Op: provider.Pass, Method: http.MethodGet, Path: "/x/y"})
}

// pitfall 44: a key stands in a header, and nowhere else.
func TestKeyOnlyInHeaders(t *testing.T) {
	for name, p := range all() {
		for _, c := range everyCall(p) {
			r, err := p.NewRequest(t.Context(), &c, key)
			if err != nil {
				t.Errorf("%s %s %s: %v", name, c.Op, c.Format, err)
				continue
			}
			if strings.Contains(r.URL.String(), canary) || strings.Contains(bodyOf(t, r), canary) {
				t.Errorf("%s %s: the key is in the URL or the body", name, c.Op)
			}
			found := 0
			for _, values := range r.Header {
				if strings.Contains(strings.Join(values, ""), canary) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s %s: the key is in %d headers", name, c.Op, found)
			}
			// A client's credential is replaced where it meets the provider's.
			c.Header = http.Header{}
			for n := range r.Header {
				c.Header.Set(n, "client")
			}
			if r, err = p.NewRequest(t.Context(), &c, key); err != nil {
				t.Errorf("%s %s: %v", name, c.Op, err)
			} else if !slices.ContainsFunc(slices.Collect(maps.Values(r.Header)), func(v []string) bool { return strings.Contains(v[0], canary) }) {
				t.Errorf("%s %s: a client's header replaced the credential", name, c.Op)
			}
			if c.Header.Get("Authorization") != "" && c.Header.Get("Authorization") != "client" {
				t.Errorf("%s %s: the client's header was changed in place", name, c.Op)
			}
		}
	}
}

// A client's own API version decides what its body may hold.
func TestClientVersionWins(t *testing.T) {
	c := provider.Call{Op: provider.Chat, Format: translate.Anthropic, Model: "claude-x", Body: []byte(`{"model":"claude-x"}`), Header: http.Header{"Anthropic-Version": {"2026-10-21"}}}
	r, err := provider.Anthropic().NewRequest(t.Context(), &c, key)
	if err != nil || r.Header.Get("Anthropic-Version") != "2026-10-21" {
		t.Errorf("%v, %v", r.Header, err)
	}
	for header, want := range map[string]string{"2026-10-21": "2026-10-21", "2023-06-01": "vertex-2023-10-16", "": "vertex-2023-10-16"} {
		c.Header = http.Header{}
		if header != "" {
			c.Header.Set("Anthropic-Version", header)
		}
		r, err := all()["google-vertex-ai"].NewRequest(t.Context(), &c, key)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, r); got != `{"anthropic_version":"`+want+`"}` {
			t.Errorf("header %q: body %s", header, got)
		}
	}
}

// What a provider does not serve is an error for the client, before any
// request is made.
func TestUnsupported(t *testing.T) {
	for name, calls := range map[string][]provider.Call{
		"cerebras":    {{Op: provider.Chat, Format: translate.Anthropic}, {Op: provider.Embed}, {Op: provider.CountTokens, Format: translate.Anthropic}, {Op: provider.Forward, Path: "/images/x"}, {Op: "else"}},
		"perplexity":  {{Op: provider.Models}, {Op: provider.Chat, Format: translate.OpenAI, Model: "sonar"}},
		"anthropic":   {{Op: provider.Embed}, {Op: provider.Forward, Path: "/completions"}},
		"openai":      {{Op: provider.Forward, Path: "/completionsx"}, {Op: provider.Chat, Format: translate.OpenAI, Model: "o3-pro"}},
		"aws-bedrock": {{Op: provider.Embed, Model: "x"}},
	} {
		for _, c := range calls {
			_, err := all()[name].NewRequest(t.Context(), &c, key)
			var e *translate.Error
			if !errors.As(err, &e) || e.Kind != translate.Unsupported {
				t.Errorf("%s %s: %v", name, c.Op, err)
			}
		}
	}
	// A model that would climb out of the path.
	for _, model := range []string{"..", ".", "", "../../x", `..\x`, "a/../b", "%2e%2e"} {
		c := provider.Call{Op: provider.Chat, Format: translate.Bedrock, Model: model, Body: []byte(`{}`)}
		if r, err := all()["aws-bedrock"].NewRequest(t.Context(), &c, key); err == nil {
			t.Errorf("model %q: %s", model, r.URL)
		}
	}
}

func TestForwardStaysBelow(t *testing.T) {
	for _, path := range []string{"/images/../files", "/images/%2e%2e/files", "/images/..%2ffiles"} {
		c := provider.Call{Op: provider.Forward, Path: path, Body: []byte(`{}`)}
		if r, err := provider.OpenAI().NewRequest(t.Context(), &c, key); err == nil {
			t.Errorf("%s: %s", path, r.URL)
		}
	}
}

// Bodies of unknown length pass unread.
func TestPassBody(t *testing.T) {
	body := strings.NewReader("abc")
	c := provider.Call{Op: provider.Pass, Method: http.MethodPost, Path: "/x", BodyReader: body, ContentLength: -1}
	r, err := provider.OpenAI().NewRequest(t.Context(), &c, key)
	if err != nil || r.ContentLength != -1 || r.GetBody != nil || body.Len() != 3 || r.Header.Get("Content-Type") != "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestToken(t *testing.T) {
	source := provider.TokenSourceFunc(func(context.Context) (string, time.Time, error) { return "tok", time.Time{}, nil })
	for name, p := range map[string]*provider.HTTP{
		"azure":  provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Token: source}),
		"vertex": provider.VertexAI(provider.VertexConfig{Project: "p", Token: source}),
	} {
		c := provider.Call{Op: provider.Models}
		r, err := p.NewRequest(t.Context(), &c, rotate.Key{})
		if err != nil || r.Header.Get("Authorization") != "Bearer tok" || r.Header.Get("Api-Key") != "" || !p.KeyOptional() {
			t.Errorf("%s: %v, %v", name, r.Header, err)
		}
		if r, _ = p.NewRequest(t.Context(), &c, key); strings.Contains(r.Header.Get("Authorization"), "tok") {
			t.Errorf("%s: a key does not win", name)
		}
	}
	failing := provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Token: provider.TokenSourceFunc(func(context.Context) (string, time.Time, error) {
		return "", time.Time{}, errors.New("secret detail")
	})})
	_, err := failing.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, rotate.Key{})
	var e *translate.Error
	if !errors.As(err, &e) || strings.Contains(e.Message, "secret") {
		t.Errorf("%v", err)
	}
}

func TestAzureBases(t *testing.T) {
	for _, tt := range []struct {
		c    provider.AzureConfig
		want string
	}{
		{provider.AzureConfig{Resource: "r"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.openai.azure.com"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.openai.azure.com/openai/"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.services.ai.azure.com/openai/v1/"}, "https://r.services.ai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "http://127.0.0.1:80/stand-in"}, "http://127.0.0.1:80/stand-in"},
		{provider.AzureConfig{Resource: "r", APIVersion: "v1"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.openai.azure.com/openai/v1", APIVersion: "2024-10-21"}, "https://r.openai.azure.com/openai"},
		{provider.AzureConfig{BaseURL: "http://127.0.0.1:80", APIVersion: "2024-10-21"}, "http://127.0.0.1:80/openai"},
		{provider.AzureConfig{Resource: "r/../x"}, "https://r%2F..%2Fx.openai.azure.com/openai/v1"},
	} {
		if got := provider.AzureOpenAI(tt.c).BaseURL; got != tt.want {
			t.Errorf("%+v: %s", tt.c, got)
		}
	}
	p := provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Deployments: map[string]string{"b": "x", "a": "y"}})
	if got := p.StaticModels(); len(got) != 2 || got[0].ID != "a" || got[1].ID != "b" {
		t.Errorf("%v", got)
	}
}

func TestVertexHosts(t *testing.T) {
	for location, want := range map[string]string{
		"": "aiplatform.googleapis.com", "global": "aiplatform.googleapis.com", "eu": "aiplatform.eu.rep.googleapis.com",
		"europe-west4": "europe-west4-aiplatform.googleapis.com", "evil.com/": "evil.com%2F-aiplatform.googleapis.com",
	} {
		if p := provider.VertexAI(provider.VertexConfig{Project: "p", Location: location}); !strings.HasPrefix(p.BaseURL, "https://"+want+"/v1/projects/p/locations/") {
			t.Errorf("%q: %s", location, p.BaseURL)
		}
	}
}

// FuzzJoinPath proves that pass-through stays below the base URL at its host,
// whatever a client asks for.
func FuzzJoinPath(f *testing.F) {
	bases := []string{"https://host/v1", "https://host/api/v1/", "http://127.0.0.1:80", "https://host/accounts/a%20b/ai"}
	for _, s := range []string{"/v1/files", "/v1", "//evil.com/x", "/..", "/%2e%2e/x", "/..%2f", `/..\x`, "/v1/v1/x", "/a/./b", "@evil.com", "evil", "/%zz", "/a;b/..;c/d", "/%252e%252e/", "?x", "/a#b", "/\x00"} {
		for i := range bases {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, path string) {
		base := bases[int(which)%len(bases)]
		b, _ := url.Parse(base)
		joined, err := provider.JoinPath(base, path)
		if err != nil {
			return
		}
		u, err := url.Parse(joined)
		if err != nil {
			return // http.NewRequest refuses it
		}
		root := strings.TrimSuffix(b.EscapedPath(), "/")
		if u.Host != b.Host || u.Scheme != b.Scheme || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q + %q = %q", base, path, joined)
		}
		// However often a server decodes and cleans the path, it stays below.
		p := u.EscapedPath()
		for range 3 {
			clean := pathClean(p)
			if clean != root && !strings.HasPrefix(clean, root+"/") {
				t.Fatalf("%q + %q = %q, which is %q", base, path, joined, clean)
			}
			if p, err = url.PathUnescape(p); err != nil {
				return
			}
			root = b.Path[:len(strings.TrimSuffix(b.Path, "/"))]
		}
	})
}

// pathClean resolves dots as a server that takes backslashes for slashes does.
func pathClean(p string) string {
	var out []string
	for seg := range strings.SplitSeq(strings.ReplaceAll(p, `\`, "/"), "/") {
		switch seg, _, _ := strings.Cut(seg, ";"); seg {
		case ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, seg)
		}
	}
	return strings.Join(out, "/")
}

func TestJoinPath(t *testing.T) {
	for _, tt := range [][3]string{
		{"https://h/v1", "/files", "https://h/v1/files"},
		{"https://h/v1", "/v1/files", "https://h/v1/files"},
		{"https://h/api/v1", "/api/v1/files", "https://h/api/v1/files"},
		{"https://h/api/v1", "/v1/files", "https://h/api/v1/files"},
		{"https://h/v1", "/v1", "https://h/v1"},
		{"https://h/v1", "", "https://h/v1"},
		{"https://h/v1", "/", "https://h/v1/"},
		{"https://h/v1", "/v1beta/x", "https://h/v1/v1beta/x"},
		{"https://h", "//evil.com", "https://h//evil.com"},
		{"https://h", ".evil.com", "https://h/.evil.com"},
		{"https://h", "@evil.com", "https://h/@evil.com"},
		{"https://h/v1", "/a%2Fb", "https://h/v1/a%2Fb"},
		{"https://h/v1", "/..", ""},
		{"https://h/v1", "/%2E%2e/x", ""},
		{"https://h/v1", "/..%2fx", ""},
		{"https://h/v1", "/x%2f..%2f..", ""},
		{"https://h/v1", `/..\x`, ""},
		{"https://h/v1", "/..%5cx", ""},
		{"https://h/v1", "/%252e%252e/x", ""},
		{"https://h/v1", "/..;a=b/x", ""},
		{"https://h/v1", "/v1/../x", ""},
		{"https://h/v1", "/%zz", ""},
		{"https://h/v1", "/a?b", ""},
		{"https://h/v1", "/a b", ""},
	} {
		got, err := provider.JoinPath(tt[0], tt[1])
		if got != tt[2] || (err != nil) != (tt[2] == "") {
			t.Errorf("%s + %s = %q, %v; want %q", tt[0], tt[1], got, err, tt[2])
		}
	}
}

func TestMatchModel(t *testing.T) {
	for _, tt := range []struct {
		patterns []string
		model    string
		want     bool
	}{
		{nil, "a", false},
		{[]string{"*"}, "a/b", true},
		{[]string{"*"}, "", true},
		{[]string{""}, "", true},
		{[]string{"a"}, "ab", false},
		{[]string{"a*"}, "a/b", true},
		{[]string{"*b"}, "a/b", true},
		{[]string{"a*c*e"}, "abcde", true},
		{[]string{"a*c*e"}, "abcdf", false},
		{[]string{"*ab*ab"}, "ababab", true},
		{[]string{"o[1-9]*"}, "o3-mini", true},
		{[]string{"o[1-9]*"}, "o", false},
		{[]string{"o[1-9]*"}, "openai", false},
		{[]string{"x[^a-c]?"}, "xdz", true},
		{[]string{"x[^a-c]?"}, "xbz", false},
		{[]string{"x[13]"}, "x3", true},
		{[]string{"x["}, "x[", false},
		{[]string{"*", "!a*"}, "ab", false},
		{[]string{"*", "!a*", "ab"}, "ab", true},
		{[]string{"!a*"}, "b", false},
	} {
		if got := provider.MatchModel(tt.patterns, tt.model); got != tt.want {
			t.Errorf("%q, %q: %v", tt.patterns, tt.model, got)
		}
	}
}
