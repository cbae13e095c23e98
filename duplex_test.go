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
	"time"
)

var streams = flag.Int("streams", 2000, "how many streams TestNoStreamIsCut opens")

// Over HTTP/1.1 an answer that begins before its request's body was read must
// still reach the client whole.
func TestNoStreamIsCut(t *testing.T) {
	frames := []string{chunk("one", ""), chunk(" two", ""), chunk("", "stop"), "data: [DONE]\n\n"}
	answer := streamHandler(frames...)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		answer(w, r)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	s := proxy(t, compatible("up", up.URL+"/v1", "k"))
	body := fmt.Sprintf(`{"model":"m","stream":true,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", 8<<10))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second} // a hang is a fault
	t.Cleanup(client.CloseIdleConnections)
	var next, cut atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(*streams); n = next.Add(1) {
				// Every other body, of unknown length, ends after its answer began.
				var send io.Reader = strings.NewReader(body)
				begun := make(chan struct{})
				if n%2 == 0 {
					half := len(body) / 2
					send = io.MultiReader(strings.NewReader(body[:half]), waiting(begun), strings.NewReader(body[half:]))
				}
				req, err := http.NewRequest(http.MethodPost, s.URL+"/api/llm/up/chat/completions", send)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+clientKey)
				resp, err := client.Do(req)
				close(begun)
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

// waiting is an empty reader that ends when the channel is closed.
type waiting chan struct{}

func (w waiting) Read([]byte) (int, error) {
	<-w
	return 0, io.EOF
}
