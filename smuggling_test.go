package llmproxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// recorder is a provider that keeps every byte that it is sent. It answers one
// request on each connection and then listens on to what else comes.
type recorder struct {
	net.Listener
	wg  sync.WaitGroup
	mu  sync.Mutex
	got [][]byte // by connection
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Listener: l}
	t.Cleanup(func() { l.Close() })
	r.wg.Go(func() { // received waits for it, and for those below
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.serve(c.(*net.TCPConn)) })
		}
	})
	return r
}

func (r *recorder) serve(c *net.TCPConn) {
	defer c.Close()
	var got []byte
	continued, answered := false, false
	for buf := make([]byte, 4096); ; {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			break
		}
		head, _, whole, fault := strictRequest(got)
		if !continued && strings.Contains(head, "\r\nExpect: ") {
			continued = true
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		if !answered && (whole || fault != nil) {
			answered = true
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(chatAnswer), chatAnswer)
			c.CloseWrite()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, got)
}

// received returns what came, by connection, once all have ended.
func (r *recorder) received() [][]byte {
	r.Close()
	r.wg.Wait()
	return r.got
}

var (
	requestLine = regexp.MustCompile(`^[A-Z]+ /[!-~]* HTTP/1\.1$`)
	headerLine  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*$")
	onlyOnce    = []string{"Host", "Content-Length", "Transfer-Encoding", "Authorization", "Content-Type"}
)

// strictRequest takes a request off the front of b, without the tolerance that
// RFC 9112 allows. whole is false where more must come.
func strictRequest(b []byte) (head, rest string, whole bool, err error) {
	head, body, ok := strings.Cut(string(b), "\r\n\r\n")
	if !ok {
		return "", "", false, nil
	}
	lines := strings.Split(head, "\r\n")
	if !requestLine.MatchString(lines[0]) {
		return head, "", false, fmt.Errorf("the request line is %q", lines[0])
	}
	h := http.Header{}
	for _, line := range lines[1:] {
		if !headerLine.MatchString(line) {
			return head, "", false, fmt.Errorf("a header's line is %q", line)
		}
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	for _, name := range onlyOnce {
		if len(h[name]) > 1 {
			return head, "", false, fmt.Errorf("%s: %q", name, h[name])
		}
	}
	length, chunked := h.Get("Content-Length"), h.Get("Transfer-Encoding")
	switch {
	case length != "" && chunked != "":
		return head, "", false, errors.New("two lengths")
	case chunked != "":
		if chunked != "chunked" {
			return head, "", false, fmt.Errorf("Transfer-Encoding: %s", chunked)
		}
		return strictChunks(head, body)
	case length != "":
		n, err := strconv.ParseUint(length, 10, 31)
		if err != nil || uint64(len(body)) < n {
			return head, "", false, err
		}
		return head, body[n:], true, nil
	}
	return head, body, true, nil
}

func strictChunks(head, body string) (_, rest string, whole bool, err error) {
	for {
		size, data, ok := strings.Cut(body, "\r\n")
		if !ok {
			return head, "", false, nil
		}
		n, err := strconv.ParseUint(size, 16, 31)
		switch {
		case err != nil:
			return head, "", false, fmt.Errorf("a chunk's size is %q", size)
		case uint64(len(data)) < n+2:
			return head, "", false, nil
		case data[n:n+2] != "\r\n":
			return head, "", false, errors.New("a chunk that is followed by more, or a trailer")
		case n == 0:
			return head, data[2:], true, nil
		}
		body = data[n+2:]
	}
}

const (
	recordedKey = "sk-recorded"
	tunnelled   = `{"model":"up/m","max_tokens":9,"messages":[{"role":"user","content":"q"}]}`
	// second is a request that a client hides behind or inside another.
	second = "POST /up/smuggled HTTP/1.1\r\nHost: smuggled\r\nAuthorization: Bearer " + recordedKey + "\r\nContent-Length: 0\r\n\r\n"
)

// asChunks is a body in chunks, complete.
func asChunks(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

// hostileRequest is a request, but for its target.
type hostileRequest struct {
	name string
	head string // lines, after Authorization
	body string
	want string // the requests that reach the provider: "0", "1", or "01" where either is right
}

func framings() []hostileRequest {
	n := len(tunnelled)
	length := fmt.Sprintf("Content-Length: %d\r\n", n)
	const chunked = "Transfer-Encoding: chunked\r\n"
	return []hostileRequest{
		{"a length", length, tunnelled, "1"},
		{"chunks", chunked, asChunks(tunnelled), "1"},
		{"a second request behind", length, tunnelled + second, "1"},
		{"CL.TE: the length is short", "Content-Length: 6\r\n" + chunked, asChunks(tunnelled) + second, "01"},
		{"CL.TE: the length takes in the second", fmt.Sprintf("Content-Length: %d\r\n", len(asChunks(tunnelled)+second)) + chunked, asChunks(tunnelled) + second, "01"},
		{"TE.CL", chunked + "Content-Length: 4\r\n", asChunks(tunnelled) + second, "01"},
		{"two lengths", length + "Content-Length: 0\r\n", tunnelled, "0"},
		{"two lengths, the longer first", fmt.Sprintf("Content-Length: %d\r\n", n+len(second)) + length, tunnelled + second, "0"},
		{"the same length twice", length + length, tunnelled, "01"},
		{"a list of lengths", fmt.Sprintf("Content-Length: %d, %d\r\n", n, n), tunnelled, "0"},
		{"a length with a sign", fmt.Sprintf("Content-Length: +%d\r\n", n), tunnelled, "0"},
		{"a negative length", "Content-Length: -1\r\n", tunnelled, "0"},
		{"a hexadecimal length", fmt.Sprintf("Content-Length: 0x%x\r\n", n), tunnelled, "0"},
		{"a length too large", "Content-Length: 99999999999999999999\r\n", tunnelled, "0"},
		{"an empty length", "Content-Length: \r\n", tunnelled, "01"},
		{"a length with an underscore", length + "Content_Length: 0\r\n", tunnelled, "1"},
		{"a space before the colon", "Transfer-Encoding : chunked\r\n" + length, tunnelled, "0"},
		{"a tab before the colon", "Content-Length\t: 0\r\n" + length, tunnelled, "0"},
		{"xchunked", "Transfer-Encoding: xchunked\r\n" + length, tunnelled, "0"},
		{"identity", "Transfer-Encoding: identity\r\n" + length, tunnelled, "0"},
		{"chunked, identity", "Transfer-Encoding: chunked, identity\r\n", asChunks(tunnelled), "0"},
		{"identity, chunked", "Transfer-Encoding: identity, chunked\r\n", asChunks(tunnelled), "0"},
		{"chunked twice", "Transfer-Encoding: chunked, chunked\r\n", asChunks(tunnelled), "0"},
		{"chunked in two lines", chunked + chunked, asChunks(tunnelled), "0"},
		{"chunked and identity in two lines", chunked + "Transfer-Encoding: identity\r\n" + length, asChunks(tunnelled), "0"},
		{"quoted", "Transfer-Encoding: \"chunked\"\r\n" + length, tunnelled, "0"},
		{"upper case", "TRANSFER-ENCODING: CHUNKED\r\n", asChunks(tunnelled), "1"},
		{"a vertical tab", "Transfer-Encoding:\x0bchunked\r\n" + length, tunnelled, "0"},
		{"a NUL", "Transfer-Encoding: chunked\x00\r\n" + length, tunnelled, "0"},
		{"folded", "Transfer-Encoding:\r\n chunked\r\n", asChunks(tunnelled), "01"},
		{"a line that begins with a space", "X-A: b\r\n Transfer-Encoding: chunked\r\n" + length, tunnelled, "1"},
		{"a line end of LF", "X-A: b\nTransfer-Encoding: chunked\r\n", asChunks(tunnelled) + second, "01"},
		{"a line end of CR", "X-A: b\rTransfer-Encoding: chunked\r\n" + length, tunnelled, "0"},
		{"an underscore", "Transfer_Encoding: chunked\r\n" + length, tunnelled, "1"},
		{"a chunk's size in 0x", chunked, "0x" + asChunks(tunnelled), "0"},
		{"a chunk's size too large", chunked, "fffffffffffffffff" + asChunks(tunnelled), "0"},
		{"a chunk's size with a sign", chunked, "+" + asChunks(tunnelled), "0"},
		{"a chunk longer than its size", chunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n-1, tunnelled), "0"},
		{"a chunk's extension", chunked, fmt.Sprintf("%x;a=\"b\"\r\n%s\r\n0\r\n\r\n", n, tunnelled), "1"},
		{"a chunk's extension that ends in LF", chunked, fmt.Sprintf("%x;\n%s\r\n0\r\n\r\n%s", n, tunnelled, second), "01"},
		{"the last chunk alone", chunked, "0\r\n\r\n" + second, "01"},
		{"trailers", chunked + "Trailer: X-Evil, Authorization, X-Api-Key\r\n", strings.TrimSuffix(asChunks(tunnelled), "\r\n") +
			"X-Evil: 1\r\nAuthorization: Bearer " + clientKey + "\r\nX-Api-Key: " + clientKey + "\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "01"},
		{"trailers that were not announced", chunked, strings.TrimSuffix(asChunks(tunnelled), "\r\n") + "X-Evil: 1\r\nHost: evil.example\r\n\r\n", "01"},
		{"expects 100", length + "Expect: 100-continue\r\n", tunnelled, "1"},
		{"expects 100, in chunks", chunked + "Expect: 100-continue\r\n", asChunks(tunnelled), "1"},
		{"expects 100, and hides a second", "Content-Length: 0\r\nExpect: 100-continue\r\n", second, "01"},
		{"expects something else", length + "Expect: 200-ok\r\n", tunnelled, "0"},
	}
}

func headers() []hostileRequest {
	length := fmt.Sprintf("Content-Length: %d\r\n", len(tunnelled))
	plain := func(name, head, want string) hostileRequest {
		return hostileRequest{name, length + head, tunnelled, want}
	}
	return []hostileRequest{
		plain("Connection names what the proxy sets", "Connection: Authorization, Content-Length, Content-Type, Host, X-Evil\r\nX-Evil: 1\r\n", "1"),
		plain("Connection names credentials", "Connection: X-Api-Key, X-Goog-Api-Key, Api-Key\r\nX-Api-Key: "+clientKey+"\r\nX-Goog-Api-Key: "+clientKey+"\r\nApi-Key: "+clientKey+"\r\n", "1"),
		plain("Connection twice, in odd case", "connection: x-evil\r\nCONNECTION: \t,X-Evil2 ,\r\nX-Evil: 1\r\nX-Evil2: 1\r\n", "1"),
		plain("hop by hop", "Keep-Alive: timeout=1\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nProxy-Authorization: Basic "+clientKey+"\r\nProxy-Authenticate: x\r\n", "1"),
		plain("every credential", "X-Api-Key: "+clientKey+"\r\nX-Goog-Api-Key: "+clientKey+"\r\nApi-Key: "+clientKey+"\r\nCookie: k="+clientKey+"\r\nCf-Aig-Authorization: Bearer "+clientKey+"\r\n", "1"),
		plain("a credential twice", "Authorization: Bearer "+clientKey+"\r\nauthorization: Basic OmFi\r\n", "1"),
		plain("a second Host", "Host: evil.example\r\n", "0"),
		plain("other names of the host", "X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Forwarded-For: 10.0.0.1\r\nX-Real-Ip: 10.0.0.1\r\nVia: 1.1 evil.example\r\n", "1"),
		plain("a NUL in a value", "X-A: a\x00b\r\n", "0"),
		plain("a NUL in a name", "X-\x00A: b\r\n", "0"),
		plain("a space in a name", "X A: b\r\n", "0"),
		plain("no name", ": b\r\n", "0"),
		plain("no colon", "X-Evil\r\n", "0"),
		plain("bytes that are no ASCII", "X-A: \xff\xfe\r\n", "1"),
		plain("a request ID with a second line in it", "X-Request-Id: a%0d%0aX-Evil:1\r\n", "1"),
		plain("a header too large", "X-A: "+strings.Repeat("a", 2<<20)+"\r\n", "0"),
		plain("too many headers", strings.Repeat("X-A: a\r\n", 200000), "0"),
		plain("an upgrade to HTTP/2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "1"),
		plain("an upgrade to HTTP/2, its settings not named", "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "1"),
		plain("an upgrade to two", "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n", "1"),
		plain("an upgrade to TLS", "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n", "1"),
		plain("an upgrade that Connection does not name", "Upgrade: websocket\r\n", "1"),
		{"a WebSocket with a request behind", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: YQ==\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n", second, "01"},
	}
}

// notUpstream must stand in no request's head.
var notUpstream = regexp.MustCompile(`(?i)\r\n(X-Evil.*|Keep-Alive|Proxy-[^:]*|TE|Trailer|Cookie|Forwarded|Via|X-Forwarded-[^:]*|X-Real-Ip|Cf-Aig-[^:]*|HTTP2-Settings):|\r\nUpgrade: [^w]|evil\.example|smuggled`)

// Whatever a client writes, a provider reads one well-formed request or none,
// with the proxy's key and with no credential of the client's.
func TestSmuggling(t *testing.T) {
	for i, target := range []string{"/v1/chat/completions", "/v1/messages", "/up/files?a=b", "/key/0/up/files"} {
		for _, c := range append(framings(), headers()...) {
			if len(c.head) > 1<<20 && i > 0 {
				continue // net/http alone refuses it, and takes its time
			}
			t.Run(c.name+", "+target, func(t *testing.T) {
				head := "POST " + target + " HTTP/1.1\r\nHost: proxy.example\r\nAuthorization: Bearer " + clientKey + "\r\n" + c.head + "\r\n"
				t.Parallel()
				tunnel(t, head+c.body, c.want)
			})
		}
	}
}

// Neither does it help to hide something in the request's target.
func TestHostileTargets(t *testing.T) {
	const post, get = "POST", "GET"
	gemini := `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`
	for _, c := range []struct{ name, method, target, host, body, want string }{
		{"absolute", post, "http://evil.example/v1/chat/completions", "proxy.example", tunnelled, "1"},
		{"absolute, pass-through", get, "http://evil.example/up/x", "proxy.example", "", "1"},
		{"absolute, another scheme", get, "gopher://evil.example/up/x", "proxy.example", "", "1"},
		{"absolute, with a user", get, "http://" + clientKey + "@evil.example/up/x", "proxy.example", "", "1"},
		{"CONNECT", "CONNECT", "evil.example:443", "evil.example:443", "", "0"},
		{"asterisk", "OPTIONS", "*", "proxy.example", "", "01"},
		{"HTTP/2's preface", "PRI", "*", "proxy.example", "", "0"},
		{"another host", get, "/up/x", "evil.example", "", "1"},
		{"a host with a user", get, "/up/x", "proxy.example@evil.example", "", "01"},
		{"a host with a path", get, "/up/x", "proxy.example/evil.example", "", "01"},
		{"a host with a space", get, "/up/x", "proxy.example evil.example", "", "0"},
		{"no host", get, "/up/x", "", "", "01"},
		{"two slashes", get, "//evil.example/up/x", "proxy.example", "", "0"},
		{"two slashes after the provider", get, "/up//host/x", "proxy.example", "", "1"},
		{"a URL after the provider", get, "/up/http://host/x", "proxy.example", "", "01"},
		{"an at sign after the provider", get, "/up@host/x", "proxy.example", "", "0"},
		{"an escaped at sign", get, "/up/%40host", "proxy.example", "", "1"},
		{"a fragment", get, "/up/x#@host", "proxy.example", "", "01"},
		{"escaped line ends", get, "/up/x%0d%0aX-Evil:%201", "proxy.example", "", "01"},
		{"an escaped request", get, "/up/x%20HTTP/1.1%0d%0aHost:%20h%0d%0a%0d%0aGET%20/", "proxy.example", "", "01"},
		{"an escaped NUL", get, "/up/x%00y", "proxy.example", "", "01"},
		{"a line end of CR", get, "/up/x\rX-Evil:1", "proxy.example", "", "0"},
		{"a NUL", get, "/up/x\x00", "proxy.example", "", "0"},
		{"a space", get, "/up/x y", "proxy.example", "", "0"},
		{"a backslash", get, `/up/\host\x`, "proxy.example", "", "01"},
		{"a bad escape", get, "/up/%zz", "proxy.example", "", "0"},
		{"a query with line ends", get, "/up/x?a=%0d%0aX-Evil:%201", "proxy.example", "", "1"},
		{"a query with a key", get, "/up/x?a=1&key=" + clientKey + "&b=2", "proxy.example", "", "1"},
		{"a query with an escaped key", get, "/up/x?%6Bey=" + clientKey, "proxy.example", "", "1"},
		{"a query with a space", get, "/up/x?a b", "proxy.example", "", "0"},
		{"a key range with line ends", post, "/key/0%0d%0aX-Evil:1/v1/chat/completions", "proxy.example", tunnelled, "0"},
		{"a key range with a host", post, "/key/@evil.example/v1/chat/completions", "proxy.example", tunnelled, "0"},
		{"a key range too large", post, "/key/0-99999999999999999999/v1/chat/completions", "proxy.example", tunnelled, "0"},
		{"a gateway's name with line ends", post, "/g/a%0d%0aX-Evil:1/v1/chat/completions", "proxy.example", tunnelled, "0"},
		{"a gateway's name with a slash", post, "/g/..%2f..%2fevil/v1/chat/completions", "proxy.example", tunnelled, "0"},
		{"a model with line ends", post, "/v1/chat/completions", "proxy.example", strings.Replace(tunnelled, "up/m", `up/m\r\nX-Evil: 1\r\n\r\n`, 1), "1"},
		{"a model with a NUL", post, "/v1/chat/completions", "proxy.example", strings.Replace(tunnelled, "up/m", `up/m\u0000`, 1), "1"},
		{"a model with line ends, in the path", post, "/v1beta/models/path%2Fm%0d%0aX-Evil:%201:generateContent", "proxy.example", gemini, "01"},
		{"a model with a request, in the path", post, "/v1beta/models/path%2Fm%20HTTP/1.1%0d%0aHost:%20h%0d%0a%0d%0a:generateContent", "proxy.example", gemini, "01"},
		{"a model with line ends, put in the path", post, "/v1/chat/completions", "proxy.example", strings.Replace(tunnelled, "up/m", `path/m HTTP/1.1\r\nX-Evil: 1\r\n\r\n`, 1), "01"},
		{"a model that climbs", post, "/v1/chat/completions", "proxy.example", strings.Replace(tunnelled, "up/m", `path/../../m`, 1), "01"},
		{"a model with a query", post, "/v1/chat/completions", "proxy.example", strings.Replace(tunnelled, "up/m", `path/m?key=x#y`, 1), "01"},
		{"a method with a lower case", "post", "/v1/chat/completions", "proxy.example", tunnelled, "0"},
		{"no method", "", "/up/x", "proxy.example", "", "0"},
		{"a method with a line end", "GET\nPOST", "/up/x", "proxy.example", "", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tunnel(t, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", c.method, c.target, c.host, clientKey, len(c.body), c.body), c.want)
		})
	}
}

// tunnel sends bytes to a proxy, and a last request that has it hang up, and
// looks at what the provider was sent.
func tunnel(t *testing.T, sent, want string) {
	t.Helper()
	up := newRecorder(t)
	path := provider.GoogleAIStudio()
	path.ID, path.BaseURL = "path", "http://"+up.Addr().String()+"/base"
	key := rotate.Secrets(recordedKey)
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	p, err := llmproxy.New(llmproxy.WithProxyKeys(clientKey), llmproxy.WithTransport(transport), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1}),
		llmproxy.WithProvider(provider.Compatible("up", "http://"+up.Addr().String()+"/base"), path), llmproxy.WithKeys("up", key...), llmproxy.WithKeys("path", key...))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute)) // a hang is a fault
	_, _ = io.WriteString(c, sent+"GET /ping HTTP/1.1\r\nHost: proxy.example\r\nConnection: close\r\n\r\n")
	answers, err := io.ReadAll(c)
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		t.Fatalf("the connection hangs after %.300q", answers)
	}
	if first, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answers)), nil); err == nil && want == "0" && first.StatusCode < 400 {
		t.Errorf("answered with %s", first.Status)
	}
	s.Close()
	transport.CloseIdleConnections()
	got := up.received()
	whole := 0
	for _, b := range got {
		head, rest, ok, err := strictRequest(b)
		if err != nil {
			t.Errorf("%v: the provider was sent %.600q", err, b)
		}
		if rest != "" {
			t.Errorf("the provider was sent more than one request: %.600q", b)
		}
		if ok {
			whole++
		}
		if bytes.Contains(b, []byte(clientKey)) {
			t.Errorf("the client's key went upstream: %.600q", b)
		}
		if !strings.Contains(head, "\r\nHost: "+up.Addr().String()+"\r\n") && ok {
			t.Errorf("the host is another: %.600q", head)
		}
		if _, path, _ := strings.Cut(head, " "); ok && !strings.HasPrefix(path, "/base/") {
			t.Errorf("it left the base: %.600q", head)
		}
		if ok && !strings.Contains(head, recordedKey) {
			t.Errorf("without the provider's key: %.600q", head)
		}
		if i := notUpstream.FindString(head); i != "" {
			t.Errorf("%q went upstream: %.600q", i, head)
		}
	}
	if len(got) > 1 {
		t.Errorf("%d connections: %.600q", len(got), got)
	}
	if !strings.Contains(want, strconv.Itoa(whole)) {
		t.Errorf("%d requests, want %s; the client was sent %.300q, the provider %.600q", whole, want, answers, got)
	}
}
