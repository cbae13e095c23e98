package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// HuggingFace: a router to many inference providers, with Chat Completions,
// Responses (beta) and Messages. A model may name its provider behind a colon.
// Embeddings are a task of their own beside /v1
// (huggingface.co/docs/inference-providers/tasks/feature-extraction).

// HuggingFace returns the provider "huggingface".
func HuggingFace() *HTTP {
	p := &HTTP{
		ID: "huggingface",
		Endpoints: []Endpoint{
			{
				Format: translate.OpenAI, Path: "/chat/completions",
				Outbound: openai.Outbound{Origin: "huggingface", Dialect: openai.Dialect{SystemRole: "system", MaxTokensField: "max_tokens", FilterTools: true}},
				Rules: append([]Rule{
					{Translated: true, Drop: []string{"store", "metadata", "verbosity", "service_tier", "prompt_cache_key", "safety_identifier", "user"}},
				}, efforts("reasoning_effort", []effortRule{{nil, map[string]string{"minimal": "low", "xhigh": "high", "max": "high"}}})...),
			},
			{
				Format: translate.Responses, Path: "/responses",
				Outbound: responses.Outbound{Origin: "huggingface", Dialect: responses.Dialect{NoEncryptedReasoning: true, NoStore: true, ReasoningText: true}},
			},
			{Format: translate.Anthropic, Path: "/messages", Header: anthropicVersion, Outbound: anthropic.Outbound{Origin: "huggingface"}},
		},
		Embedding: []Endpoint{{
			Path: "/hf-inference/models/{model...}/pipeline/feature-extraction", Beside: "/v1", Embeddings: featureExtraction{},
		}},
		ListPath: "/models",
	}
	return p.at("https://router.huggingface.co/v1")
}
