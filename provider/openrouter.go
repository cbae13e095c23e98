package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// OpenRouter: Chat Completions, Responses and Messages over many vendors'
// models. Parameters that a model does not take are dropped there, silently.
// Reasoning is asked for by an object and comes with reasoning_details, which
// must be sent back as they came (openrouter.ai/docs/use-cases/reasoning-tokens).

// OpenRouter returns the provider "openrouter".
func OpenRouter() *HTTP {
	p := &HTTP{
		ID: "openrouter",
		Endpoints: []Endpoint{
			{
				Format: translate.OpenAI, Path: "/chat/completions",
				Outbound: openai.Outbound{Origin: "openrouter", Dialect: openai.Dialect{
					SystemRole: "system", ReasoningField: "reasoning", ReasoningObject: true, MaxTokensField: "max_tokens",
					CacheMark: "cache_control", TopK: true,
				}},
			},
			{Format: translate.Responses, Path: "/responses", Outbound: responses.Outbound{Origin: "openrouter"}},
			{Format: translate.Anthropic, Path: "/messages", Header: anthropicVersion, Outbound: anthropic.Outbound{Origin: "openrouter"}},
		},
		Embedding: []Endpoint{{Path: "/embeddings"}},
		ListPath:  "/models",
		Forwards:  map[string]string{"/completions": ""},
	}
	return p.at("https://openrouter.ai/api/v1")
}
