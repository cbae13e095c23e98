package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// Any OpenAI-compatible server is one call, and may be adjusted.
func ExampleCompatible() {
	p := provider.Compatible("my-llm", "http://localhost:8000/v1")
	p.Header = http.Header{"X-Tenant": {"acme"}}
	r, _ := p.NewRequest(context.Background(), &provider.Call{Op: provider.Models}, rotate.Key{Secret: rotate.NewSecret("sk-1")})
	fmt.Println(r.Method, r.URL, r.Header["Authorization"], r.Header["X-Tenant"])
	// Output: GET http://localhost:8000/v1/models [Bearer sk-1] [acme]
}

// A provider that departs from its format says so as data.
func ExampleHTTP() {
	p := &provider.HTTP{
		ID:      "acme",
		BaseURL: "https://llm.acme.example",
		Auth:    provider.HeaderAuth("X-Acme-Key"),
		Endpoints: []provider.Endpoint{{
			Format:   translate.OpenAI,
			Path:     "/v2/{model}/chat",
			Outbound: openai.Outbound{Origin: "acme", Dialect: openai.Dialect{SystemRole: "system", MaxTokensField: "max_tokens"}},
			Rules: []provider.Rule{
				{Drop: []string{"logprobs"}, Reason: "acme refuses it"},
				{Rename: [][2]string{{"max_completion_tokens", "max_tokens"}}},
			},
		}},
	}
	var losses translate.Losses
	r, _ := p.NewRequest(context.Background(), &provider.Call{
		Op: provider.Chat, Format: translate.OpenAI, Model: "big", Losses: &losses,
		Body: []byte(`{"model":"big","logprobs":true,"max_completion_tokens":9}`),
	}, rotate.Key{})
	body := make([]byte, r.ContentLength)
	_, _ = r.Body.Read(body)
	fmt.Println(r.URL)
	fmt.Println(string(body))
	fmt.Println(losses)
	// Output:
	// https://llm.acme.example/v2/big/chat
	// {"model":"big","max_tokens":9}
	// [logprobs: acme refuses it]
}

// Azure with a service principal: no key, and no SDK.
func ExampleAzureOpenAI() {
	p := provider.AzureOpenAI(provider.AzureConfig{
		Resource:    "my-resource",
		Deployments: map[string]string{"gpt-4o": "my-gpt-4o-deployment"},
		Token:       &provider.EntraClient{Tenant: "…", ClientID: "…", Secret: rotate.NewSecret("…")},
	})
	fmt.Println(p.BaseURL, p.KeyOptional())
	// Output: https://my-resource.openai.azure.com/openai/v1 true
}

// Any way to a token is a function.
func ExampleTokenSourceFunc() {
	source := provider.CacheToken(provider.TokenSourceFunc(func(context.Context) (string, time.Time, error) {
		return "from my vault", time.Now().Add(time.Hour), nil
	}))
	p := provider.VertexAI(provider.VertexConfig{Project: "my-project", Location: "europe-west4", Token: source})
	fmt.Println(p.BaseURL)
	// Output: https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4
}
