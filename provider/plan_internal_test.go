package provider

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// What is kept of a model is that model's, of that provider: not of another
// one in the same place, nor of a copy with another address or other endpoints.
func TestPlans(t *testing.T) {
	address := func(p *HTTP, model string) string {
		t.Helper()
		r, err := p.NewRequest(t.Context(), &Call{Op: Chat, Format: translate.Gemini, Model: model, Body: []byte(`{}`)}, rotate.Key{})
		if err != nil {
			t.Fatal(err)
		}
		return r.URL.String()
	}
	p := GoogleAIStudio()
	model := func(i int) string { return fmt.Sprint("gemini-", i) }
	for range 2 {
		for i := range 3 * len(p.plans.made) {
			if got := address(p, model(i)); !strings.Contains(got, model(i)+":") {
				t.Fatalf("%s is asked at %s", model(i), got)
			}
		}
	}
	other := *p
	other.BaseURL = "http://127.0.0.1:1"
	third := other
	third.Endpoints = []Endpoint{{Format: translate.Gemini, Path: "/third"}}
	for range 2 { // they share their plans
		for p, want := range map[*HTTP]string{p: p.BaseURL + "/v1beta/models/gemini-1:", &other: other.BaseURL + "/v1beta/models/gemini-1:", &third: other.BaseURL + "/third"} {
			if got := address(p, model(1)); !strings.HasPrefix(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

// What a client names is kept only where it is short, and nothing is kept of a
// provider without a constructor.
func TestPlansAreBounded(t *testing.T) {
	p := OpenAI()
	long := strings.Repeat("m", longestPlanned+1)
	p.Formats(long)
	for i := range p.plans.made {
		if p.plans.made[i].Load() != nil {
			t.Error("a long name is kept")
		}
	}
	bare := &HTTP{ID: "bare", BaseURL: "http://a", Endpoints: []Endpoint{{Format: translate.OpenAI, Path: "/chat"}}}
	if f := bare.Formats("m"); len(f) != 1 {
		t.Errorf("formats %q", f)
	}
}

// A request's URL is its own, so that a gateway may rewrite it.
func TestPlannedURLsAreCopied(t *testing.T) {
	p := OpenAI()
	c := &Call{Op: Chat, Format: translate.OpenAI, Model: "m", Body: []byte(`{}`)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r, err := p.NewRequest(t.Context(), c, rotate.Key{})
				if err != nil || r.URL.Path != "/v1/chat/completions" {
					t.Errorf("%v, %v", r.URL, err)
					return
				}
				r.URL.Path, r.URL.Host = "/changed", "changed"
			}
		})
	}
	wg.Wait()
}
