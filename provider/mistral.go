package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// Mistral: Chat Completions with a closed schema: a member it does not know is
// 422 "extra_forbidden" (docs.mistral.ai/api), so these are taken out for every
// client. Tool-call IDs have nine letters or digits, reasoning is part of the
// content, and usage comes unasked.

// Mistral returns the provider "mistral".
func Mistral() *HTTP {
	p := &HTTP{
		ID: "mistral",
		Endpoints: []Endpoint{{
			Format: translate.OpenAI, Path: "/chat/completions",
			Outbound: openai.Outbound{Origin: "mistral", Dialect: openai.Dialect{
				SystemRole: "system", ReasoningField: "content", MaxTokensField: "max_tokens", NoStreamOptions: true,
				FilterTools: true, ToolIDLength: 9, ToolResultNames: true, DocumentURLs: true, Prefix: true,
			}},
			Rules: []Rule{
				{Rename: [][2]string{{"seed", "random_seed"}, {"max_completion_tokens", "max_tokens"}}},
				{Set: [][2]string{{"stream_options", ""}}}, // usage comes in any case
				{Drop: []string{
					"user", "logprobs", "top_logprobs", "logit_bias", "store", "verbosity", "safety_identifier", "modalities", "audio",
					"web_search_options", "prompt_cache_options", "prompt_cache_retention", "moderation",
				}, Reason: "not in Mistral's schema"},
				{Replace: [][3]string{{"service_tier", `"default"`, `"standard_only"`}}},
			},
		}},
		Embedding: []Endpoint{{Path: "/embeddings", Rules: []Rule{
			{Rename: [][2]string{{"dimensions", "output_dimension"}}},
			{Drop: []string{"user"}, Reason: "not in Mistral's schema"},
		}}},
		ListPath: "/models",
		Forwards: map[string]string{"/moderations": "", "/audio/": ""},
	}
	return p.at("https://api.mistral.ai/v1")
}
