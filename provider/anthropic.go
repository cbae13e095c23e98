package provider

import (
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
)

// Anthropic: Messages alone. Its Chat Completions surface is declared fit for
// tests only (it drops thinking, caching, response_format and more:
// docs.anthropic.com/en/api/openai-sdk), so clients of Chat are translated; by
// pass-through it can be reached.

// anthropicVersion is the header that Anthropic demands. A client's own wins,
// as it decides what the body may hold.
var anthropicVersion = http.Header{"Anthropic-Version": {"2023-06-01"}}

// Anthropic returns the provider "anthropic".
func Anthropic() *HTTP {
	p := &HTTP{
		ID:         "anthropic",
		Auth:       HeaderAuth("X-Api-Key"),
		Header:     anthropicVersion,
		Endpoints:  []Endpoint{{Format: translate.Anthropic, Path: "/v1/messages", Outbound: anthropic.Outbound{}}},
		Counters:   []Endpoint{{Format: translate.Anthropic, Path: "/v1/messages/count_tokens", Outbound: anthropic.Outbound{}}},
		ListPath:   "/v1/models?limit=1000",
		PageParam:  "after_id",
		ListHeader: anthropicVersion,
		Owner:      "anthropic",
		PassAuth: func(path string) Auth {
			if strings.HasSuffix(path, "/chat/completions") {
				return Bearer
			}
			return nil
		},
	}
	return p.at("https://api.anthropic.com")
}
