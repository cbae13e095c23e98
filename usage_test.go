package llmproxy_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// The usage of a stream is known whether or not the client asked for it, and
// a client sees it only if it did.
func TestUsageOfStreams(t *testing.T) {
	const (
		content = `data: {"id":"c","choices":[{"index":0,"delta":{"content":",\"usage\":null,"}}]`
		end     = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`
		only    = `data: {"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}` + "\n\n"
		done    = "data: [DONE]\n\n"
		null    = `,"usage":null` + "}\n\n"
		none    = "}\n\n"
		beside  = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}` + "\n\n"
	)
	for name, c := range map[string]struct {
		provider      *provider.HTTP
		client        string // members of the request after the messages
		sent          string // what stream_options the provider gets; "": none
		answer, given string
	}{
		"not asked":              {nil, ``, `"stream_options":{"include_usage":true}`, content + null + end + null + only + done, content + none + end + none + done},
		"asked":                  {nil, `,"stream_options":{"include_usage":true}`, `"stream_options":{"include_usage":true}`, content + null + end + null + only + done, content + null + end + null + only + done},
		"asked not to":           {nil, `,"stream_options":{"include_usage":false}`, `"stream_options":{"include_usage":true}`, content + null + only + done, content + none + done},
		"other options":          {nil, `,"stream_options":{"include_obfuscation":false}`, `"stream_options":{"include_obfuscation":false,"include_usage":true}`, content + null + end + null + only + done, content + none + end + none + done},
		"beside the last choice": {nil, ``, `"stream_options":{"include_usage":true}`, content + none + beside + done, content + none + beside + done},
		"a provider that tells":  {provider.Mistral(), ``, ``, content + none + beside + done, content + none + beside + done},
	} {
		t.Run(name, func(t *testing.T) {
			var body string
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				body = string(b)
				w.Header().Set("Content-Type", "text/event-stream")
				for frame := range strings.SplitAfterSeq(c.answer, "\n\n") {
					io.WriteString(w, frame)
					w.(http.Flusher).Flush()
				}
			})
			p := c.provider
			if p == nil {
				p = provider.Compatible("up", up.URL)
			} else {
				p.BaseURL = up.URL
			}
			var mu sync.Mutex
			var seen llmproxy.Exchange
			s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys(p.ID, rotate.Secrets("k")...), llmproxy.WithObserver(llmproxy.Observer{
				Exchange: func(_ context.Context, x *llmproxy.Exchange) { mu.Lock(); seen = *x; mu.Unlock() },
			}))
			a := do(t, s, "POST", "/v1/chat/completions", `{"model":"`+p.ID+`/m","stream":true,"messages":[{"role":"user","content":"q"}]`+c.client+`}`)
			if a.body != c.given {
				t.Errorf("the client got\n%s\nwant\n%s", a.body, c.given)
			}
			if !strings.Contains(body, c.sent) || c.sent == "" && strings.Contains(body, "stream_options") {
				t.Errorf("the provider got %s", body)
			}
			s.Close() // after which the observer has been told
			mu.Lock()
			defer mu.Unlock()
			if seen.Usage == nil || seen.Usage.Total() != 12 || seen.UsageFrom != llmproxy.UsageUpstream {
				t.Errorf("usage %+v, %s", seen.Usage, seen.UsageFrom)
			}
		})
	}
}
