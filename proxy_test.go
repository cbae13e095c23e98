package llmproxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const clientKey = "sk-client-canary"

// upstream is a fake provider. Its handler fails the test on what it does not
// expect.
func upstream(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, v := range r.Header {
			if strings.Contains(strings.Join(v, " "), clientKey) {
				t.Errorf("the client's key went upstream in %s", name)
			}
		}
		if strings.Contains(r.URL.String(), clientKey) {
			t.Errorf("the client's key went upstream in %s", r.URL)
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// proxy serves a Proxy under a prefix, as hosts do.
func proxy(t testing.TB, opts ...llmproxy.Option) *httptest.Server {
	t.Helper()
	p, err := llmproxy.New(append([]llmproxy.Option{llmproxy.WithProxyKeys(clientKey)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/llm/", http.StripPrefix("/api/llm", p))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func compatible(name, base string, keys ...string) llmproxy.Option {
	return llmproxy.Options(llmproxy.WithProvider(provider.Compatible(name, base)), llmproxy.WithKeys(name, rotate.Secrets(keys...)...))
}

type answer struct {
	*http.Response
	body string
}

func do(t testing.TB, s *httptest.Server, method, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, s.URL+"/api/llm"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(b)}
}

const chatAnswer = `{"id":"c1", "object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi <b>","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}, "unknown":12345678901234567890}`

// The same format in and out: the bytes are not touched, but for the model.
func TestSameFormatPassesBytes(t *testing.T) {
	const sent = `{ "model": "up/m/1", "messages":[{"role":"user","content":"\u003c<é"}], "n": 1.0, "x": 12345678901234567890 }`
	const want = `{ "model": "m/1", "messages":[{"role":"user","content":"\u003c<é"}], "n": 1.0, "x": 12345678901234567890 }`
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if string(b) != want || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer sk-1" {
			t.Errorf("got %s %s %s", r.URL.Path, r.Header.Get("Authorization"), b)
		}
		if r.Header.Get("X-Custom") != "kept" || r.Header.Get("Connection") != "" || r.Header.Get("X-Hop") != "" || r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("headers: %v", r.Header)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Ratelimit-Remaining-Requests", "9")
		w.Header().Set("Set-Cookie", "a=b")
		io.WriteString(w, chatAnswer)
	})
	var seen llmproxy.Exchange
	s := proxy(t, compatible("up", up.URL+"/v1", "sk-1"), llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen = *x }}))
	for _, path := range []string{"/v1/chat/completions", "/chat/completions", "/v1/chat/completions/", "/v1/v1/chat/completions"} {
		a := do(t, s, "POST", path, sent, "X-Custom", "kept", "X-Hop", "x", "Connection", "X-Hop")
		if a.StatusCode != 200 || a.body != chatAnswer {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
		if a.Header.Get("X-Ratelimit-Remaining-Requests") != "9" || a.Header.Get("Set-Cookie") != "" || a.Header.Get("Llmproxy-Provider") != "up" {
			t.Errorf("headers: %v", a.Header)
		}
	}
	if seen.Usage == nil || seen.Usage.Total() != 5 || seen.Status != 200 || seen.Model != "m/1" || seen.ModelAsked != "up/m/1" || len(seen.Attempts) != 1 || seen.Key == "" {
		t.Errorf("observed %+v", seen)
	}
}

func streamHandler(frames ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, f := range frames {
			io.WriteString(w, f)
			w.(http.Flusher).Flush()
		}
	}
}

func chunk(delta, finish string) string {
	if finish == "" {
		finish = "null"
	}
	return `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + "}]}\n\n"
}

func TestStreamPassesBytes(t *testing.T) {
	frames := []string{": OPENROUTER PROCESSING\n\n", chunk(`{"role":"assistant","content":""}`, ""), chunk(`{"content":"he"}`, ""), chunk(`{"content":"llo"}`, ""), chunk(`{}`, `"stop"`), "data: [DONE]\n\n"}
	up := upstream(t, streamHandler(frames...))
	s := proxy(t, compatible("up", up.URL, "sk-1"))
	a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","stream":true,"messages":[]}`)
	if want := strings.Join(frames, ""); a.body != want || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("got %q\nwant %q", a.body, want)
	}
}

// The first event reaches the client when the provider's first content does.
func TestStreamIsNotHeldBack(t *testing.T) {
	release := make(chan struct{})
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, chunk(`{"content":"first"}`, ""))
		w.(http.Flusher).Flush()
		<-release
		io.WriteString(w, chunk(`{}`, `"stop"`)+"data: [DONE]\n\n")
	})
	s := proxy(t, compatible("up", up.URL))
	req, _ := http.NewRequest("POST", s.URL+"/api/llm/v1/chat/completions", strings.NewReader(`{"model":"up/m","stream":true,"messages":[]}`))
	req.Header.Set("X-Api-Key", clientKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || !strings.Contains(line, "first") {
		t.Errorf("%q, %v", line, err)
	}
	close(release)
}

// pitfall 2, pitfall 3, pitfall 26: a stream that is cut never ends as if it
// were whole, and is not begun anew.
func TestCutStreamIsAnError(t *testing.T) {
	up := upstream(t, streamHandler(chunk(`{"content":"he"}`, ""), `data: {"id":"c1","choi`))
	var seen llmproxy.Exchange
	s := proxy(t, compatible("up", up.URL), llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { seen = *x }}))
	a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","stream":true,"messages":[]}`)
	if strings.Contains(a.body, "[DONE]") || !strings.Contains(a.body, `"error"`) || strings.Contains(a.body, `"choi`+"\n") {
		t.Errorf("got %q", a.body)
	}
	frames := strings.Split(strings.TrimSpace(a.body), "\n\n")
	for _, f := range frames {
		if !json.Valid([]byte(strings.TrimPrefix(f, "data: "))) {
			t.Errorf("half a frame was sent: %q", f)
		}
	}
	if seen.Err == nil {
		t.Error("the observer was not told")
	}
}

// pitfall 4, pitfall 5: a failure before the first content, even under HTTP
// 200, moves on to the next key.
func TestFailoverBeforeContent(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"429":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) },
		"401":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"403":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"500":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"529":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(529) },
		"reset":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"error in 200":   streamHandler(chunk(`{"role":"assistant","content":""}`, ""), `data: {"error":{"message":"overloaded","type":"overloaded_error","code":529}}`+"\n\n"),
		"empty stream":   streamHandler(": hi\n\n"),
		"cut in preface": streamHandler(chunk(`{"role":"assistant","content":""}`, "")),
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				if calls.Add(1) == 1 {
					fail(w, r)
					return
				}
				streamHandler(chunk(`{"content":"ok"}`, ""), chunk(`{}`, `"stop"`), "data: [DONE]\n\n")(w, r)
			})
			s := proxy(t, compatible("up", up.URL, "sk-1", "sk-2", "sk-3"))
			a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","stream":true,"messages":[]}`)
			if a.StatusCode != 200 || !strings.Contains(a.body, `"ok"`) || !strings.HasSuffix(a.body, "data: [DONE]\n\n") || calls.Load() != 2 {
				t.Errorf("%d %q after %d calls", a.StatusCode, a.body, calls.Load())
			}
			if a.Header.Get("Llmproxy-Attempts") != "2" {
				t.Errorf("attempts: %v", a.Header)
			}
		})
	}
}

// pitfall 28: one budget of attempts.
func TestAttemptsAreBounded(t *testing.T) {
	var calls atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(503)
		io.WriteString(w, `{"error":{"message":"busy","type":"server_error","code":null,"param":null}}`)
	})
	keys := make([]string, 20)
	for i := range keys {
		keys[i] = fmt.Sprintf("sk-%d", i)
	}
	s := proxy(t, compatible("up", up.URL, keys...), llmproxy.WithAlias("a", "up/x", "up/y", "up/z"), llmproxy.WithRetry(llmproxy.Retry{Attempts: 3}))
	a := do(t, s, "POST", "/v1/chat/completions", `{"model":"a","messages":[]}`)
	if a.StatusCode != 503 || calls.Load() != 3 || !strings.Contains(a.body, "busy") {
		t.Errorf("%d after %d calls: %s", a.StatusCode, calls.Load(), a.body)
	}
}

// A client's own fault is not tried again, and comes back as the provider said.
func TestClientFaultIsNotRetried(t *testing.T) {
	var calls atomic.Int32
	const said = `{"error":{"message":"bad temperature","type":"invalid_request_error","param":"temperature","code":"x"}}`
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(400)
		io.WriteString(w, said)
	})
	s := proxy(t, compatible("up", up.URL, "sk-1", "sk-2"))
	a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`)
	if a.StatusCode != 400 || a.body != said || calls.Load() != 1 {
		t.Errorf("%d %s after %d calls", a.StatusCode, a.body, calls.Load())
	}
}

// 300 concurrent requests over 3 keys: exactly 100 each.
func TestStrictRoundRobin(t *testing.T) {
	var mu sync.Mutex
	counts := map[string]int{}
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		counts[r.Header.Get("Authorization")]++
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	s := proxy(t, compatible("up", up.URL, "a", "b", "c"))
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() { do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`) })
	}
	wg.Wait()
	if len(counts) != 3 || counts["Bearer a"] != 100 || counts["Bearer b"] != 100 || counts["Bearer c"] != 100 {
		t.Errorf("got %v", counts)
	}
}

func TestKeySelection(t *testing.T) {
	var got string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	s := proxy(t, compatible("up", up.URL, "k0", "k1", "k2", "k3", "k4"))
	for spec, want := range map[string]string{"2": "k2", "1-3": "k1 k2 k3", "2-": "k2 k3 k4", "-1": "k0 k1"} {
		for range 4 {
			a := do(t, s, "POST", "/key/"+spec+"/v1/chat/completions", `{"model":"up/m","messages":[]}`)
			if key := strings.TrimPrefix(got, "Bearer "); a.StatusCode != 200 || !strings.Contains(want, key) {
				t.Errorf("/key/%s used %s, want one of %s", spec, key, want)
			}
			if a = do(t, s, "GET", "/key/"+spec+"/up/x", ""); a.StatusCode != 200 {
				t.Errorf("pass-through: %d", a.StatusCode)
			}
		}
	}
	for _, spec := range []string{"5", "2-9", "x", "3-1", "", "-"} {
		a := do(t, s, "POST", "/key/"+spec+"/v1/chat/completions", `{"model":"up/m","messages":[]}`)
		if a.StatusCode != 400 || spec == "5" && !strings.Contains(a.body, "5 keys") {
			t.Errorf("/key/%s: %d %s", spec, a.StatusCode, a.body)
		}
	}
}

// pitfall 44: a client may offer its key in many places; it goes no further.
func TestAuthentication(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" && r.URL.RawQuery != "a=1&b=%20x" {
			t.Errorf("query %q", r.URL.RawQuery)
		}
		w.WriteHeader(204)
	})
	s := proxy(t, compatible("up", up.URL, "sk-1"))
	for _, header := range [][]string{
		{"Authorization", "Bearer " + clientKey}, {"Authorization", "bearer " + clientKey}, {"X-Api-Key", clientKey}, {"X-Goog-Api-Key", clientKey}, {"Api-Key", clientKey},
		{"Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key." + clientKey},
	} {
		if header[0] != "Authorization" {
			header = append(header, "Authorization", "")
		}
		if header[0] == "Sec-WebSocket-Protocol" {
			continue // only taken out of upgrades; see TestWebSocket
		}
		if a := do(t, s, "GET", "/up/x", "", header...); a.StatusCode != 204 {
			t.Errorf("%v: %d %s", header, a.StatusCode, a.body)
		}
	}
	for _, q := range []string{"?key=" + clientKey, "?a=1&key=" + clientKey + "&b=%20x", "?%6bey=" + clientKey} {
		if a := do(t, s, "GET", "/up/x"+q, "", "Authorization", ""); a.StatusCode != 204 {
			t.Errorf("%s: %d", q, a.StatusCode)
		}
	}
	for _, header := range [][]string{{"Authorization", ""}, {"Authorization", "Bearer "}, {"Authorization", "Bearer " + clientKey + "x"}, {"Authorization", "Basic " + clientKey}} {
		if a := do(t, s, "GET", "/up/x", "", header...); a.StatusCode != 401 || !strings.Contains(a.body, "invalid") && !strings.Contains(a.body, "auth") {
			t.Errorf("%v: %d %s", header, a.StatusCode, a.body)
		}
	}
	if a := do(t, s, "POST", "/v1/messages", "{}", "Authorization", ""); a.StatusCode != 401 || !strings.Contains(a.body, `"type":"error"`) {
		t.Errorf("Anthropic's clients get their own error: %s", a.body)
	}
	if a := do(t, s, "POST", "/v1beta/models/x:generateContent", "{}", "Authorization", ""); a.StatusCode != 401 || !strings.Contains(a.body, `"UNAUTHENTICATED"`) {
		t.Errorf("Gemini's clients get their own error: %s", a.body)
	}
	if a := do(t, s, "GET", "/ping", "", "Authorization", ""); a.StatusCode != 200 {
		t.Errorf("/ping: %d", a.StatusCode)
	}
	if a := do(t, s, "GET", "/status", "", "Authorization", ""); a.StatusCode != 401 {
		t.Errorf("/status: %d", a.StatusCode)
	}
}

// pitfall 30: error paths, in the caller's format; what the proxy itself
// refuses goes through no translation and is nobody else's fault.
func TestErrorPaths(t *testing.T) {
	hang := make(chan struct{})
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang/chat/completions":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		default:
			panic(http.ErrAbortHandler)
		}
	})
	t.Cleanup(func() { close(hang) })
	refused := providertest.Refused(t)
	nokey := provider.Compatible("nokey", up.URL)
	nokey.NoKey = false
	s := proxy(t, compatible("hang", up.URL+"/hang", "k"), compatible("reset", up.URL+"/reset", "k"), compatible("refused", refused, "k"), llmproxy.WithProvider(nokey),
		llmproxy.WithLimits(llmproxy.Limits{RequestBody: 1000}), llmproxy.WithTimeouts(llmproxy.Timeouts{ResponseHeader: 50 * time.Millisecond}))
	body := func(model string) string { return `{"model":"` + model + `","messages":[],"max_tokens":1,"input":"x"}` }
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"bad JSON", "POST", "/v1/chat/completions", `{"model":`, 400, "JSON"},
		{"no body", "POST", "/v1/chat/completions", ``, 400, "no body"},
		{"an array", "POST", "/v1/chat/completions", `[]`, 400, "object"},
		{"no model", "POST", "/v1/chat/completions", `{"messages":[]}`, 400, "model"},
		{"model is a number", "POST", "/v1/chat/completions", `{"model":5}`, 400, "string"},
		{"model is null", "POST", "/v1/chat/completions", `{"model":null}`, 400, "string"},
		{"model is empty", "POST", "/v1/chat/completions", `{"model":" "}`, 400, "empty"},
		{"model twice", "POST", "/v1/chat/completions", `{"model":"a","model":"b"}`, 400, "more than once"},
		{"model in two cases", "POST", "/v1/chat/completions", `{"model":"a","Model":"b"}`, 400, "more than once"},
		{"stream is a string", "POST", "/v1/chat/completions", `{"model":"hang/x","stream":"yes"}`, 400, "stream"},
		{"unknown provider", "POST", "/v1/chat/completions", body("nobody/x"), 404, "nobody"},
		{"no home provider", "POST", "/v1/chat/completions", body("gpt-x"), 404, "provider/model"},
		{"no default", "POST", "/v1/chat/completions", body("default"), 404, "default"},
		{"no model after the provider", "POST", "/v1/chat/completions", body("hang/"), 404, "empty"},
		{"no keys", "POST", "/v1/chat/completions", body("nokey/x"), 503, "no key"},
		{"too large", "POST", "/v1/chat/completions", `{"model":"` + strings.Repeat("x", 2000) + `"}`, 413, "1000 bytes"},
		{"wrong method", "GET", "/v1/chat/completions", ``, 405, "POST"},
		{"wrong method for models", "POST", "/v1/models", ``, 405, "GET"},
		{"unknown route", "GET", "/v1/nothing", ``, 404, "route"},
		{"root, without a gateway", "GET", "/", ``, 404, "route"},
		{"root, without a gateway", "POST", "/", ``, 404, "gateway"},
		{"refused", "POST", "/v1/chat/completions", body("refused/x"), 502, "reached"},
		{"reset", "POST", "/v1/chat/completions", body("reset/x"), 502, "reached"},
		{"hangs", "POST", "/v1/chat/completions", body("hang/x"), 504, "in time"},
		{"responses", "POST", "/v1/responses", body("nobody/x"), 404, "nobody"},
		{"messages", "POST", "/v1/messages", body("nobody/x"), 404, "nobody"},
		{"gemini", "POST", "/v1beta/models/nobody/x:generateContent", `{}`, 404, "nobody"},
		{"embeddings", "POST", "/v1/embeddings", body("nobody/x"), 404, "nobody"},
		{"images", "POST", "/v1/images/generations", body("nobody/x"), 404, "nobody"},
	} {
		a := do(t, s, c.method, c.path, c.body)
		var v struct {
			Type  string
			Error struct {
				Message, Type, Status string
				Code                  any
			}
		}
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Errorf("%s: no JSON error: %q", c.name, a.body)
			continue
		}
		if a.StatusCode != c.status || !strings.Contains(v.Error.Message, c.says) {
			t.Errorf("%s: %d %s; want %d and %q", c.name, a.StatusCode, a.body, c.status, c.says)
		}
		switch {
		case strings.HasPrefix(c.path, "/v1/messages"):
			if v.Type != "error" || v.Error.Type != "not_found_error" {
				t.Errorf("%s: not Anthropic's error: %s", c.name, a.body)
			}
		case strings.HasPrefix(c.path, "/v1beta"):
			if v.Error.Status != "NOT_FOUND" || v.Error.Code != 404.0 {
				t.Errorf("%s: not Gemini's error: %s", c.name, a.body)
			}
		case v.Error.Type == "":
			t.Errorf("%s: not OpenAI's error: %s", c.name, a.body)
		}
		if strings.Contains(a.body, "127.0.0.1") {
			t.Errorf("%s: the error tells the host's network: %s", c.name, a.body)
		}
	}
	if a := do(t, s, "PUT", "/v1/responses", ""); a.Header.Get("Allow") != "POST" {
		t.Errorf("405 without Allow: %v", a.Header)
	}
}

// pitfall 6: a client that goes away cancels the provider's request.
func TestClientAbortCancelsUpstream(t *testing.T) {
	for _, moment := range []string{"before the header", "in the stream", "pass-through"} {
		t.Run(moment, func(t *testing.T) {
			canceled := make(chan time.Time, 1)
			started := make(chan struct{})
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if moment != "before the header" {
					w.Header().Set("Content-Type", "text/event-stream")
					io.WriteString(w, chunk(`{"content":"x"}`, ""))
					w.(http.Flusher).Flush()
				}
				close(started)
				<-r.Context().Done()
				canceled <- time.Now()
			})
			outcome := make(chan llmproxy.Exchange, 1)
			s := proxy(t, compatible("up", up.URL, "k1", "k2"), llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { outcome <- *x }}))
			ctx, cancel := context.WithCancel(context.Background())
			path := "/v1/chat/completions"
			if moment == "pass-through" {
				path = "/up/anything"
			}
			req, _ := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/llm"+path, strings.NewReader(`{"model":"up/m","stream":true,"messages":[]}`))
			req.Header.Set("Authorization", "Bearer "+clientKey)
			go func() { // ends with the request; outcome below waits for it
				resp, err := http.DefaultClient.Do(req)
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}()
			<-started
			gone := time.Now()
			cancel()
			if d := (<-canceled).Sub(gone); d > 100*time.Millisecond {
				t.Errorf("the provider was told after %v", d)
			}
			x := <-outcome
			if !x.Aborted || len(x.Attempts) != 1 || x.Attempts[0].Class != rotate.Canceled {
				t.Errorf("observed %+v", x)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })
	s := proxy(t, compatible("up", up.URL, "k"))
	a := do(t, s, "OPTIONS", "/v1/chat/completions", "", "Authorization", "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, content-type")
	if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Access-Control-Allow-Headers") != "authorization, content-type" || !strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("preflight: %d %v", a.StatusCode, a.Header)
	}
	if a = do(t, s, "GET", "/up/x", "", "Origin", "https://app.example"); a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("answer: %v", a.Header)
	}
	s = proxy(t, compatible("up", up.URL, "k"), llmproxy.WithCORS("https://ok.example"))
	if a = do(t, s, "GET", "/up/x", "", "Origin", "https://app.example"); a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign origin is let in: %v", a.Header)
	}
	if a = do(t, s, "GET", "/up/x", "", "Origin", "https://ok.example"); a.Header.Get("Access-Control-Allow-Origin") != "https://ok.example" {
		t.Errorf("answer: %v", a.Header)
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	_, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("Bad Name", "http://x")), llmproxy.WithProvider(provider.Compatible("v1", "http://x")), llmproxy.WithAlias(""),
		llmproxy.WithLimits(llmproxy.Limits{RequestBody: -1}), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1000}), llmproxy.WithKeys("nobody", rotate.Secrets("sk-canary")...), llmproxy.WithPathPrefix("llm"))
	if err == nil {
		t.Fatal("New took it all")
	}
	for _, want := range []string{"Bad Name", "route", "WithAlias", "RequestBody", "Attempts", "nobody", "WithPathPrefix", "authentication"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "sk-canary") {
		t.Errorf("the error tells a secret: %v", err)
	}
}
