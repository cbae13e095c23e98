package provider

import (
	"cmp"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// Ollama: Chat Completions, Responses (without state) and Messages under /v1;
// its own /api/chat, in lines of JSON, is for pass-through. It knows no
// tool_choice, and images only as data URLs (docs.ollama.com/openai). A local
// server asks for no key; the cloud takes Bearer alone.

// ollamaCloud is where a key is needed.
const ollamaCloud = "https://ollama.com"

// Ollama returns the provider "ollama": the server at baseURL, such as
// http://localhost:11434, or Ollama's cloud where that is empty.
func Ollama(baseURL string) *HTTP {
	base := cmp.Or(strings.TrimSuffix(baseURL, "/"), ollamaCloud)
	p := &HTTP{
		ID:    "ollama",
		NoKey: base != ollamaCloud,
		Endpoints: []Endpoint{
			{
				Format: translate.OpenAI, Path: "/v1/chat/completions",
				Outbound: openai.Outbound{Origin: "ollama", Dialect: openai.Dialect{
					SystemRole: "system", ReasoningField: "reasoning", MaxTokensField: "max_tokens", NoToolChoice: true, DataURLsOnly: true, MaxStops: -1,
				}},
				Rules: []Rule{{Translated: true, Drop: []string{
					"tool_choice", "logit_bias", "user", "n", "parallel_tool_calls", "store", "metadata", "verbosity", "service_tier", "prompt_cache_key", "safety_identifier",
				}}},
			},
			{
				Format: translate.Responses, Path: "/v1/responses",
				Outbound: responses.Outbound{Origin: "ollama", Dialect: responses.Dialect{NoEncryptedReasoning: true, NoStore: true, ReasoningText: true}},
			},
			{Format: translate.Anthropic, Path: "/v1/messages", Header: anthropicVersion, Outbound: anthropic.Outbound{Origin: "ollama", NoURLs: true}},
		},
		Embedding: []Endpoint{{Path: "/v1/embeddings"}},
		ListPath:  "/v1/models",
		Owner:     "ollama",
		Forwards:  map[string]string{"/completions": "/v1/completions"},
	}
	return p.at(base)
}
