package providertest

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Step says how one request is answered.
type Step struct {
	// Reply makes the answer. It is called once for each request, and may be
	// called concurrently.
	Reply func(q *Request) *Reply
	// Unread leaves the request's body unread until the answer has begun.
	Unread bool
	// Discard reads the body and keeps its Size alone.
	Discard bool

	forever bool
}

// Reply is an answer, as data that faults can be put into. The zero value is
// an empty 200.
type Reply struct {
	Status int // 0: 200
	Header http.Header
	// Chunks are written and flushed one by one. Of a stream each is one
	// event.
	Chunks [][]byte

	Delay time.Duration // before the header
	Pause time.Duration // before each chunk but the first
	// PauseAt is how many chunks precede the only Pause; 0: it is before each
	// but the first.
	PauseAt int
	Stall   bool // after the last chunk, silence until the client goes
	Cut     bool // after the last chunk the connection is broken off
	Reset   bool // … by a TCP reset, and before the header where there is no chunk
	// GoAway announces the connection's end with the header: by GOAWAY over
	// HTTP/2, by Connection: close over HTTP/1.1.
	GoAway bool
	// Length is sent as Content-Length whatever the chunks' is; 0: the
	// chunks' own for one chunk, none for more.
	Length int64
	// Endless sends header lines until the client goes.
	Endless bool
}

// With returns the step with faults put into its replies, in their order.
func (s Step) With(faults ...func(*Reply)) Step {
	inner := s.Reply
	s.Reply = func(q *Request) *Reply {
		r := inner(q)
		for _, f := range faults {
			f(r)
		}
		return r
	}
	return s
}

// Forever returns a step that answers every request from its turn on.
func Forever(s Step) Step {
	s.forever = true
	return s
}

// Check returns s with a look at the request before it is answered.
func Check(look func(q *Request), s Step) Step {
	inner := s.Reply
	s.Reply = func(q *Request) *Reply {
		look(q)
		return inner(q)
	}
	return s
}

// Raw answers with a status and a body as they are.
func Raw(status int, contentType string, body []byte) Step {
	return Step{Reply: func(*Request) *Reply {
		return &Reply{Status: status, Header: http.Header{"Content-Type": {contentType}}, Chunks: [][]byte{body}}
	}}
}

// ResetUnread resets the connection before the request's body is read.
func ResetUnread() Step {
	return Step{Unread: true, Reply: func(*Request) *Reply { return &Reply{Reset: true} }}
}

// Reset resets the connection when the request has been read.
func Reset() Step { return Step{Reply: func(*Request) *Reply { return &Reply{Reset: true} }} }

// Abort ends the connection without an answer when the request has been read;
// over HTTP/2 it ends the stream, by RST_STREAM.
func Abort() Step { return Step{Reply: func(*Request) *Reply { panic(http.ErrAbortHandler) }} }

// Hang reads the request and says nothing.
func Hang() Step { return Step{Reply: func(*Request) *Reply { return &Reply{Delay: 1<<63 - 1} }} }

// EndlessHeaders sends header lines that never end.
func EndlessHeaders() Step {
	return Step{Reply: func(*Request) *Reply { return &Reply{Endless: true} }}
}

// Header sets a header of the answer.
func Header(name, value string) func(*Reply) {
	return func(r *Reply) {
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set(name, value)
	}
}

// SlowHeader waits before it sends the header.
func SlowHeader(d time.Duration) func(*Reply) { return func(r *Reply) { r.Delay = d } }

// Pause waits before each event but the first.
func Pause(d time.Duration) func(*Reply) { return func(r *Reply) { r.Pause = d } }

// PauseAfterEvents waits once, after n events.
func PauseAfterEvents(n int, d time.Duration) func(*Reply) {
	return func(r *Reply) { r.Pause, r.PauseAt = d, n }
}

// GoAway announces with the header that the connection will be closed, as
// servers and balancers do that restart: by GOAWAY over HTTP/2, by Connection:
// close over HTTP/1.1. The answer goes on to its end; with ResetAfterEvents it
// does not.
func GoAway() func(*Reply) { return func(r *Reply) { r.GoAway = true } }

// CutAfterEvents breaks the connection off after n events. Over HTTP/2 the
// stream is broken off, by RST_STREAM.
func CutAfterEvents(n int) func(*Reply) {
	return func(r *Reply) { r.Chunks, r.Cut = r.Chunks[:min(n, len(r.Chunks))], true }
}

// CutAfterBytes breaks the connection off after n bytes of the body.
func CutAfterBytes(n int) func(*Reply) {
	return func(r *Reply) { r.Chunks, r.Cut = [][]byte{firstBytes(r.Chunks, n)}, true }
}

// ResetAfterEvents resets the connection after n events. Over HTTP/2 the
// connection ends.
func ResetAfterEvents(n int) func(*Reply) {
	return func(r *Reply) { r.Chunks, r.Reset = r.Chunks[:min(n, len(r.Chunks))], true }
}

// EndAfterEvents ends the answer after n events as if it were complete: as
// HTTP it is, as its format it is not.
func EndAfterEvents(n int) func(*Reply) {
	return func(r *Reply) { r.Chunks = r.Chunks[:min(n, len(r.Chunks))] }
}

// EndAfterBytes ends the answer after n bytes as if it were complete.
func EndAfterBytes(n int) func(*Reply) {
	return func(r *Reply) { r.Chunks = [][]byte{firstBytes(r.Chunks, n)} }
}

// StallAfterEvents falls silent after n events.
func StallAfterEvents(n int) func(*Reply) {
	return func(r *Reply) { r.Chunks, r.Stall = r.Chunks[:min(n, len(r.Chunks))], true }
}

// Trickle sends the body in pieces of size bytes with a pause before each.
// Pieces split UTF-8 sequences and line ends.
func Trickle(size int, pause time.Duration) func(*Reply) {
	return func(r *Reply) {
		all := bytes.Join(r.Chunks, nil)
		r.Chunks, r.Pause = nil, pause
		for len(all) > 0 {
			n := min(size, len(all))
			r.Chunks = append(r.Chunks, all[:n])
			all = all[n:]
		}
	}
}

// CRLF ends the lines of a stream as Windows does. Streams of frames are left
// as they are.
func CRLF() func(*Reply) {
	return func(r *Reply) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
			return
		}
		for i, c := range r.Chunks {
			r.Chunks[i] = bytes.ReplaceAll(c, []byte("\n"), []byte("\r\n"))
		}
	}
}

// Comments puts a comment of size bytes before each event, as servers do that
// keep connections alive. Streams of frames are left as they are.
func Comments(size int) func(*Reply) {
	return func(r *Reply) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
			return
		}
		for i, c := range r.Chunks {
			r.Chunks[i] = append([]byte(": "+strings.Repeat("k", size)+"\n\n"), c...)
		}
	}
}

// LongEvent makes the event after n others size bytes longer, by a member that
// no format knows. Events without JSON, and those of streams of frames, are left
// as they are.
func LongEvent(n, size int) func(*Reply) {
	return func(r *Reply) {
		if n >= len(r.Chunks) || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
			return
		}
		if head, rest, ok := bytes.Cut(r.Chunks[n], []byte("{")); ok {
			r.Chunks[n] = slices.Concat(head, []byte(`{"padding":"`+strings.Repeat("p", size)+`",`), rest)
		}
	}
}

// Gzip compresses the body, whether the client takes that or not.
func Gzip() func(*Reply) {
	return func(r *Reply) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		for i, c := range r.Chunks {
			_, _ = w.Write(c)
			_ = w.Flush()
			r.Chunks[i] = bytes.Clone(b.Bytes())
			b.Reset()
		}
		_ = w.Close()
		r.Chunks = append(r.Chunks, b.Bytes())
		Header("Content-Encoding", "gzip")(r)
	}
}

// WrongLength declares a Content-Length that differs from the body's by delta.
func WrongLength(delta int64) func(*Reply) {
	return func(r *Reply) { r.Length = int64(len(bytes.Join(r.Chunks, nil))) + delta }
}

func firstBytes(chunks [][]byte, n int) []byte {
	all := bytes.Join(chunks, nil)
	return all[:min(n, len(all))]
}

// write sends the reply. What HTTP's server would not send is written to the
// connection itself; over HTTP/2, which has no such thing, RST_STREAM stands
// for it.
func (r *Reply) write(s *Server, w http.ResponseWriter, req *http.Request) {
	if !s.wait(req, r.Delay) {
		panic(http.ErrAbortHandler)
	}
	if r.Reset && len(r.Chunks) == 0 {
		resetConn(req)
	}
	if r.Endless || r.Length != 0 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			defer conn.Close()
			r.raw(s, conn)
			return
		}
		panic(http.ErrAbortHandler)
	}
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	if len(r.Chunks) == 1 && !r.Cut && !r.Stall && !r.Reset {
		w.Header().Set("Content-Length", strconv.Itoa(len(r.Chunks[0])))
	}
	if r.GoAway {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(max(r.Status, http.StatusOK))
	rc := http.NewResponseController(w)
	if len(r.Chunks) == 0 {
		_ = rc.Flush()
	}
	for i, c := range r.Chunks {
		if i > 0 && (r.PauseAt == 0 || r.PauseAt == i) && !s.wait(req, r.Pause) {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(c); err != nil {
			return
		}
		_ = rc.Flush()
	}
	if r.Stall {
		s.wait(req, 1<<63-1)
	}
	if r.Reset {
		if req.ProtoMajor == 2 {
			// HTTP/2's server flushes a frame after it has said that it is
			// written, and before it writes another.
			_, _ = w.Write([]byte("\n"))
			_ = rc.Flush()
			s.endConn(req)
		}
		resetConn(req)
	}
	if r.Cut || r.Stall {
		panic(http.ErrAbortHandler)
	}
}

// raw writes to the connection without HTTP's server.
func (r *Reply) raw(s *Server, conn net.Conn) {
	status := max(r.Status, http.StatusOK)
	head := "HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\nConnection: close\r\n"
	if r.Endless {
		line := "X-Endless: " + strings.Repeat("x", 1000) + "\r\n"
		_, err := io.WriteString(conn, head)
		for err == nil {
			select {
			case <-s.closing:
				return
			default:
				_, err = io.WriteString(conn, line)
			}
		}
		return
	}
	for name, values := range r.Header {
		head += name + ": " + values[0] + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"Content-Length: "+strconv.FormatInt(r.Length, 10)+"\r\n\r\n"); err != nil {
		return
	}
	for _, c := range r.Chunks {
		if _, err := conn.Write(c); err != nil {
			return
		}
	}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// endConn ends the connection after all that was written, which a reset may
// overtake, and waits for the client to close it, too.
func (s *Server) endConn(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*tls.Conn); ok {
		if t, ok := c.NetConn().(*net.TCPConn); ok {
			_ = t.CloseWrite()
			s.wait(r, 1<<63-1)
		}
	}
	panic(http.ErrAbortHandler)
}

// resetConn closes the request's connection by RST, and ends the answer.
func resetConn(r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	if conn != nil {
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// wait waits, and reports whether the client and the server are still there.
func (s *Server) wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.closing:
	}
	return false
}
