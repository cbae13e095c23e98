package llmproxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// Tokens are counted where the provider does it, whichever format the client
// asks in.
func TestCountTokens(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/v1/messages/count_tokens" && strings.Contains(string(b), "hello") && !strings.Contains(string(b), "max_tokens"):
			io.WriteString(w, `{"input_tokens":42}`)
		case strings.HasSuffix(r.URL.Path, ":countTokens") && strings.Contains(string(b), "hello"):
			io.WriteString(w, `{"totalTokens":43}`)
		default:
			t.Errorf("%s %s", r.URL, b)
		}
	})
	ant, gem := provider.Anthropic(), provider.GoogleAIStudio()
	ant.BaseURL, gem.BaseURL = up.URL, up.URL
	s := proxy(t, llmproxy.WithProvider(ant, gem), llmproxy.WithKeys("anthropic", rotate.Secrets("a")...), llmproxy.WithKeys("google-ai-studio", rotate.Secrets("g")...), compatible("up", up.URL, "k"))
	messages := func(model string) string {
		return `{"model":"` + model + `","messages":[{"role":"user","content":"hello"}]}`
	}
	const contents = `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`
	for _, c := range []struct{ path, body, want string }{
		{"/v1/messages/count_tokens", messages("anthropic/claude-sonnet-4-5"), `{"input_tokens":42}`},
		{"/v1/messages/count_tokens", messages("google-ai-studio/gemini-3-pro"), `{"input_tokens":43}`},
		{"/v1beta/models/google-ai-studio/gemini-3-pro:countTokens", contents, `{"totalTokens":43}`},
		{"/v1beta/models/anthropic/claude-sonnet-4-5:countTokens", contents, `{"totalTokens":42}`},
	} {
		if a := do(t, s, "POST", c.path, c.body); a.StatusCode != 200 || a.body != c.want {
			t.Errorf("%s: %d %s, want %s", c.path, a.StatusCode, a.body, c.want)
		}
	}
	if a := do(t, s, "POST", "/v1/messages/count_tokens", messages("up/m")); a.StatusCode != 501 || !strings.Contains(a.body, `"type":"error"`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
