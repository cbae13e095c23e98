// Package providertest holds what tests of a proxy need on the provider's
// side: a conformance kit for implementations of provider.Provider, and fake
// upstreams that speak every format and fail in every way that real ones do.
//
//	up := providertest.NewServer(t,
//		providertest.RateLimited(2*time.Second),
//		providertest.Text("Hello, world.").With(providertest.CutAfterEvents(3)),
//	)
//	p := provider.OpenAI()
//	p.BaseURL = up.URL
//
// A server is strict: a request for which the script has no step, and a step
// for which no request came, fail the test.
package providertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// Server is a fake upstream that follows a script. It is closed at the end of
// its test. Its methods may be called concurrently.
type Server struct {
	*httptest.Server
	tb      testing.TB
	closing chan struct{}

	mu       sync.Mutex
	script   []Step
	requests []*Request
	asked    int // requests so far
	keep     int // how many of them are kept; 0: all
	keys     map[string]bool
}

// NewServer starts a server whose steps answer the requests in the order in
// which they come. See Forever for a step that answers all that follow.
func NewServer(tb testing.TB, script ...Step) *Server {
	return newServer(tb, script, (*httptest.Server).Start)
}

// NewTLSServer is NewServer over TLS and HTTP/2. Only the server's own Client
// trusts its certificate.
func NewTLSServer(tb testing.TB, script ...Step) *Server {
	return newServer(tb, script, func(s *httptest.Server) {
		s.EnableHTTP2 = true
		s.StartTLS()
	})
}

// NewPipeServer is NewServer over connections in memory, for tests in bubbles of
// testing/synctest: what waits for such a connection waits in virtual time.
// Only the server's own Client reaches it. A reset is an end like any other.
func NewPipeServer(tb testing.TB, script ...Step) *Server {
	p := NewPipe()
	s := newServer(tb, script, func(s *httptest.Server) {
		_ = s.Listener.Close()
		s.Listener = p
		s.Start()
	})
	client := s.Client().Transport.(*http.Transport)
	client.DialContext, client.DisableCompression = p.DialContext, true
	return s
}

func newServer(tb testing.TB, script []Step, start func(*httptest.Server)) *Server {
	tb.Helper()
	s := &Server{tb: tb, script: script, closing: make(chan struct{})}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	start(s.Server)
	tb.Cleanup(func() {
		close(s.closing) // releases those that stall
		s.CloseClientConnections()
		s.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range s.script {
			if !s.script[i].forever && !tb.Failed() {
				tb.Errorf("the fake upstream was asked %d times; %d steps of its script are left", s.asked, len(s.script)-i)
				break
			}
		}
	})
	return s
}

// Everywhere returns a transport for which the server stands at every https
// address, so that requests keep the address that they are meant for: see
// Request.Host. Nothing is encrypted underneath. An http address is refused,
// as a provider's key must not go there.
func (s *Server) Everywhere() *http.Transport {
	tr := &http.Transport{
		DisableCompression: true,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
		},
		DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
			return nil, errors.New("a request to " + addr + " without TLS")
		},
	}
	s.tb.Cleanup(tr.CloseIdleConnections)
	return tr
}

// Then adds steps to the script.
func (s *Server) Then(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, steps...)
}

// RequireKey has requests without one of the credentials answered by 401.
func (s *Server) RequireKey(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = make(map[string]bool)
	for _, k := range secrets {
		s.keys[k] = true
	}
}

// Keep has no more than the last n requests kept, for tests that make many.
func (s *Server) Keep(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = n
}

// Count returns how many requests there were so far.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Requests returns the requests so far, in the order in which they came.
func (s *Server) Requests() []*Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Request, len(s.requests))
	for i, q := range s.requests {
		c := *q
		out[i] = &c
	}
	return out
}

// Request is a request as the upstream saw it.
type Request struct {
	Method string
	Host   string
	Path   string // escaped, as it came
	Query  string
	Header http.Header
	Body   []byte // empty where the step left it unread, or discards it
	Size   int64  // of the body, as far as it was read
	Proto  string

	Format translate.Format // of chat; empty for anything else
	Model  string           // of the body or the path
	Stream bool
	// Count says that this is a request to count tokens.
	Count bool
	http  *http.Request
}

// Done is closed when the client goes away or the answer is complete.
func (q *Request) Done() <-chan struct{} { return q.http.Context().Done() }

// Credential returns the credential of the request, wherever it stands.
func (q *Request) Credential() string {
	if a := q.Header.Get("Authorization"); a != "" {
		_, secret, _ := strings.Cut(a, " ")
		return secret
	}
	for _, h := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
		if v := q.Header.Get(h); v != "" {
			return v
		}
	}
	return ""
}

// ServeHTTP follows the script.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &Request{Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(), Proto: r.Proto, http: r}
	s.mu.Lock()
	s.asked++
	if s.requests = append(s.requests, q); s.keep > 0 && len(s.requests) > s.keep {
		s.requests = append(s.requests[:0], s.requests[len(s.requests)-s.keep:]...)
	}
	var step Step
	switch {
	case s.keys != nil && !s.keys[q.Credential()]:
		step = Fail(http.StatusUnauthorized, "unknown key")
	case len(s.script) == 0:
		s.tb.Errorf("the fake upstream was not to be asked: %s %s", q.Method, q.Path)
		step = Fail(http.StatusTeapot, "the script has no step for this request")
	default:
		step = s.script[0]
		if !step.forever {
			s.script = s.script[1:]
		}
	}
	s.mu.Unlock()
	if !step.Unread {
		var body bytes.Buffer
		var to io.Writer = &body
		if step.Discard {
			to = io.Discard
		}
		n, err := io.Copy(to, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the client went away
		}
		s.mu.Lock()
		q.Body, q.Size = body.Bytes(), n
		s.mu.Unlock()
	}
	s.mu.Lock()
	q.recognize()
	s.mu.Unlock()
	reply := step.Reply(q)
	if reply == nil {
		reply = new(Reply)
	}
	reply.write(s, w, r)
}

// recognize tells what the request asks for by its path, as real servers do.
func (q *Request) recognize() {
	path := q.Path
	method := path[strings.LastIndexAny(path, "/:")+1:]
	inPath := func() string {
		_, rest, _ := strings.Cut(path, "/models/")
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			rest = rest[:i]
		}
		return rest
	}
	switch {
	case strings.HasSuffix(path, "/chat/completions"), strings.HasSuffix(path, "/chat"):
		q.Format = translate.OpenAI
		if strings.HasSuffix(path, "/v2/chat") {
			q.Format = translate.Cohere
		}
	case method == "responses", method == "agent":
		q.Format = translate.Responses
	case method == "messages":
		q.Format = translate.Anthropic
	case method == "count_tokens":
		q.Format, q.Count = translate.Anthropic, true
	case method == "rawPredict", method == "streamRawPredict":
		q.Format, q.Stream, q.Model = translate.Anthropic, method == "streamRawPredict", inPath()
		q.Count = q.Model == "count-tokens"
	case method == "generateContent", method == "streamGenerateContent":
		q.Format, q.Stream, q.Model = translate.Gemini, method == "streamGenerateContent", inPath()
	case method == "countTokens":
		q.Format, q.Count, q.Model = translate.Gemini, true, inPath()
	case method == "converse", method == "converse-stream":
		q.Format, q.Stream, q.Model = translate.Bedrock, method == "converse-stream", bedrockModel(path)
	case method == "invoke" && claude(path), method == "invoke-with-response-stream", method == "count-tokens":
		q.Format, q.Stream, q.Model = translate.Anthropic, method == "invoke-with-response-stream", bedrockModel(path)
		q.Count = method == "count-tokens"
	case method == "predictions" && q.Method == http.MethodPost:
		q.Format = replicate.Format
	case strings.Contains(path, predictionStream):
		q.Format, q.Stream = replicate.Format, true
	}
	d := jsonx.NewDecoder(q.Body)
	if d.Kind() != jsonx.Object {
		return
	}
	for key := range d.Members() {
		switch {
		case string(key) == "model" && d.Kind() == jsonx.String:
			q.Model = d.String()
		case string(key) == "stream" && d.Kind() == jsonx.Bool:
			q.Stream = d.Bool() || q.Stream
		}
	}
}

// bedrockModel returns the model in one of Bedrock's paths.
func bedrockModel(path string) string {
	_, rest, _ := strings.Cut(path, "/model/")
	model, _, _ := strings.Cut(rest, "/")
	if m, err := url.PathUnescape(model); err == nil {
		return m
	}
	return model
}

func claude(path string) bool { return strings.Contains(bedrockModel(path), "claude") }

// Refused returns the URL of a server that does not exist: its address refuses
// connections until the test ends.
func Refused(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	// A connection's own port is taken, and nobody listens there. The port of a
	// listener that was closed may be the next server's.
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		_ = l.Close()
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = c.Close()
		_ = l.Close()
	})
	return "http://" + c.LocalAddr().String()
}

// BrokenTLS returns the URL of a server that breaks off every TLS handshake.
func BrokenTLS(tb testing.TB) string {
	return "https://" + listen(tb, func(c net.Conn) {
		var hello [1]byte
		_, _ = c.Read(hello[:])
	})
}

// Silent returns the URL of a server that takes connections and says nothing.
func Silent(tb testing.TB) string {
	return "http://" + listen(tb, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

// listen serves each connection until the test ends, and waits for all then.
func listen(tb testing.TB, serve func(net.Conn)) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Go(func() { // ends when the listener is closed; the cleanup waits
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				serve(c)
				_ = c.Close()
			})
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}
