package provider

import (
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/bedrock"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// Amazon Bedrock: Converse for every model, in frames of AWS's event stream;
// beside it Messages for Claude (see bedrockInvoke) and an OpenAI surface for
// open-weight models (docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html). A
// model is an ID, an inference profile or an ARN, and stands in the path with
// its colons escaped. Keys are Bedrock API keys, as Bearer; package
// provider/bedrock signs with AWS credentials instead.

// BedrockConfig says where Bedrock is used.
type BedrockConfig struct {
	Region string // "us-east-1"
	// Auth authenticates; nil is Bearer, for Bedrock API keys.
	Auth Auth
	// NoKey says that Auth needs no key: it finds credentials itself.
	NoKey bool
	// Models are the list of models; empty: the region's foundation models
	// are listed by the API. Inference profiles are not among these.
	Models []string
}

var (
	bedrockClaude = []string{"anthropic.claude*", "*.anthropic.claude*", "arn:*anthropic.claude*"}
	// bedrockOpen are the models that the OpenAI surface serves.
	bedrockOpen = []string{
		"openai.*", "*.openai.*", "qwen.*", "*.qwen.*", "deepseek.v3*", "*.deepseek.v3*", "moonshot*", "minimax.*", "zai.*", "google.gemma*", "nvidia.*",
	}
)

// Bedrock returns the provider "aws-bedrock".
func Bedrock(c BedrockConfig) *HTTP {
	invoke, count := bedrockInvoke()
	p := &HTTP{
		ID:    "aws-bedrock",
		Auth:  c.Auth,
		NoKey: c.NoKey,
		Endpoints: []Endpoint{
			converse(bedrockClaude, "anthropic"),
			converse(except(bedrockClaude), "bedrock"),
			invoke,
			{
				Format: translate.OpenAI, Path: "/openai/v1/chat/completions", Models: bedrockOpen,
				Outbound: openai.Outbound{Origin: "bedrock", Dialect: openai.Dialect{SystemRole: "system", DataURLsOnly: true, FilterTools: true}},
			},
			{
				Format: translate.Responses, Path: "/openai/v1/responses", Models: []string{"openai.*", "*.openai.*"},
				Outbound: responses.Outbound{Origin: "bedrock", Dialect: responses.Dialect{NoEncryptedReasoning: true}},
			},
		},
		Embedding: []Endpoint{
			{Path: "/model/{model}/invoke", Models: []string{"cohere.*", "*.cohere.*"}, Embeddings: bedrockCohere{}},
			{Path: "/model/{model}/invoke", Models: []string{"amazon.titan-embed-text*"}, Embeddings: titan{}},
		},
		Counters: []Endpoint{count},
		Wrap:     func(next http.RoundTripper) http.RoundTripper { return bedrockTransport{next} },
		ListPath: "/foundation-models?byOutputModality=TEXT",
		ListBase: "https://bedrock." + c.Region + "." + awsDomain(c.Region),
		Static:   models(c.Models...),
	}
	return p.at("https://bedrock-runtime." + c.Region + "." + awsDomain(c.Region))
}

func converse(models []string, origin string) Endpoint {
	return Endpoint{
		Format: translate.Bedrock, Path: "/model/{model}/converse", StreamPath: "/model/{model}/converse-stream",
		Models: models, Outbound: bedrock.Outbound{Origin: origin},
	}
}

// awsDomain returns the domain of a region's partition.
func awsDomain(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "amazonaws.com.cn"
	case strings.HasPrefix(region, "eusc-"):
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}
