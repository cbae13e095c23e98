package provider_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

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
		{"aws-bedrock", chat(translate.Anthropic, "eu.anthropic.claude-x"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/model/eu.anthropic.claude-x/invoke", []string{bearer}, `{"x":1,"anthropic_version":"bedrock-2023-05-31"}`},
		{"aws-bedrock", stream(translate.Anthropic, "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-x-v1:0"),
			"POST https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Feu.anthropic.claude-x-v1%3A0/invoke-with-response-stream", []string{bearer}, `{"x":1,"anthropic_version":"bedrock-2023-05-31"}`},
		{"aws-bedrock", count(translate.Anthropic, "eu.anthropic.claude-x-v1:0"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-x-v1%3A0/count-tokens", []string{bearer},
			`{"input":{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(`{"x":1,"anthropic_version":"bedrock-2023-05-31","max_tokens":1}`)) + `"}}}`},
		{"aws-bedrock", count(translate.Anthropic, "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x"), "POST https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-x/count-tokens", []string{bearer},
			`{"input":{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(`{"x":1,"anthropic_version":"bedrock-2023-05-31","max_tokens":1}`)) + `"}}}`},
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
