package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// pitfall 46: what each provider's address becomes at the gateway.
func TestRewrite(t *testing.T) {
	g := &Gateway{Account: "acct", Name: "gw", Token: rotate.NewSecret("cf"), Slugs: map[string]string{"mine": "custom-mine", "cohere": "-"}}
	for _, c := range []struct{ provider, from, want string }{
		{"openai", "https://api.openai.com/v1/chat/completions", "openai/chat/completions"},
		{"openai", "https://api.openai.com/v1/responses", "openai/responses"},
		{"openai", "https://us.api.openai.com/v1/responses", ""},
		{"openai", "https://api.openai.com/v1x/responses", ""},
		{"anthropic", "https://api.anthropic.com/v1/messages", "anthropic/v1/messages"},
		{"google-ai-studio", "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:streamGenerateContent?alt=sse", "google-ai-studio/v1beta/models/gemini-x:streamGenerateContent?alt=sse"},
		{"google-vertex-ai", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/g:generateContent", "google-vertex-ai/v1/projects/p/locations/us-central1/publishers/google/models/g:generateContent"},
		{"google-vertex-ai", "https://aiplatform.googleapis.com/v1/projects/p", ""},
		{"azure-openai", "https://res.openai.azure.com/openai/deployments/dep/chat/completions?api-version=2024-10-21", "azure-openai/res/dep/chat/completions?api-version=2024-10-21"},
		{"azure-openai", "https://res.openai.azure.com/openai/v1/chat/completions", ""},
		{"aws-bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse", "aws-bedrock/bedrock-runtime/us-east-1/model/a%3A0/converse"},
		{"cohere", "https://api.cohere.com/v2/chat", ""},
		{"mistral", "https://api.mistral.ai/v1/chat/completions", "mistral/v1/chat/completions"},
		{"deepseek", "https://api.deepseek.com/chat/completions", "deepseek/chat/completions"},
		{"grok", "https://api.x.ai/v1/responses", "grok/v1/responses"},
		{"groq", "https://api.groq.com/openai/v1/chat/completions", "groq/chat/completions"},
		{"cerebras", "https://api.cerebras.ai/v1/chat/completions", "cerebras/chat/completions"},
		{"perplexity", "https://api.perplexity.ai/v1/responses", "perplexity-ai/v1/responses"},
		{"openrouter", "https://openrouter.ai/api/v1/chat/completions", "openrouter/v1/chat/completions"},
		{"workers-ai", "https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/m", "workers-ai/@cf/m"},
		{"workers-ai", "https://api.cloudflare.com/client/v4/accounts/a/ai/v1/chat/completions", "workers-ai/v1/chat/completions"},
		{"workers-ai", "https://api.cloudflare.com/client/v4/accounts/a/ai/models/search", ""},
		{"replicate", "https://api.replicate.com/v1/predictions", "replicate/predictions"},
		{"huggingface", "https://router.huggingface.co/v1/chat/completions", ""},
		{"ollama", "http://localhost:11434/api/chat", ""},
		{"mine", "https://llm.example.com/v1/chat/completions", "custom-mine/v1/chat/completions"},
		{"openai", "https://api.openai.com.evil.example/v1/x", ""},
	} {
		r, _ := http.NewRequest("POST", c.from, strings.NewReader("{}"))
		ok := g.Rewrite(r, c.provider)
		want := c.from
		if c.want != "" {
			want = "https://gateway.ai.cloudflare.com/v1/acct/gw/" + c.want
		}
		if r.URL.String() != want || ok != (c.want != "") || (r.Header.Get("Cf-Aig-Authorization") != "") != ok {
			t.Errorf("%s %s: %s, %v", c.provider, c.from, r.URL, ok)
		}
	}
}

func TestUniversal(t *testing.T) {
	g := &Gateway{Account: "a", BaseURL: "http://x/"}
	r, _ := http.NewRequest("POST", "https://api.openai.com/v1/chat/completions?x=1", strings.NewReader(`{"n":12345678901234567890}`))
	r.Header.Set("Authorization", "Bearer k")
	u, err := g.NewUniversal(context.Background(), []Step{{"openai", r}})
	if err != nil || u.URL.String() != "http://x/a/default" {
		t.Fatal(u, err)
	}
	body, _ := bodyOf(u)
	if want := `[{"provider":"openai","endpoint":"chat/completions?x=1","headers":{"Authorization":"Bearer k"},"query":{"n":12345678901234567890}}]`; string(body) != want {
		t.Errorf("got %s", body)
	}
	o, _ := http.NewRequest("POST", "http://localhost/api", strings.NewReader(`{}`))
	if _, err := g.NewUniversal(context.Background(), []Step{{"ollama", o}}); err != ErrUnknownProvider {
		t.Errorf("got %v", err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
	if _, err := g.NewUniversal(context.Background(), []Step{{"openai", r}}); err != ErrSigned {
		t.Errorf("got %v", err)
	}
}

func TestFailed(t *testing.T) {
	for _, c := range []struct {
		status int
		header string
		body   string
		want   bool
	}{
		{502, "", "", true}, {500, "Cf-Aig-Step", "", false}, {500, "Cf-Aig-Log-Id", `{"error":{}}`, false}, {500, "Cf-Aig-Log-Id", `{"success":false,"errors":[]}`, true}, {401, "", "", false}, {429, "", "", false},
	} {
		h := http.Header{}
		if c.header != "" {
			h.Set(c.header, "0")
		}
		if Failed(c.status, h, []byte(c.body)) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

func TestParseSteps(t *testing.T) {
	steps, err := ParseSteps([]byte(`{"provider":"openai","endpoint":"x","headers":{"authorization":"Bearer k"},"query":{"provider":"other"}}`))
	if err != nil || len(steps) != 1 || steps[0].Provider != "openai" || steps[0].Headers.Get("Authorization") != "Bearer k" {
		t.Errorf("%+v %v", steps, err)
	}
	for _, body := range []string{
		`[{"provider":"openai","provider":"anthropic"}]`, `[{"provider":"openai","Provider":"anthropic"}]`, `[{"provider":"openai","prov\u0069der":"anthropic"}]`,
		`[{"provider":"openai","headers":{},"headers":{}}]`, `[{"endpoint":"a","ENDPOINT":"b"}]`, `["openai"]`, `[{"provider":1}]`, `[{"headers":[]}]`, `[{"provider":"openai"}`, `null`, ``,
	} {
		if steps, err := ParseSteps([]byte(body)); err == nil && len(steps) > 0 {
			t.Errorf("%s: %+v", body, steps)
		}
	}
}

func FuzzParseSteps(f *testing.F) {
	f.Add([]byte(`[{"provider":"openai","headers":{"a":"b"},"query":{}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		steps, err := ParseSteps(b)
		if err != nil {
			return
		}
		headers := make([]http.Header, len(steps))
		AppendSteps(nil, steps, headers)
	})
}
