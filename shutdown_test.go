package llmproxy_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
)

// An http.Server's Shutdown waits for the streams that are open, same-format
// and translated, and each of them ends as it should.
func TestShutdownDrainsStreams(t *testing.T) {
	goOn := make(chan bool)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"one"}}]}`+"\n\n")
		w.(http.Flusher).Flush()
		<-goOn
		io.WriteString(w, `data: {"id":"c","choices":[{"index":0,"delta":{"content":" two"},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	})
	p, err := llmproxy.New(llmproxy.WithProxyKeys(clientKey), compatible("up", up.URL, "k"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	defer s.Close()
	open := map[string]*bufio.Reader{}
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"up/m","stream":true,"messages":[{"role":"user","content":"q"}]}`,
		"/v1/messages":         `{"model":"up/m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"q"}]}`,
	} {
		req, err := http.NewRequest("POST", s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+clientKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		r := bufio.NewReader(resp.Body)
		for line := ""; !strings.Contains(line, "one"); {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		open[path] = r
	}
	down := make(chan error, 1)
	go func() { down <- s.Config.Shutdown(context.Background()) }() // waited for below
	for {                                                           // until nobody is let in any more
		resp, err := http.Post(s.URL+"/ping", "", nil)
		if err != nil {
			break
		}
		resp.Body.Close()
	}
	select {
	case err := <-down:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	close(goOn)
	for path, r := range open {
		rest, err := io.ReadAll(r)
		if err != nil || !strings.Contains(string(rest), " two") || !strings.Contains(string(rest), "[DONE]") && !strings.Contains(string(rest), "message_stop") {
			t.Errorf("%s: %v %q", path, err, rest)
		}
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}
