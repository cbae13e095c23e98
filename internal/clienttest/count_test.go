package clienttest

import (
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"google.golang.org/genai"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// Tokens are counted by the SDKs that can, where the provider can; elsewhere the
// answer is an error of the SDK's own, and never a guess.
func TestCountTokens(t *testing.T) {
	for _, up := range upstreams {
		can := strings.Contains(up.model, "claude") || strings.Contains(up.model, "gemini")
		var script []providertest.Step
		if can {
			step := providertest.Say(providertest.Answer{Input: 42, Output: 1})
			script = []providertest.Step{step, step}
		}
		t.Run(up.model, func(t *testing.T) { countTokens(t, up.make, up.model, can, script) })
	}
}

func countTokens(t *testing.T, make func() *provider.HTTP, model string, can bool, script []providertest.Step) {
	base, _ := serve(t, make, script...)
	c := anthropicClient(base)
	p := messageParams(model)
	r, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: model, Messages: p.Messages})
	if can && (err != nil || r.InputTokens != 42) || !can && status(err) < 400 {
		t.Errorf("anthropic: %+v, %v", r, err)
	}
	g, err := geminiClient(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	n, err := g.Models.CountTokens(t.Context(), model, genai.Text("hi"), nil)
	if can && (err != nil || n.TotalTokens != 42) || !can && status(err) < 400 {
		t.Errorf("genai: %+v, %v", n, err)
	}
}
