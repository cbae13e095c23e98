package llmproxy_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// pitfall 7: a stream that is cut has its usage estimated, and marked as that:
// the input as it was told where it was, else from the request's body, and the
// output from the text that came, whoever ended the stream.
func TestEstimatedUsage(t *testing.T) {
	const words, output = 40, 50 // of 5 bytes each
	question, picture := strings.Repeat("why ", 100), strings.Repeat("iVBORw0KGgo=", 10_000)
	after := func(fault func(n int) func(*providertest.Reply)) providertest.Step {
		return providertest.Text(strings.Repeat("word ", 100)).With(func(r *providertest.Reply) {
			first := 0
			for !bytes.Contains(r.Chunks[first], []byte("word")) {
				first++
			}
			fault(first + words)(r)
		})
	}
	for _, c := range []struct{ path, body string }{
		{"/v1/chat/completions", `{"model":"%s/m","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":%q},{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}]}`},
		{"/v1/responses", `{"model":"%s/m","stream":true,"input":[{"role":"user","content":[{"type":"input_text","text":%q},{"type":"input_image","image_url":"data:image/png;base64,%s"}]}]}`},
		{"/v1/messages", `{"model":"%s/m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":%q},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}]}]}`},
	} {
		for _, home := range []string{"openai", "anthropic", "google-ai-studio"} {
			body := fmt.Sprintf(c.body, home, question, picture)
			input := int64(10) // as told at once
			if home == "openai" {
				input = int64(len(body)-len(picture)+3)/4 + 1000
			}
			for name, step := range map[string]providertest.Step{"client leaves": after(providertest.StallAfterEvents), "provider breaks off": after(providertest.CutAfterEvents)} {
				t.Run(c.path+" "+home+" "+name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						up := providertest.NewPipeServer(t, step)
						pr := map[string]func() *provider.HTTP{"openai": provider.OpenAI, "anthropic": provider.Anthropic, "google-ai-studio": provider.GoogleAIStudio}[home]()
						pr.BaseURL = up.URL
						var x llmproxy.Exchange
						p, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithProvider(pr), llmproxy.WithKeys(home, rotate.Secrets("k")...), llmproxy.WithTransport(up.Client().Transport),
							llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, e *llmproxy.Exchange) { x = *e }}))
						if err != nil {
							t.Fatal(err)
						}
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						time.AfterFunc(time.Second, cancel)
						r, _ := http.NewRequestWithContext(ctx, http.MethodPost, c.path, strings.NewReader(body))
						p.ServeHTTP(&writer{header: http.Header{}}, r)
						if x.UsageFrom != llmproxy.UsageEstimated || x.Usage == nil || x.Usage.TotalInput() != input || x.Usage.TotalOutput() != output || x.Aborted != (name == "client leaves") {
							t.Errorf("status %d, usage %+v from %s, aborted %v, %v", x.Status, x.Usage, x.UsageFrom, x.Aborted, x.Err)
						}
					})
				})
			}
		}
	}
}

// Usage that was told counts as told, also where the client leaves before the
// stream's last event.
func TestUsageToldBeforeTheEnd(t *testing.T) {
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		for _, home := range []string{"openai", "anthropic"} {
			synctest.Test(t, func(t *testing.T) {
				up := providertest.NewPipeServer(t, providertest.Text("Hello, world.").With(func(r *providertest.Reply) { providertest.StallAfterEvents(len(r.Chunks) - 1)(r) }))
				pr := map[string]func() *provider.HTTP{"openai": provider.OpenAI, "anthropic": provider.Anthropic}[home]()
				pr.BaseURL = up.URL
				var x llmproxy.Exchange
				p, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithProvider(pr), llmproxy.WithKeys(home, rotate.Secrets("k")...), llmproxy.WithTransport(up.Client().Transport),
					llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, e *llmproxy.Exchange) { x = *e }}))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(time.Second, cancel)
				r, _ := http.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(`{"model":"`+home+`/m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`))
				p.ServeHTTP(&writer{header: http.Header{}}, r)
				if !x.Aborted || x.UsageFrom != llmproxy.UsageUpstream || x.Usage == nil || x.Usage.TotalInput() != 10 || x.Usage.TotalOutput() != 5 || x.Finish.Reason != translate.FinishStop {
					t.Errorf("%s, %s: aborted %v, usage %+v from %s, finish %+v", path, home, x.Aborted, x.Usage, x.UsageFrom, x.Finish)
				}
			})
		}
	}
}

// A client that can no longer be written to has left, whether or not the server
// has noticed.
func TestAbortSeenByWriting(t *testing.T) {
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"openai/m","stream":true,"messages":[]}`,
		"/v1/messages":         `{"model":"openai/m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
	} {
		up := providertest.NewServer(t, providertest.Text("word "+strings.Repeat("word ", 100)))
		pr := provider.OpenAI()
		pr.BaseURL = up.URL
		var x llmproxy.Exchange
		p, err := llmproxy.New(llmproxy.WithoutAuth(), llmproxy.WithProvider(pr), llmproxy.WithKeys("openai", rotate.Secrets("k")...),
			llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, e *llmproxy.Exchange) { x = *e }}))
		if err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		p.ServeHTTP(&broken{writer{header: http.Header{}}}, r)
		if !x.Aborted || x.UsageFrom != llmproxy.UsageEstimated || len(x.Attempts) != 1 || x.Attempts[0].Class != rotate.Canceled || !strings.HasPrefix(x.Err.Error(), "the client went away") {
			t.Errorf("%s: aborted %v, usage %+v from %s, attempts %+v, %v", path, x.Aborted, x.Usage, x.UsageFrom, x.Attempts, x.Err)
		}
	}
}

// broken is a writer whose client is gone.
type broken struct{ writer }

func (*broken) Write([]byte) (int, error) { return 0, syscall.EPIPE }
