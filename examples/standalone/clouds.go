package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/bedrock"
	"github.com/go-llmproxy/llmproxy/provider/vertex"
)

// clouds configures the providers whose credentials are more than a key, which
// FromEnv leaves to modules of their own: Amazon Bedrock by AWS credentials,
// and Vertex AI by Google's default credentials.
func clouds(ctx context.Context) (opts []llmproxy.Option, err error) {
	if os.Getenv("AWS_BEARER_TOKEN_BEDROCK") == "" && os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		region := cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
		if region == "" {
			return nil, fmt.Errorf("AWS_REGION: must be set beside AWS_ACCESS_KEY_ID")
		}
		p, err := bedrock.New(ctx, provider.BedrockConfig{Region: region})
		if err != nil {
			return nil, err
		}
		p.BaseURL = cmp.Or(os.Getenv("AWS_BEDROCK_BASE_URL"), p.BaseURL)
		opts = append(opts, llmproxy.WithProvider(p))
	}
	if os.Getenv("GOOGLE_VERTEX_ACCESS_TOKEN") == "" && os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "" {
		source, project, err := vertex.Default(ctx)
		if err != nil {
			return nil, fmt.Errorf("GOOGLE_APPLICATION_CREDENTIALS: %w", err)
		}
		p := provider.VertexAI(provider.VertexConfig{
			Project: cmp.Or(os.Getenv("GOOGLE_VERTEX_PROJECT"), project), Location: os.Getenv("GOOGLE_VERTEX_LOCATION"), Token: source,
		})
		p.BaseURL = cmp.Or(os.Getenv("GOOGLE_VERTEX_BASE_URL"), p.BaseURL)
		opts = append(opts, llmproxy.WithProvider(p))
	}
	return opts, nil
}
