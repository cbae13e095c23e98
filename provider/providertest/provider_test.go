package providertest_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// Every provider keeps the contract.
func TestProviders(t *testing.T) {
	key := rotate.Key{ID: "k", Secret: rotate.NewSecret("sk-canary-7f3a9c+/=")}
	for _, tt := range []struct {
		p      provider.Provider
		models []string
	}{
		{provider.OpenAI(), []string{"gpt-4o", "gpt-5.6", "o3-pro"}},
		{provider.Anthropic(), []string{"claude-opus-5"}},
		{provider.GoogleAIStudio(), []string{"gemini-3", "models/gemini-3", "tunedModels/x"}},
		{provider.Cerebras(), []string{"gpt-oss-120b"}},
		{provider.Cohere(), []string{"command-a"}},
		{provider.DeepSeek(), []string{"deepseek-flash"}},
		{provider.Grok(), []string{"grok-4.7", "grok-4.20-non-reasoning"}},
		{provider.Groq(), []string{"openai/gpt-oss-120b"}},
		{provider.Mistral(), []string{"mistral-large"}},
		{provider.Perplexity(), []string{"sonar-pro", "openai/gpt-5"}},
		{provider.OpenRouter(), []string{"anthropic/claude:free"}},
		{provider.WorkersAI("acct"), []string{"@cf/meta/llama-4", "@cf/openai/gpt-oss-120b"}},
		{provider.HuggingFace(), []string{"org/model:groq"}},
		{provider.Replicate(), []string{"meta/llama", "a/b:abc", "deployments/a/b"}},
		{provider.Ollama(""), []string{"qwen3:8b"}},
		{provider.Ollama("http://localhost:11434"), []string{"qwen3:8b"}},
		{provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Claude: true}), []string{"gpt-4o", "gpt-5", "claude-opus-5"}},
		{provider.AzureOpenAI(provider.AzureConfig{Resource: "r", APIVersion: "2024-10-21"}), []string{"my deployment"}},
		{provider.VertexAI(provider.VertexConfig{Project: "p", Location: "eu"}), []string{"gemini-3", "claude-x@20260101", "meta/llama", "endpoints/1"}},
		{provider.VertexAI(provider.VertexConfig{Express: true}), []string{"gemini-3"}},
		{provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}), []string{"us.anthropic.claude-x-v1:0", "openai.gpt-oss-20b-1:0", "amazon.nova-pro-v1:0"}},
		{provider.Compatible("my-llm", "https://llm.example.com/v1"), []string{"m"}},
		{provider.Custom(provider.CustomConfig{Name: "c", BaseURL: "http://h/v1", Models: []string{"m"}}), []string{"m"}},
		{provider.Demo(), []string{"echo"}},
	} {
		t.Run(tt.p.Name(), func(t *testing.T) { providertest.TestProvider(t, tt.p, key, tt.models...) })
	}
}
