package bedrock_test

import (
	"context"
	"fmt"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/bedrock"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// The credentials that AWS's SDK finds: no key.
func ExampleNew() {
	p, err := bedrock.New(context.Background(), provider.BedrockConfig{Region: "us-east-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy, err := llmproxy.New(llmproxy.WithProvider(p), llmproxy.WithProxyKeys("my-key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proxy.Providers())
	// Output: [aws-bedrock]
}

// Several accounts' credentials, which are pooled like keys.
func ExampleAuth() {
	p := provider.Bedrock(provider.BedrockConfig{Region: "us-east-1", Auth: bedrock.Auth("us-east-1", nil)})
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(p),
		llmproxy.WithKeys(p.Name(), rotate.Secrets("AKIAFIRST:secret", "AKIASECOND:secret")...),
		llmproxy.WithProxyKeys("my-key"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proxy.Providers())
	// Output: [aws-bedrock]
}
