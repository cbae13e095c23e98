package otel

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/translate"
)

// providers are the providers for which the convention has a name that is not
// this module's. Any other one is called what it is called here, which is the
// convention's name, too, where it has one.
var providers = map[string]attribute.KeyValue{
	"google-ai-studio": semconv.GenAIProviderNameGCPGemini,
	"google-vertex-ai": semconv.GenAIProviderNameGCPVertexAI,
	"aws-bedrock":      semconv.GenAIProviderNameAWSBedrock,
	"azure-openai":     semconv.GenAIProviderNameAzureAIOpenAI,
	"mistral":          semconv.GenAIProviderNameMistralAI,
	"grok":             semconv.GenAIProviderNameXAI,
}

func providerName(name string) string {
	if known, ok := providers[name]; ok {
		return known.Value.AsString()
	}
	if name == "" {
		return "ai-gateway" // which chose the provider, and does not say which
	}
	return name
}

// operations are what the routes do, without the version in front.
var operations = map[string]attribute.KeyValue{
	"/chat/completions":                     semconv.GenAIOperationNameChat,
	"/responses":                            semconv.GenAIOperationNameChat,
	"/messages":                             semconv.GenAIOperationNameChat,
	"/models/{model}:generateContent":       semconv.GenAIOperationNameChat,
	"/models/{model}:streamGenerateContent": semconv.GenAIOperationNameChat,
	"/compat/…":                             semconv.GenAIOperationNameChat,
	"/completions":                          semconv.GenAIOperationNameTextCompletion,
	"/embeddings":                           semconv.GenAIOperationNameEmbeddings,
	"/models/{model}:embedContent":          semconv.GenAIOperationNameEmbeddings,
	"/models/{model}:batchEmbedContents":    semconv.GenAIOperationNameEmbeddings,
	"/messages/count_tokens":                semconv.GenAIOperationNameKey.String("count_tokens"),
	"/models/{model}:countTokens":           semconv.GenAIOperationNameKey.String("count_tokens"),
	"/moderations":                          semconv.GenAIOperationNameKey.String("moderation"),
	"/rerank":                               semconv.GenAIOperationNameKey.String("rerank"),
}

// operation returns what an attempt asked of its provider. Where the request
// passed unread nobody knows, and it is a "request".
func operation(x *llmproxy.Exchange, a *llmproxy.Attempt) string {
	route := strings.TrimPrefix(strings.TrimPrefix(x.Route, "/v1beta"), "/v1")
	op, ok := operations[route]
	switch {
	case ok && op == semconv.GenAIOperationNameChat && a.Format == translate.Gemini:
		return semconv.GenAIOperationNameGenerateContent.Value.AsString()
	case ok:
		return op.Value.AsString()
	case strings.HasPrefix(route, "/images/"):
		return "image"
	case strings.HasPrefix(route, "/audio/"):
		return "audio"
	}
	return "request"
}
