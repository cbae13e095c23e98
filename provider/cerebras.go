package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// Cerebras: Chat Completions, close to OpenAI's. Reasoning stands in
// "reasoning", both ways. The tokens that max_completion_tokens allows are
// counted against the rate limit at once, so no bound is made up here
// (inference-docs.cerebras.ai/support/rate-limits).

// Cerebras returns the provider "cerebras".
func Cerebras() *HTTP {
	p := &HTTP{
		ID: "cerebras",
		Endpoints: []Endpoint{{
			Format: translate.OpenAI, Path: "/chat/completions",
			Outbound: openai.Outbound{Origin: "cerebras", Dialect: openai.Dialect{SystemRole: "system", ReasoningField: "reasoning", FilterTools: true}},
			Rules: append([]Rule{
				{Translated: true, Drop: []string{"store", "metadata", "verbosity", "safety_identifier", "prompt_cache_retention"}},
			}, efforts("reasoning_effort", []effortRule{{nil, map[string]string{"minimal": "low", "xhigh": "high", "max": "high"}}})...),
		}},
		ListPath: "/models",
		Owner:    "cerebras",
		Forwards: map[string]string{"/completions": ""},
	}
	return p.at("https://api.cerebras.ai/v1")
}
