package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// Perplexity: the Agent API, a dialect of Responses. Chat Completions was
// switched off on 2026-09-27; who has a server that still speaks it adds an
// Endpoint of the OpenAI format with the path /chat/completions. There is no
// list of models. The names that Chat had are mapped as Perplexity's migration
// guide does: sonar to a model, the others to presets.

// Perplexity returns the provider "perplexity".
func Perplexity() *HTTP {
	p := &HTTP{
		ID: "perplexity",
		Endpoints: []Endpoint{{
			Format: translate.Responses, Path: "/v1/responses",
			Outbound: responses.Outbound{Origin: "perplexity", Dialect: responses.Dialect{ResponseFormat: true, NoEncryptedReasoning: true}},
			ModelMap: perplexityModel,
			Rules: []Rule{
				{Models: []string{"sonar-pro"}, Default: [][2]string{{"preset", `"fast"`}}},
				{Models: []string{"sonar-reasoning*"}, Default: [][2]string{{"preset", `"low"`}}},
				{Models: []string{"sonar-deep-research"}, Default: [][2]string{{"preset", `"high"`}}},
				{Translated: true, Drop: []string{
					"parallel_tool_calls", "metadata", "user", "safety_identifier", "prompt_cache_key", "service_tier", "truncation", "top_logprobs", "text",
				}},
			},
		}},
		Embedding: []Endpoint{{Path: "/v1/embeddings", Embeddings: perplexityEmbeddings{}}},
		Static:    models("sonar", "sonar-pro", "sonar-reasoning-pro"),
		Owner:     "perplexity",
	}
	return p.at("https://api.perplexity.ai")
}

func perplexityModel(model string) string {
	switch model {
	case "sonar", "sonar-pro", "sonar-reasoning", "sonar-reasoning-pro", "sonar-deep-research":
		return "perplexity/sonar"
	}
	return model
}
