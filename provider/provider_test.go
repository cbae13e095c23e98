package provider_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

const canary = "sk-canary-7f3a9c"

var key = rotate.Key{ID: "k", Secret: rotate.NewSecret(canary)}

// all returns every provider, the clouds in each of their forms.
func all() map[string]*provider.HTTP {
	return map[string]*provider.HTTP{
		"openai":           provider.OpenAI(),
		"anthropic":        provider.Anthropic(),
		"google-ai-studio": provider.GoogleAIStudio(),
		"cerebras":         provider.Cerebras(),
		"cohere":           provider.Cohere(),
		"deepseek":         provider.DeepSeek(),
		"grok":             provider.Grok(),
		"groq":             provider.Groq(),
		"mistral":          provider.Mistral(),
		"perplexity":       provider.Perplexity(),
		"openrouter":       provider.OpenRouter(),
		"workers-ai":       provider.WorkersAI("acct"),
		"huggingface":      provider.HuggingFace(),
		"replicate":        provider.Replicate(),
		"ollama":           provider.Ollama(""),
		"ollama local":     provider.Ollama("http://localhost:11434/"),
		"azure-openai":     provider.AzureOpenAI(provider.AzureConfig{Resource: "res", Deployments: map[string]string{"gpt-4o": "my 4o"}, Claude: true}),
		"azure dated":      provider.AzureOpenAI(provider.AzureConfig{BaseURL: "https://res.openai.azure.com/", APIVersion: "2025-04-01-preview"}),
		"google-vertex-ai": provider.VertexAI(provider.VertexConfig{Project: "proj", Location: "us-central1"}),
		"vertex express":   provider.VertexAI(provider.VertexConfig{Express: true}),
		"aws-bedrock":      provider.Bedrock(provider.BedrockConfig{Region: "us-east-1"}),
		"mine":             provider.Compatible("mine", "https://llm.example.com/v1/"),
		"custom": provider.Custom(provider.CustomConfig{
			Name: "custom", BaseURL: "http://host:8000/v1", Models: []string{"m1"}, ChatCompletionPath: "chat", ModelsPath: "/list",
		}),
	}
}

func bodyOf(t *testing.T, r *http.Request) string {
	t.Helper()
	if r.Body == nil {
		return ""
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.ContentLength != int64(len(b)) {
		t.Errorf("content length %d of %d bytes", r.ContentLength, len(b))
	}
	return string(b)
}

// TestFormats holds each provider to the formats it serves, best first.
func TestFormats(t *testing.T) {
	const o, r, a, g, c, b = translate.OpenAI, translate.Responses, translate.Anthropic, translate.Gemini, translate.Cohere, translate.Bedrock
	for _, tt := range []struct {
		provider, model string
		want            []translate.Format
	}{
		{"openai", "gpt-4o", []translate.Format{o, r}},
		{"openai", "gpt-5-chat-latest", []translate.Format{o, r}},
		{"openai", "ft:gpt-4o:acme", []translate.Format{o, r}},
		{"openai", "some-new-model", []translate.Format{o, r}},
		{"openai", "gpt-5.6", []translate.Format{r, o}},
		{"openai", "o3", []translate.Format{r, o}},
		{"openai", "gpt-6.1-terra", []translate.Format{r, o}},
		{"openai", "gpt-5-pro", []translate.Format{r}},
		{"openai", "gpt-5.1-codex-mini", []translate.Format{r}},
		{"openai", "o3-pro", []translate.Format{r}},
		{"openai", "o4-mini-deep-research", []translate.Format{r}},
		{"openai", "computer-use-preview", []translate.Format{r}},
		{"anthropic", "x", []translate.Format{a}},
		{"google-ai-studio", "gemini-3", []translate.Format{g}},
		{"cohere", "command-a", []translate.Format{c}},
		{"mistral", "m", []translate.Format{o}},
		{"deepseek", "m", []translate.Format{o, a}},
		{"grok", "grok-4.7", []translate.Format{r, o}},
		{"groq", "m", []translate.Format{o, r}},
		{"cerebras", "m", []translate.Format{o}},
		{"perplexity", "sonar", []translate.Format{r}},
		{"openrouter", "a/b", []translate.Format{o, r, a}},
		{"workers-ai", "@cf/meta/llama-4", []translate.Format{o}},
		{"workers-ai", "@cf/openai/gpt-oss-120b", []translate.Format{o, r}},
		{"huggingface", "a/b", []translate.Format{o, r, a}},
		{"ollama", "m", []translate.Format{o, r, a}},
		{"azure-openai", "gpt-4o", []translate.Format{o, r}},
		{"azure-openai", "claude-opus-5", []translate.Format{a}},
		{"azure dated", "gpt-5", []translate.Format{o, r}},
		{"google-vertex-ai", "gemini-3", []translate.Format{g}},
		{"google-vertex-ai", "claude-x", []translate.Format{a}},
		{"google-vertex-ai", "meta/llama-4", []translate.Format{o}},
		{"google-vertex-ai", "endpoints/1", []translate.Format{g}},
		{"aws-bedrock", "amazon.nova-pro-v1:0", []translate.Format{b}},
		{"aws-bedrock", "global.anthropic.claude-x", []translate.Format{b, a}},
		{"aws-bedrock", "openai.gpt-oss-20b-1:0", []translate.Format{b, o, r}},
		{"mine", "m", []translate.Format{o}},
	} {
		if got := all()[tt.provider].Formats(tt.model); !slices.Equal(got, tt.want) {
			t.Errorf("%s serves %s in %v, want %v", tt.provider, tt.model, got, tt.want)
		}
	}
}

// Where a provider is moved, nothing of it stays at the old address.
// pitfall 46: no /v1/v1.
func TestMoved(t *testing.T) {
	for name, p := range all() {
		for _, base := range []string{"http://127.0.0.1:9/fake", "http://127.0.0.1:9/fake/v1"} {
			p.BaseURL = base
			for _, c := range everyCall(p) {
				if name == "azure-openai" && c.Format == translate.Anthropic {
					continue // on the resource's other host by its configuration
				}
				r, err := p.NewRequest(t.Context(), &c, key)
				if err != nil {
					t.Errorf("%s %s: %v", name, c.Op, err)
					continue
				}
				if u := r.URL.String(); !strings.HasPrefix(u, "http://127.0.0.1:9/fake/") || strings.Contains(u, "/v1/v1/") {
					t.Errorf("%s, moved to %s, asks %s", name, base, u)
				}
			}
		}
	}
}

// everyCall returns a call of each kind that the provider serves.
func everyCall(p *provider.HTTP) []provider.Call {
	var calls []provider.Call
	for _, m := range []string{"gpt-4o", "gpt-5", "claude-opus-5", "gemini-3", "meta/llama", "anthropic.claude-x", "openai.gpt-oss", "amazon.titan-embed-text-v2:0", "@cf/openai/gpt-oss"} {
		for _, f := range p.Formats(m) {
			calls = append(calls, provider.Call{Op: provider.Chat, Format: f, Model: m, Body: []byte(`{}`)}, provider.Call{Op: provider.Chat, Format: f, Model: m, Stream: true, Body: []byte(`{}`)})
			if p.Supports(provider.CountTokens, f, m) {
				calls = append(calls, provider.Call{Op: provider.CountTokens, Format: f, Model: m, Body: []byte(`{}`)})
			}
		}
		if p.Supports(provider.Embed, "", m) {
			calls = append(calls, provider.Call{Op: provider.Embed, Model: m, Body: []byte(`{}`)})
		}
	}
	if p.Supports(provider.Models, "", "") {
		calls = append(calls, provider.Call{Op: provider.Models})
	}
	for route := range p.Forwards {
		calls = append(calls, provider.Call{Op: provider.Forward, Path: route + strings.Repeat("x", strings.Count(route, "/")-1), Body: []byte(`{}`)})
	}
	return append(calls, provider.Call{Op: provider.Pass, Method: http.MethodGet, Path: "/x/y"})
}

// pitfall 44: a key stands in a header, and nowhere else.
func TestKeyOnlyInHeaders(t *testing.T) {
	for name, p := range all() {
		for _, c := range everyCall(p) {
			r, err := p.NewRequest(t.Context(), &c, key)
			if err != nil {
				t.Errorf("%s %s %s: %v", name, c.Op, c.Format, err)
				continue
			}
			if strings.Contains(r.URL.String(), canary) || strings.Contains(bodyOf(t, r), canary) {
				t.Errorf("%s %s: the key is in the URL or the body", name, c.Op)
			}
			found := 0
			for _, values := range r.Header {
				if strings.Contains(strings.Join(values, ""), canary) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s %s: the key is in %d headers", name, c.Op, found)
			}
			// A client's credential is replaced where it meets the provider's.
			c.Header = http.Header{}
			for n := range r.Header {
				c.Header.Set(n, "client")
			}
			value := c.Header["Authorization"]
			if r, err = p.NewRequest(t.Context(), &c, key); err != nil {
				t.Errorf("%s %s: %v", name, c.Op, err)
			} else if !slices.ContainsFunc(slices.Collect(maps.Values(r.Header)), func(v []string) bool { return strings.Contains(v[0], canary) }) {
				t.Errorf("%s %s: a client's header replaced the credential", name, c.Op)
			}
			if value != nil && value[0] != "client" {
				t.Errorf("%s %s: a value of the client's header was changed in place", name, c.Op)
			}
		}
	}
}

// A client's own API version decides what its body may hold.
func TestClientVersionWins(t *testing.T) {
	c := provider.Call{Op: provider.Chat, Format: translate.Anthropic, Model: "claude-x", Body: []byte(`{"model":"claude-x"}`), Header: http.Header{"Anthropic-Version": {"2026-10-21"}}}
	r, err := provider.Anthropic().NewRequest(t.Context(), &c, key)
	if err != nil || r.Header.Get("Anthropic-Version") != "2026-10-21" {
		t.Errorf("%v, %v", r.Header, err)
	}
	for header, want := range map[string]string{"2026-10-21": "2026-10-21", "2023-06-01": "vertex-2023-10-16", "": "vertex-2023-10-16"} {
		c.Header = http.Header{}
		if header != "" {
			c.Header.Set("Anthropic-Version", header)
		}
		r, err := all()["google-vertex-ai"].NewRequest(t.Context(), &c, key)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, r); got != `{"anthropic_version":"`+want+`"}` {
			t.Errorf("header %q: body %s", header, got)
		}
	}
}

// What a provider does not serve is an error for the client, before any
// request is made.
func TestUnsupported(t *testing.T) {
	for name, calls := range map[string][]provider.Call{
		"cerebras":    {{Op: provider.Chat, Format: translate.Anthropic}, {Op: provider.Embed}, {Op: provider.CountTokens, Format: translate.Anthropic}, {Op: provider.Forward, Path: "/images/x"}, {Op: "else"}},
		"perplexity":  {{Op: provider.Models}, {Op: provider.Chat, Format: translate.OpenAI, Model: "sonar"}},
		"anthropic":   {{Op: provider.Embed}, {Op: provider.Forward, Path: "/completions"}},
		"openai":      {{Op: provider.Forward, Path: "/completionsx"}, {Op: provider.Chat, Format: translate.OpenAI, Model: "o3-pro"}},
		"aws-bedrock": {{Op: provider.Embed, Model: "x"}},
	} {
		for _, c := range calls {
			_, err := all()[name].NewRequest(t.Context(), &c, key)
			var e *translate.Error
			if !errors.As(err, &e) || e.Kind != translate.Unsupported {
				t.Errorf("%s %s: %v", name, c.Op, err)
			}
		}
	}
	// A model that would climb out of the path.
	for _, model := range []string{"..", ".", "", "../../x", `..\x`, "a/../b", "%2e%2e"} {
		c := provider.Call{Op: provider.Chat, Format: translate.Bedrock, Model: model, Body: []byte(`{}`)}
		if r, err := all()["aws-bedrock"].NewRequest(t.Context(), &c, key); err == nil {
			t.Errorf("model %q: %s", model, r.URL)
		}
	}
}

func TestForwardStaysBelow(t *testing.T) {
	for _, path := range []string{"/images/../files", "/images/%2e%2e/files", "/images/..%2ffiles"} {
		c := provider.Call{Op: provider.Forward, Path: path, Body: []byte(`{}`)}
		if r, err := provider.OpenAI().NewRequest(t.Context(), &c, key); err == nil {
			t.Errorf("%s: %s", path, r.URL)
		}
	}
}

// Bodies of unknown length pass unread.
func TestPassBody(t *testing.T) {
	body := strings.NewReader("abc")
	c := provider.Call{Op: provider.Pass, Method: http.MethodPost, Path: "/x", BodyReader: body, ContentLength: -1}
	r, err := provider.OpenAI().NewRequest(t.Context(), &c, key)
	if err != nil || r.ContentLength != -1 || r.GetBody != nil || body.Len() != 3 || r.Header.Get("Content-Type") != "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestToken(t *testing.T) {
	source := provider.TokenSourceFunc(func(context.Context) (string, time.Time, error) { return "tok", time.Time{}, nil })
	for name, p := range map[string]*provider.HTTP{
		"azure":  provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Token: source}),
		"vertex": provider.VertexAI(provider.VertexConfig{Project: "p", Token: source}),
	} {
		c := provider.Call{Op: provider.Models}
		r, err := p.NewRequest(t.Context(), &c, rotate.Key{})
		if err != nil || r.Header.Get("Authorization") != "Bearer tok" || r.Header.Get("Api-Key") != "" || !p.KeyOptional() {
			t.Errorf("%s: %v, %v", name, r.Header, err)
		}
		if r, _ = p.NewRequest(t.Context(), &c, key); strings.Contains(r.Header.Get("Authorization"), "tok") {
			t.Errorf("%s: a key does not win", name)
		}
	}
	failing := provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Token: provider.TokenSourceFunc(func(context.Context) (string, time.Time, error) {
		return "", time.Time{}, errors.New("secret detail")
	})})
	_, err := failing.NewRequest(t.Context(), &provider.Call{Op: provider.Models}, rotate.Key{})
	var e *translate.Error
	if !errors.As(err, &e) || strings.Contains(e.Message, "secret") {
		t.Errorf("%v", err)
	}
}

func TestAzureBases(t *testing.T) {
	for _, tt := range []struct {
		c    provider.AzureConfig
		want string
	}{
		{provider.AzureConfig{Resource: "r"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.openai.azure.com"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.openai.azure.com/openai/"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.services.ai.azure.com/openai/v1/"}, "https://r.services.ai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "http://127.0.0.1:80/stand-in"}, "http://127.0.0.1:80/stand-in"},
		{provider.AzureConfig{Resource: "r", APIVersion: "v1"}, "https://r.openai.azure.com/openai/v1"},
		{provider.AzureConfig{BaseURL: "https://r.openai.azure.com/openai/v1", APIVersion: "2024-10-21"}, "https://r.openai.azure.com/openai"},
		{provider.AzureConfig{BaseURL: "http://127.0.0.1:80", APIVersion: "2024-10-21"}, "http://127.0.0.1:80/openai"},
		{provider.AzureConfig{Resource: "r/../x"}, "https://r%2F..%2Fx.openai.azure.com/openai/v1"},
	} {
		if got := provider.AzureOpenAI(tt.c).BaseURL; got != tt.want {
			t.Errorf("%+v: %s", tt.c, got)
		}
	}
	p := provider.AzureOpenAI(provider.AzureConfig{Resource: "r", Deployments: map[string]string{"b": "x", "a": "y"}})
	if got := p.StaticModels(); len(got) != 2 || got[0].ID != "a" || got[1].ID != "b" {
		t.Errorf("%v", got)
	}
}

func TestVertexHosts(t *testing.T) {
	for location, want := range map[string]string{
		"": "aiplatform.googleapis.com", "global": "aiplatform.googleapis.com", "eu": "aiplatform.eu.rep.googleapis.com",
		"europe-west4": "europe-west4-aiplatform.googleapis.com", "evil.com/": "evil.com%2F-aiplatform.googleapis.com",
	} {
		if p := provider.VertexAI(provider.VertexConfig{Project: "p", Location: location}); !strings.HasPrefix(p.BaseURL, "https://"+want+"/v1/projects/p/locations/") {
			t.Errorf("%q: %s", location, p.BaseURL)
		}
	}
}
