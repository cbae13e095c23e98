package provider

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
)

// Google AI Studio: generateContent alone. The OpenAI surface under
// /v1beta/openai loses the index of parallel tool calls and hides thought
// signatures (ai.google.dev/gemini-api/docs/openai), so clients of Chat are
// translated. The key goes in a header: in the query it would be logged.

const geminiModels = "/v1beta/models/{model}"

// GoogleAIStudio returns the provider "google-ai-studio".
func GoogleAIStudio() *HTTP {
	p := &HTTP{
		ID:        "google-ai-studio",
		Auth:      HeaderAuth("X-Goog-Api-Key"),
		Endpoints: geminiMethod("generateContent", "streamGenerateContent?alt=sse"),
		Counters:  geminiMethod("countTokens", ""),
		Embedding: []Endpoint{{Path: "/v1beta/openai/embeddings", Auth: Bearer, ModelMap: geminiModel}},
		ListPath:  "/v1beta/models?pageSize=1000",
		PageParam: "pageToken",
		Owner:     "google",
		Forwards:  map[string]string{"/images/": "/v1beta/openai/images/"},
		PassAuth: func(path string) Auth {
			if strings.Contains(path, "/openai/") {
				return Bearer
			}
			return nil
		},
	}
	return p.at("https://generativelanguage.googleapis.com")
}

// geminiMethod returns the endpoints of a method. A tuned model lives beside
// the models, not below them.
func geminiMethod(method, stream string) []Endpoint {
	models := Endpoint{Format: translate.Gemini, Path: geminiModels + ":" + method, ModelMap: geminiModel, Outbound: gemini.Outbound{}}
	tuned := models
	tuned.Path = "/v1beta/tunedModels/{model}:" + method
	tuned.Models = []string{"tunedModels/*"}
	if stream != "" {
		models.StreamPath = geminiModels + ":" + stream
		tuned.StreamPath = "/v1beta/tunedModels/{model}:" + stream
	}
	return []Endpoint{tuned, models}
}

// geminiModel takes off the collection that a model's name may begin with.
func geminiModel(model string) string {
	return strings.TrimPrefix(strings.TrimPrefix(model, "tunedModels/"), "models/")
}
