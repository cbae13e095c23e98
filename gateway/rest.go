package gateway

import (
	"net/http"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

// RESTBaseURL is the address of Cloudflare's API, to which an account's ID and
// "/ai/v1" are appended.
const RESTBaseURL = "https://api.cloudflare.com/client/v4/accounts/"

// REST returns a provider for the gateway's newer REST surface, which bills
// providers' models to the Cloudflare account, or uses keys stored there:
// "ai-gateway/openai/gpt-5.6". Its keys are Cloudflare API tokens. An empty
// name lets Cloudflare choose the gateway "default".
func REST(account, name string) *provider.HTTP {
	p := &provider.HTTP{
		ID:      "ai-gateway",
		BaseURL: RESTBaseURL + account + "/ai/v1",
		Endpoints: []provider.Endpoint{
			{Format: translate.OpenAI, Path: "/chat/completions"},
			{Format: translate.Responses, Path: "/responses"},
			{Format: translate.Anthropic, Path: "/messages", Header: http.Header{"Anthropic-Version": {"2023-06-01"}}},
		},
	}
	if name != "" {
		p.Header = http.Header{"Cf-Aig-Gateway-Id": {name}}
	}
	return p
}
