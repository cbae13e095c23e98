package llmproxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// chatRequest is how clients of a format ask for a word.
type chatRequest struct{ name, path, body, done string }

// chatRequests are the four formats' requests to the provider up.
func chatRequests(stream bool) []chatRequest {
	method := "generateContent"
	if stream {
		method = "streamGenerateContent?alt=sse"
	}
	flag := fmt.Sprintf(`"stream":%v,`, stream)
	return []chatRequest{
		{"Chat", "/v1/chat/completions", `{"model":"up/m",` + flag + `"messages":[{"role":"user","content":"q"}]}`, "[DONE]"},
		{"Responses", "/v1/responses", `{"model":"up/m",` + flag + `"input":"q"}`, "response.completed"},
		{"Anthropic", "/v1/messages", `{"model":"up/m",` + flag + `"max_tokens":9,"messages":[{"role":"user","content":"q"}]}`, "message_stop"},
		{"Gemini", "/v1beta/models/up/m:" + method, `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`, "finishReason"},
	}
}

// errorMessage returns the message of an error in any of the formats: an error
// object, alone or as the data of a stream's last event.
func errorMessage(body string) string {
	if i := strings.LastIndex(body, "data: "); i >= 0 {
		body = body[i+len("data: "):]
	}
	var e struct {
		Error, Response struct {
			Message string
			Error   struct{ Message string }
		}
	}
	if json.Unmarshal([]byte(body), &e) != nil {
		return ""
	}
	return e.Error.Message + e.Response.Error.Message
}

// endless answers with head and then with tail again and again, until nobody
// reads it or enough was read to know. It counts what it got rid of.
func endless(contentType, head, tail string, sent *atomic.Int64) http.HandlerFunc {
	tail = strings.Repeat(tail, 1+(32<<10)/len(tail))
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, head)
		for {
			n, err := io.WriteString(w, tail)
			sent.Add(int64(n))
			if err != nil || sent.Load() > onWire {
				return
			}
		}
	}
}

// onWire is more than any socket's buffers hold, and far less than endless.
const onWire = 64 << 20

// Nothing that a provider sends without end is held without end, and the client
// is told in its own format which bound it was.
func TestAnswerLimits(t *testing.T) {
	limits := llmproxy.Limits{Event: 64 << 10, ResponseBody: 256 << 10, ResponseHeader: 64 << 10}
	const events, whole = "text/event-stream", "application/json"
	content, role := chunk(`{"content":"one"}`, ""), chunk(`{"role":"assistant","content":""}`, "")
	for _, c := range []struct {
		name, contentType, head, tail string
		stream                        bool
		status                        int
		says                          string
		formats                       string // to which it applies; "": all
	}{
		{"an event at once", events, "data: ", "x", true, 502, "an event of more than 65536 bytes", ""},
		{"a line that is no field", events, "", "x", true, 502, "an event of more than 65536 bytes", ""},
		{"an event of many lines", events, "", "data: x\n", true, 502, "an event of more than 65536 bytes", ""},
		{"an event after content", events, content + "data: ", "x", true, 200, "an event of more than 65536 bytes", ""},
		{"no content", events, "", role, true, 502, "262144 bytes without content", "Chat"},
		{"comments", events, "", ": ping\n\n", true, 502, "262144 bytes without content", "Chat"},
		{"content", events, "", content, true, 200, "answer is larger than 262144 bytes", "Responses, Anthropic, Gemini"},
		{"a stream that nobody asked for", events, "", content, false, 502, "answer is larger than 262144 bytes", ""},
		{"a whole answer", whole, `{"choices":[],"x":"`, "x", false, 502, "answer is larger than 262144 bytes", "Responses, Anthropic, Gemini"},
	} {
		for _, q := range chatRequests(c.stream) {
			if c.formats != "" && !strings.Contains(c.formats, q.name) {
				continue
			}
			t.Run(c.name+", "+q.name, func(t *testing.T) {
				var sent atomic.Int64
				up := upstream(t, endless(c.contentType, c.head, c.tail, &sent))
				s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(limits), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1}))
				a := do(t, s, "POST", q.path, q.body)
				if a.StatusCode != c.status || !strings.Contains(errorMessage(a.body), c.says) {
					t.Errorf("%d %.400s", a.StatusCode, a.body)
				}
				if strings.Contains(a.body, q.done) {
					t.Errorf("it looks whole: %.400s", a.body)
				}
				up.Close() // waits for the handler
				if n := sent.Load(); n > onWire {
					t.Errorf("%d bytes of an endless answer were taken", n)
				}
			})
		}
	}
	t.Run("a header", func(t *testing.T) {
		up := providertest.NewServer(t, providertest.Forever(providertest.EndlessHeaders()))
		s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(limits), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1}))
		for _, q := range chatRequests(false) {
			if a := do(t, s, "POST", q.path, q.body); a.StatusCode != 502 || !strings.Contains(errorMessage(a.body), "no header that can be read") {
				t.Errorf("%s: %d %s", q.name, a.StatusCode, a.body)
			}
		}
	})
}

// bomb returns gzip that inflates to head, megabytes of spaces, and tail. It is
// a thousandth of that.
func bomb(head, tail string, megabytes int) []byte {
	return []byte(zipped(head) + strings.Repeat(zipped(strings.Repeat(" ", 1<<20)), megabytes) + zipped(tail))
}

// allocates returns how many bytes f allocates.
func allocates(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// An answer of a megabyte that inflates to a gigabyte is left where the bound
// is, whatever reads it.
func TestAnswerBomb(t *testing.T) {
	limits := llmproxy.Limits{ResponseBody: 2 << 20, Inflated: 1 << 20, ErrorBody: 1 << 20}
	for _, c := range []struct {
		name, contentType string
		body              []byte
		upstream          int // status
		stream            bool
		status            int
		says              string
	}{
		{"whole", "application/json", bomb(`{"choices":[`, `]}`, 1<<10), 200, false, 502, "inflates to more than 1048576 bytes"},
		{"stream", "text/event-stream", bomb(chunk(`{"content":"one"}`, "")+": ", "\n\n", 1<<10), 200, true, 200, "inflates to more than 1048576 bytes"},
		{"error", "application/json", bomb(`{"error":{"message":"no"},"x":[`, `]}`, 1<<10), 500, false, 500, ""},
	} {
		up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(c.upstream)
			w.Write(c.body)
		})
		s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(limits), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1}))
		for _, q := range chatRequests(c.stream) {
			var a answer
			n := allocates(func() { a = do(t, s, "POST", q.path, q.body) })
			if a.StatusCode != c.status || !strings.Contains(errorMessage(a.body), c.says) || strings.Contains(a.body, q.done) {
				t.Errorf("%s, %s: %d %.400s", c.name, q.name, a.StatusCode, a.body)
			}
			if n > 1<<30/4 {
				t.Errorf("%s, %s: %d bytes were allocated", c.name, q.name, n)
			}
		}
	}
	// What is passed on while it comes is broken off there.
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb(`{"choices":[`, `]}`, 1<<10))
	})
	s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithLimits(llmproxy.Limits{ResponseBody: 1 << 20, Inflated: 8 << 20}))
	req, _ := http.NewRequest("POST", s.URL+"/api/llm/v1/chat/completions", strings.NewReader(chatRequests(false)[0].body))
	req.Header.Set("Authorization", "Bearer "+clientKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err == nil || n > 8<<20 {
		t.Errorf("%d bytes came, %v", n, err)
	}
}

// Fields out of range are refused by name.
func TestLimitsAreChecked(t *testing.T) {
	_, err := llmproxy.New(llmproxy.WithoutAuth(), compatible("up", "http://up"), llmproxy.WithLimits(llmproxy.Limits{
		RequestBody: -1, ResponseBody: -1, ErrorBody: -1, Replay: -1, ResponseHeader: -1, Event: 1 << 40, Inflated: -1, JSONDepth: 10001,
	}))
	for _, field := range []string{"RequestBody", "ResponseBody", "ErrorBody", "Replay", "ResponseHeader", "Event", "Inflated", "JSONDepth"} {
		if err == nil || !strings.Contains(err.Error(), "WithLimits: "+field+" must be") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
