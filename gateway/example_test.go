package gateway_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// A request that a provider has built for itself travels through the gateway,
// without the proxy. llmproxy.WithGateway does this and what follows from it.
func ExampleGateway_Rewrite() {
	g := &gateway.Gateway{Account: "0123456789abcdef", Name: "production", Token: rotate.NewSecret("cf-token")}
	request := func(p *provider.HTTP) *http.Request {
		r, err := p.NewRequest(context.Background(), &provider.Call{Op: provider.Models}, rotate.Key{Secret: rotate.NewSecret("sk-1")})
		if err != nil {
			panic(err)
		}
		return r
	}
	r := request(provider.OpenAI())
	fmt.Println(g.Rewrite(r, "openai"), r.URL)
	fmt.Println(r.Header.Get("Authorization"), r.Header.Get("Cf-Aig-Authorization"))

	r = request(provider.Compatible("my-llm", "http://127.0.0.1:8000/v1")) // nothing that the gateway knows
	fmt.Println(g.Rewrite(r, "my-llm"), r.URL)
	// Output:
	// true https://gateway.ai.cloudflare.com/v1/0123456789abcdef/production/openai/models
	// Bearer sk-1 Bearer cf-token
	// false http://127.0.0.1:8000/v1/models
}

// Models on the Cloudflare account's bill are a provider of their own.
func ExampleREST() {
	p := gateway.REST("0123456789abcdef", "production")
	fmt.Println(p.Name(), p.BaseURL)
	// Output: ai-gateway https://api.cloudflare.com/client/v4/accounts/0123456789abcdef/ai/v1
}

// What the gateway says of an answer is in its headers; an llmproxy.Attempt has
// it, too.
func ExampleInfoOf() {
	h := http.Header{}
	h.Set("cf-aig-log-id", "01JADMCQQQBWH3NXZ5GCRN98DP")
	h.Set("cf-aig-cache-status", "HIT")
	fmt.Printf("%+v\n", gateway.InfoOf(h))
	// Output: {LogID:01JADMCQQQBWH3NXZ5GCRN98DP CacheStatus:HIT EventID: Step:0 Provider: Model:}
}
