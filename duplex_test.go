package llmproxy_test

import (
	"context"
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
	frames := []string{chunk(`{"content":"one"}`, ""), chunk(`{"content":" two"}`, ""), chunk(`{}`, `"stop"`), "data: [DONE]\n\n"}
	answer := streamHandler(frames...)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		answer(w, r)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	s := proxy(t, compatible("up", up.URL+"/v1", "k"))
	body := fmt.Sprintf(`{"model":"m","stream":true,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", 8<<10))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(client.CloseIdleConnections)
	// The first fault ends them all: where one stream hangs, so may each.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var next, whole atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(*streams); n = next.Add(1) {
				// Every other body, of unknown length, ends after its answer began.
				err := openStream(ctx, client, s.URL+"/api/llm/up/chat/completions", body, n%2 == 0)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("stream %d: %v", n, err)
					stop()
					return
				}
				whole.Add(1)
			}
		})
	}
	wg.Wait()
	if n := whole.Load(); n != int64(*streams) {
		t.Errorf("%d of %d streams came whole", n, *streams)
	}
}

// openStream sends a request, half of whose body may wait for the answer's
// beginning, and reads the answer to its end.
func openStream(ctx context.Context, client *http.Client, url, body string, late bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // a hang is a fault
	defer cancel()
	begun, begin := context.WithCancel(ctx)
	defer begin()
	var send io.Reader = strings.NewReader(body)
	if late {
		half := len(body) / 2
		send = io.MultiReader(strings.NewReader(body[:half]), waiting(begun.Done()), strings.NewReader(body[half:]))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, send)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	begin()
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%d, %q: %w", resp.StatusCode, got, err)
	}
	if !strings.HasSuffix(string(got), "data: [DONE]\n\n") {
		return fmt.Errorf("%d, %q", resp.StatusCode, got)
	}
	return nil
}

// waiting is an empty reader that ends when the channel is closed.
type waiting <-chan struct{}

func (w waiting) Read([]byte) (int, error) {
	<-w
	return 0, io.EOF
}
