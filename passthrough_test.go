package llmproxy_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
)

// pitfall 34, pitfall 39: method, escaped path, query, body and end-to-end
// headers as they came; the answer's encoding untouched.
func TestPassThroughIsTransparent(t *testing.T) {
	const zipped = "\x1f\x8b pretend"
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != "PATCH" || r.RequestURI != "/base/v1/a%2Fb/c%20d/?q=%2F&x&y=a+b" || string(b) != "\x00body" {
			t.Errorf("got %s %s %q", r.Method, r.RequestURI, b)
		}
		if r.Header.Get("Anthropic-Beta") != "x" || r.Header.Get("User-Agent") != "mine" || r.Header.Get("Content-Type") != "a/b" || r.Header.Get("Accept-Encoding") != "gzip, br" {
			t.Errorf("headers: %v", r.Header)
		}
		if r.Header.Get("Cookie") != "" || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Authorization") != "Bearer sk-1" {
			t.Errorf("headers: %v", r.Header)
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Answer", "y")
		w.WriteHeader(207)
		io.WriteString(w, zipped)
	})
	s := proxy(t, compatible("up", up.URL+"/base/v1", "sk-1"))
	for _, path := range []string{"/up/a%2Fb/c%20d/", "/up/v1/a%2Fb/c%20d/", "/up/base/v1/a%2Fb/c%20d/"} {
		a := do(t, s, "PATCH", path+"?q=%2F&x&y=a+b", "\x00body", "Anthropic-Beta", "x", "User-Agent", "mine", "Content-Type", "a/b", "Accept-Encoding", "gzip, br",
			"Cookie", "session=1", "X-Forwarded-For", "10.0.0.1")
		if a.StatusCode != 207 || a.body != zipped || a.Header.Get("Content-Encoding") != "gzip" || a.Header.Get("X-Answer") != "y" {
			t.Errorf("%s: %d %v %q", path, a.StatusCode, a.Header, a.body)
		}
	}
}

// Nothing leaves the provider's base path, or reaches another provider.
func TestPassThroughStaysBelowTheBase(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.RequestURI, "/base") || strings.Contains(r.RequestURI, "secret") {
			t.Errorf("reached %s", r.RequestURI)
		}
	})
	p, err := llmproxy.New(llmproxy.WithoutAuth(), compatible("up", up.URL+"/base", "sk-1"), compatible("other", up.URL+"/secret", "sk-2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/up/../secret", "/up/..", "/up/%2e%2e/secret", "/up/%2E%2e/secret", "/up/..%2fsecret", "/up/x/..%2f..%2fsecret", "/up/%252e%252e/secret", "/up/..%5csecret", "/up/..;/secret", "/up/.%2e/secret", "/up/./../secret",
	} {
		conn, body := raw(t, p, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if conn.StatusCode != 400 && conn.StatusCode != 404 {
			t.Errorf("%s: %d %s", path, conn.StatusCode, body)
		}
	}
	for _, path := range []string{"/up//secret", "/up/a%2fb", "/up/...", "/up/a..b", "/up"} {
		if conn, body := raw(t, p, "GET "+strings.ReplaceAll(path, "secret", "x")+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); conn.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, conn.StatusCode, body)
		}
	}
}

// raw sends bytes to a handler over a real connection.
func raw(t *testing.T, h http.Handler, request string) (*http.Response, string) {
	t.Helper()
	conn := serve(t, h)
	io.WriteString(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp, string(b)
}

// A small body is sent again with another key; errors come back as they are.
func TestPassThroughFailover(t *testing.T) {
	var calls atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if string(b) != "the body" {
			t.Errorf("body %q", b)
		}
		if calls.Add(1) == 1 {
			w.WriteHeader(429)
			return
		}
		w.Header().Set("X-Odd", "1")
		w.WriteHeader(422)
		io.WriteString(w, "not JSON")
	})
	s := proxy(t, compatible("up", up.URL, "a", "b"))
	a := do(t, s, "POST", "/up/x", "the body")
	if a.StatusCode != 422 || a.body != "not JSON" || a.Header.Get("X-Odd") != "1" || calls.Load() != 2 {
		t.Errorf("%d %q %v after %d calls", a.StatusCode, a.body, a.Header, calls.Load())
	}
	calls.Store(-10)
	up.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(429)
		io.WriteString(w, "slow down")
	})
	if a = do(t, s, "POST", "/up/x", "the body"); a.StatusCode != 429 || a.body != "slow down" {
		t.Errorf("the last refusal: %d %q", a.StatusCode, a.body)
	}
}

// A failure in the middle of an answer breaks the connection.
func TestPassThroughAborts(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	s := proxy(t, compatible("up", up.URL, "a"))
	req, _ := http.NewRequest("GET", s.URL+"/api/llm/up/x", nil)
	req.Header.Set("Api-Key", clientKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half an answer looks whole: %q", b)
	}
}

// pitfall 42: a 200 MB upload and a stream of 10,000 chunks both take under 10 MB.
func TestPassThroughMemory(t *testing.T) {
	const size = 200 << 20
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if r.Method == "POST" {
			fmt.Fprint(w, n)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 10000 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	})
	s := proxy(t, compatible("up", up.URL, "a"), llmproxy.WithHeapReserve(0)) // which is heap, too
	var peak atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() { // done waits for it
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapInuse))
			}
		}
	}()
	for _, known := range []bool{true, false} {
		req, _ := http.NewRequest("POST", s.URL+"/api/llm/up/upload", io.LimitReader(zeros{}, size))
		if known {
			req.ContentLength = size
		}
		req.Header.Set("Api-Key", clientKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != fmt.Sprint(size) {
			t.Errorf("the provider got %s bytes", b)
		}
	}
	req, _ := http.NewRequest("GET", s.URL+"/api/llm/up/stream", nil)
	req.Header.Set("Api-Key", clientKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if n, err := io.Copy(h, resp.Body); err != nil || n < 10000*9 {
		t.Errorf("the stream: %d bytes, %v", n, err)
	}
	resp.Body.Close()
	close(stop)
	<-done
	if p := peak.Load(); p > before.HeapInuse+10<<20 {
		t.Errorf("%d MB were held, from %d MB", p>>20, before.HeapInuse>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestWebSocket(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.URL.Path != "/v1/realtime" || r.URL.RawQuery != "model=x" || r.Header.Get("Authorization") != "Bearer sk-1" || r.Header.Get("Sec-Websocket-Protocol") != "realtime" {
			t.Errorf("got %s %v", r.URL, r.Header)
		}
		c, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := buf.ReadString('\n')
		io.WriteString(c, "echo "+line)
	})
	p, err := llmproxy.New(llmproxy.WithProxyKeys(clientKey), compatible("up", up.URL+"/v1", "sk-1"))
	if err != nil {
		t.Fatal(err)
	}
	conn := serve(t, p)
	io.WriteString(conn, "GET /up/realtime?model=x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: realtime, openai-insecure-api-key."+clientKey+"\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	io.WriteString(conn, "hello\n")
	if line, err := r.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("%q, %v", line, err)
	}
}

// Multipart routes name their model in the form.
func TestForwardMultipart(t *testing.T) {
	const form = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\n\x00\xff name=\"model\"\r\n--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n--B--\r\n"
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if want := fmt.Sprintf(form, "whisper"); string(b) != want || r.URL.Path != "/audio/transcriptions" || r.Header.Get("Content-Type") != "multipart/form-data; boundary=B" {
			t.Errorf("got %s %v %q", r.URL, r.Header, b)
		}
		io.WriteString(w, `{"text":"hi"}`)
	})
	s := proxy(t, compatible("up", up.URL, "k"))
	if a := do(t, s, "POST", "/v1/audio/transcriptions", fmt.Sprintf(form, "up/whisper"), "Content-Type", "multipart/form-data; boundary=B"); a.body != `{"text":"hi"}` {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	twice := strings.Replace(fmt.Sprintf(form, "up/a"), "--B--", "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nup/b\r\n--B--", 1)
	if a := do(t, s, "POST", "/v1/audio/transcriptions", twice, "Content-Type", "multipart/form-data; boundary=B"); a.StatusCode != 400 {
		t.Errorf("two models: %d %s", a.StatusCode, a.body)
	}
}
