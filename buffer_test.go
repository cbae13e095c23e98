package llmproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// The memory of one request's body must not become another's while a transport
// still reads it: here the upstream answers before it reads, fails in between,
// and is asked again. Whatever body arrives must be whole.
func TestBodiesAreNotMixed(t *testing.T) {
	const size = 300 << 10
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Header.Get("X-Case") {
		case "early": // the connection is closed, with most of the body unread
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":{"message":"too early"}}`)
			return
		case "again":
			if r.Header.Get("Authorization") == "Bearer a" {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, rest, _ := strings.Cut(string(body), `"content":"`)
			text, _, _ := strings.Cut(rest, `"`)
			if len(text) != size || strings.Trim(text, text[:1]) != "" {
				t.Errorf("%s: a body of %d bytes is not what a client sent: %.60q", r.Header.Get("X-Case"), len(body), body)
			}
		}
		io.WriteString(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}`)
	})
	s := proxy(t, llmproxy.WithProvider(provider.Compatible("up", up.URL)), llmproxy.WithKeys("up", rotate.Secrets("a", "b")...))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			text := strings.Repeat(string(rune('a'+worker)), size)
			for i := range 24 {
				path, body := "/v1/chat/completions", fmt.Sprintf(`{"model":"up/m","messages":[{"role":"user","content":"%s"}]}`, text)
				if i%2 == 1 { // translated, too
					path, body = "/v1/messages", fmt.Sprintf(`{"model":"up/m","max_tokens":9,"messages":[{"role":"user","content":"%s"}]}`, text)
				}
				req, _ := http.NewRequest("POST", s.URL+path, strings.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+clientKey)
				req.Header.Set("X-Case", []string{"", "early", "again"}[i%3])
				if resp, err := http.DefaultClient.Do(req); err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}
		})
	}
	wg.Wait()
}
