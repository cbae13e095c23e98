package llmproxy

import (
	"compress/gzip"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// readBody reads the request's body, bounded, and inflates it.
func (x *exchange) readBody() error {
	limit := x.p.Limits.RequestBody
	if x.r.ContentLength > limit {
		return tooLarge(&limitError{bodyTooLarge, limit})
	}
	pooled := x.bodies.get(int(min(max(x.r.ContentLength, 0)+1, 1<<maxBuffer)))
	buf := pooled.b
	var err error
	unread := "the request body could not be read"
	switch coding := x.r.Header["Content-Encoding"]; {
	case coding != nil:
		sent := &passBody{r: http.MaxBytesReader(x.w, x.r.Body, limit)}
		buf, err = x.inflate(buf, sent, strings.Join(coding, ", "))
		unread += " as the gzip that its Content-Encoding says it is"
		x.rec.BytesIn = sent.n
	case x.r.ContentLength < 0:
		buf, err = readAll(buf, http.MaxBytesReader(x.w, x.r.Body, limit))
		x.rec.BytesIn = int64(len(buf))
	default: // a server lets no more through, but what stands before the proxy may
		if buf, err = readBeyond(buf, x.r.Body, limit); int64(len(buf)) > limit {
			return tooLarge(&limitError{bodyTooLarge, limit})
		}
		x.rec.BytesIn = int64(len(buf))
	}
	if err != nil {
		return x.bodyError(err, unread)
	}
	x.body, pooled.b = buf, buf
	return nil
}

func (x *exchange) bodyError(err error, unread string) error {
	var refused *translate.Error
	var over *limitError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, new(*http.MaxBytesError)):
		return tooLarge(&limitError{bodyTooLarge, x.p.Limits.RequestBody})
	case errors.As(err, &over):
		return tooLarge(over)
	}
	return &translate.Error{Kind: translate.InvalidRequest, Message: unread, Err: err}
}

func tooLarge(e *limitError) error {
	return &translate.Error{Kind: translate.TooLarge, Message: e.Error(), Err: e}
}

// inflate reads the body of a client that compressed it.
func (x *exchange) inflate(buf []byte, body io.Reader, coding string) ([]byte, error) {
	switch strings.ToLower(coding) {
	case "", "identity":
		return readAll(buf, body)
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			return buf, err
		}
		limit := min(x.p.Limits.RequestBody, x.p.Limits.Inflated)
		return readAll(buf, &inflater{r, limit, &limitError{inflatesTooFar, limit}})
	}
	x.w.Header().Set("Accept-Encoding", "gzip") // RFC 9110, section 15.5.16
	e := translate.Errorf(translate.InvalidRequest, "the request body has the Content-Encoding %s: send it as it is, or as gzip", quote(coding))
	e.Status = http.StatusUnsupportedMediaType
	return buf, e
}

// bodyReader reads a provider's answer, and keeps the watchdog calm as long as
// bytes come. Before a read, which may block, it lets the client have what is
// written.
type bodyReader struct {
	a     *attempt
	r     io.Reader
	flush func() error

	left    int64 // bytes until the answer is too large; 0 or less: it never is
	drained int64 // bytes read since the client went away
	ended   bool  // there is no more to read
}

// MaxEvent bounds what a decoder holds of one event.
func (b *bodyReader) MaxEvent() int { return int(b.a.p.Limits.Event) }

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.flush != nil {
		if err := b.flush(); err != nil {
			return 0, err
		}
	}
	n, err := b.r.Read(p)
	if b.left > 0 {
		if b.left -= int64(n); b.left <= 0 {
			return 0, &limitError{answerTooLarge, b.a.p.Limits.ResponseBody}
		}
	}
	b.ended = b.ended || err != nil
	if err != nil && err != io.EOF && b.a.r.Context().Err() != nil {
		b.a.rec.Aborted = true // even if the answer had told how it ends
	}
	if b.a.gone.Load() {
		if b.drained += int64(n); b.drained > b.a.p.OnAbort.Bytes {
			return 0, errClientGone
		}
	}
	if n > 0 && b.a.committed { // before that, pings must not extend the wait for content
		b.a.watch.progress(b.a.p.Timeouts.Idle)
	}
	return n, err
}

// decoded returns the answer's body without the gzip that a provider may have
// put on although nobody asked for it.
func decoded(resp *http.Response, limit int64) (io.Reader, error) {
	switch coding := first(resp.Header, "Content-Encoding"); strings.ToLower(coding) {
	case "", "identity":
		return resp.Body, nil
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, err
		}
		return &inflater{r, limit, &limitError{answerInflates, limit}}, nil
	default:
		return nil, translate.Malformed(errors.New("content encoding " + coding))
	}
}

// inflater reads what was compressed, up to a limit: a few kilobytes may
// become gigabytes.
type inflater struct {
	r    *gzip.Reader
	left int64
	over *limitError
}

func (i *inflater) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if i.left -= int64(n); i.left < 0 {
		return 0, i.over
	}
	return n, err
}

// parseWhole reads and parses a whole answer, which is then's until it returns.
func (a *attempt) parseWhole(r io.Reader, then func(*translate.Response) error) error {
	buf := newBuffer(a.expected())
	defer buf.free()
	body, err := a.readParsed(buf.b, r)
	if err != nil {
		return err
	}
	buf.b = body
	whole, err := a.out.ParseResponse(body)
	if err != nil {
		return ownBody(err)
	}
	return then(whole)
}

// expected is how much room to keep for an answer, by what it says of its
// length.
func (a *attempt) expected() int { return int(min(max(a.length+1, 4<<10), 1<<maxBuffer)) }

// readAnswer returns an answer's whole body, decoded.
func (a *attempt) readAnswer(resp *http.Response) ([]byte, error) {
	r, err := decoded(resp, a.p.Limits.Inflated)
	if err != nil {
		return nil, err
	}
	return a.readParsed(nil, &bodyReader{a: a, r: r})
}

// readParsed reads an answer that is no use if it is not whole. What is parsed
// may alias it.
func (a *attempt) readParsed(buf []byte, r io.Reader) ([]byte, error) {
	body, rest, err := a.readWhole(buf, r)
	if err == nil && rest {
		err = &limitError{answerTooLarge, a.p.Limits.ResponseBody}
	}
	return body, err
}

// readWhole reads an answer into buf, or a larger one, up to the limit; rest
// reports that there is more.
func (a *attempt) readWhole(buf []byte, r io.Reader) (body []byte, rest bool, err error) {
	limit := a.p.Limits.ResponseBody
	if want := a.length; want > int64(cap(buf)) && want < limit { // known, and read at once
		buf = make([]byte, 0, want+1)
	}
	body, err = readBeyond(buf, r, limit)
	if err != nil {
		return nil, false, translate.Truncated(err)
	}
	return body, int64(len(body)) > limit, nil
}

// readAll is io.ReadAll into a buffer that may have room already.
func readAll(buf []byte, r io.Reader) ([]byte, error) { return readBeyond(buf, r, math.MaxInt64) }

// readBeyond is readAll, and stops at the first byte beyond the limit.
func readBeyond(buf []byte, r io.Reader, limit int64) ([]byte, error) {
	if cap(buf) == 0 {
		buf = make([]byte, 0, 4096)
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		room := cap(buf)
		if int64(room) > limit {
			room = int(limit) + 1
		}
		n, err := r.Read(buf[len(buf):room])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit || err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}
