package llmproxy_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var streams = flag.Int("streams", 2000, "how many streams TestNoStreamIsCut opens")

// Over HTTP/1.1 an answer that begins before its request's body was read must
// still reach the client whole.
func TestNoStreamIsCut(t *testing.T) {
	frames := []string{chunk("one", ""), chunk(" two", ""), chunk("", "stop"), "data: [DONE]\n\n"}
	up := upstream(t, streamHandler(frames...)) // reads nothing of the body
	s := proxy(t, compatible("up", up.URL+"/v1", "k"))
	body := fmt.Sprintf(`{"model":"m","stream":true,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", 8<<10))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(client.CloseIdleConnections)
	var next, cut atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(*streams); n = next.Add(1) {
				// Of a body of unknown length nothing is read ahead.
				var send io.Reader = strings.NewReader(body)
				if n%2 == 0 {
					send = struct{ io.Reader }{send}
				}
				req, err := http.NewRequest(http.MethodPost, s.URL+"/api/llm/up/chat/completions", send)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+clientKey)
				resp, err := client.Do(req)
				if err != nil {
					cut.Add(1)
					t.Logf("stream %d: %v", n, err)
					continue
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !strings.HasSuffix(string(got), "data: [DONE]\n\n") {
					cut.Add(1)
					t.Logf("stream %d: %d, %v, %q", n, resp.StatusCode, err, got)
				}
			}
		})
	}
	wg.Wait()
	if n := cut.Load(); n != 0 {
		t.Errorf("%d of %d streams were cut", n, *streams)
	}
}
