package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/cohere"
)

// Cohere: its own v2 chat. The OpenAI surface under /compatibility/v1 ignores
// half of Chat's parameters without a word (docs.cohere.com/docs/compatibility-api),
// so clients of Chat are translated; by pass-through it can be reached.

// Cohere returns the provider "cohere".
func Cohere() *HTTP {
	p := &HTTP{
		ID:        "cohere",
		Endpoints: []Endpoint{{Format: translate.Cohere, Path: "/v2/chat", Outbound: cohere.Outbound{}}},
		Embedding: []Endpoint{{Path: "/v2/embed", Embeddings: cohere.Embeddings{}}},
		ListPath:  "/v1/models?endpoint=chat&page_size=1000",
		PageParam: "page_token",
		Owner:     "cohere",
		Forwards:  map[string]string{"/rerank": "/v2/rerank"},
	}
	return p.at("https://api.cohere.com")
}
