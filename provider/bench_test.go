package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

var benchHeader = http.Header{"User-Agent": {"x"}, "Accept": {"*/*"}, "Content-Type": {"application/json"}}

func BenchmarkFormats(b *testing.B) {
	p := provider.OpenAI()
	b.ReportAllocs()
	for b.Loop() {
		p.Formats("gpt-4o-mini")
	}
}

func BenchmarkNewRequest(b *testing.B) {
	long := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("All work and no play. ", 50_000) + `"}],"temperature":1}`
	for _, bb := range []struct {
		name string
		p    *provider.HTTP
		body string
	}{
		{"openai", provider.OpenAI(), `{"model":"m","messages":[{"role":"user","content":"Hi"}],"temperature":1}`},
		{"mistral", provider.Mistral(), `{"model":"m","messages":[{"role":"user","content":"Hi"}],"temperature":1}`},
		{"mistral 1 MB", provider.Mistral(), long},
		{"mistral, user", provider.Mistral(), `{"model":"m","messages":[{"role":"user","content":"Hi"}],"user":"u"}`},
		{"bare", nil, `{}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := provider.Call{Op: provider.Chat, Format: translate.OpenAI, Model: "gpt-4o-mini", Body: []byte(bb.body), Header: benchHeader}
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.body)))
			for b.Loop() {
				if bb.p == nil {
					r, _ := http.NewRequestWithContext(b.Context(), "POST", "https://api.openai.com/v1/chat/completions", nil)
					_ = r
					continue
				}
				if _, err := bb.p.NewRequest(b.Context(), &c, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
