package llmproxy_test

import (
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// A client takes the n-th vector for the n-th input's: an answer with another
// number of them is none.
func TestEmbeddingsOfAllInputs(t *testing.T) {
	for vectors, want := range map[string]struct{ status, vectors int }{
		`[0.5,-0.25]`:          {502, 0},
		`[0.5,-0.25],[0.25,1]`: {200, 2},
	} {
		up := providertest.NewServer(t)
		p := provider.Cohere()
		p.BaseURL = up.URL
		s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("cohere", rotate.Secrets("co-key-0123456789")...))
		up.Then(providertest.Raw(200, "application/json", []byte(`{"id":"e","embeddings":{"float":[`+vectors+`]}}`)))
		a := do(t, s, "POST", "/v1/embeddings", `{"model":"cohere/embed-v4.0","input":["a","b"]}`)
		if a.StatusCode != want.status || strings.Count(a.body, `"embedding":[`) != want.vectors {
			t.Errorf("%s: %d %s", vectors, a.StatusCode, a.body)
		}
	}
}
