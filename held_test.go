package llmproxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Open streams do not hold the long requests that led to them, whether they are
// passed on or translated, and whether their text is the body's memory or, as it
// holds escapes, memory of its own.
func TestOpenStreamsForgetTheirRequests(t *testing.T) {
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		for _, model := range []string{"up/m", "anthropic/m"} {
			for name, text := range map[string]string{"plain": "", "escaped": `\n`} {
				t.Run(path+" "+model+" "+name, func(t *testing.T) { testOpenStreams(t, path, model, text) })
			}
		}
	}
}

func testOpenStreams(t *testing.T, path, model, text string) {
	const streams, size = 24, 4 << 20
	end := make(chan struct{})
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		begin, rest := `data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}`+"\n\n",
			`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n"
		if strings.HasSuffix(r.URL.Path, "/messages") {
			begin = `data: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":1,"output_tokens":1}}}` + "\n\n" +
				`data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
				`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}` + "\n\n"
			rest = `data: {"type":"content_block_stop","index":0}` + "\n\n" +
				`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n"
		}
		fmt.Fprint(w, begin)
		w.(http.Flusher).Flush()
		<-end
		fmt.Fprint(w, rest)
	})
	anthropic := provider.Anthropic()
	anthropic.BaseURL = up.URL
	s := proxy(t, compatible("up", up.URL, "a"), llmproxy.WithProvider(anthropic), llmproxy.WithKeys("anthropic", rotate.Secrets("a")...),
		llmproxy.WithHeapReserve(0)) // which is heap, too
	heap := func() uint64 {
		for range 3 { // what is pooled is kept for two
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var open []*bufio.Reader
	for range streams {
		body := io.MultiReader(strings.NewReader(`{"model":"`+model+`","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"Hi`+text), io.LimitReader(blanks{}, size), strings.NewReader(`"}]}`))
		req, _ := http.NewRequest("POST", s.URL+"/api/llm"+path, body)
		req.Header.Set("Api-Key", clientKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		r := bufio.NewReader(resp.Body)
		for line := ""; !strings.Contains(line, "Hi"); {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatalf("%q, %v", line, err)
			}
		}
		open = append(open, r)
	}
	held := int64(heap() - before)
	for try := 0; held > streams*size/8 && try < 100; try++ { // the last have told their first words, and not yet let go
		held = int64(heap() - before)
	}
	if held > streams*size/8 {
		t.Errorf("%d streams hold %d MB", streams, held>>20)
	}
	close(end)
	for _, r := range open {
		if rest, err := io.ReadAll(r); err != nil || !strings.Contains(string(rest), "[DONE]") && !strings.Contains(string(rest), "message_stop") {
			t.Errorf("the stream ends with %q, %v", rest, err)
		}
	}
}
