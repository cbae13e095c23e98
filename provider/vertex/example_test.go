package vertex_test

import (
	"context"
	"fmt"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/vertex"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// The machine's own identity: no key.
func ExampleDefault() {
	source, project, err := vertex.Default(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.VertexAI(provider.VertexConfig{Project: project, Location: "europe-west4", Token: source})),
		llmproxy.WithProxyKeys("my-key"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proxy.Providers())
}

// Several service accounts, which are pooled like keys.
func ExampleAuth() {
	p := provider.VertexAI(provider.VertexConfig{Project: "my-project"})
	p.Auth = vertex.Auth()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(p),
		llmproxy.WithKeys(p.Name(), rotate.Secrets(`{"type":"service_account",…}`, `{"type":"service_account",…}`)...),
		llmproxy.WithProxyKeys("my-key"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proxy.Providers())
	// Output: [google-vertex-ai]
}
