package llmproxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// relay passes a chat answer on: the provider's bytes where the client speaks
// its format, else the answer translated. Until the first content nothing is
// sent, so that a failure before it may lead to another attempt.
func (a *attempt) relay(resp *http.Response) error {
	body, err := decoded(resp, a.p.Limits.Inflated)
	if err != nil {
		return err
	}
	r := &a.reader
	*r = bodyReader{a: a, r: body}
	same, got := a.format == a.rt.format, isStream(resp.Header)
	switch {
	case !a.stream || !got:
		return a.relayOther(resp, r, same, got)
	case same && !a.rt.jsonArray:
		return a.relayStream(resp, r)
	}
	return a.translateStream(resp, r, a.out.Events(r))
}

// relayOther is relay where no stream was asked for, or none came.
func (a *attempt) relayOther(resp *http.Response, r *bodyReader, same, got bool) error {
	switch {
	case !a.stream && !got && same:
		return a.relayWhole(resp, r)
	case a.stream:
		return a.parseWhole(r, func(whole *translate.Response) error {
			return a.translateStream(resp, r, translate.Replay(whole))
		})
	case got:
		r.left = a.p.Limits.ResponseBody + 1
		whole, err := translate.Collect(a.out.Events(r))
		if err != nil {
			return err
		}
		return a.translateWhole(resp, whole)
	default:
		return a.parseWhole(r, func(whole *translate.Response) error { return a.translateWhole(resp, whole) })
	}
}

// relayWhole passes a whole answer on as it came. It is read first, because
// some providers report failures under HTTP 200.
func (a *attempt) relayWhole(resp *http.Response, r io.Reader) error {
	buf := newBuffer(a.expected())
	defer buf.free()
	body, rest, err := a.readWhole(buf.b, r)
	if err != nil {
		return err
	}
	buf.b = body
	if !rest {
		parsed, err := translate.Summarize(a.out, body)
		if err != nil && !translate.IsMalformed(err) {
			return &failure{ownBody(err), resp.Header, false}
		}
		if err != nil && !jsonx.Valid(body) {
			return err // cut, or no answer of a model at all
		}
		if err == nil {
			a.observeResponse(parsed)
		}
	}
	a.writeHeader(resp, first(resp.Header, "Content-Type"), true)
	a.firstByte()
	if !rest {
		a.set(a.w.Header(), "Content-Length", strconv.Itoa(len(body)))
	}
	a.w.WriteHeader(resp.StatusCode)
	if err := a.write(body); err != nil || !rest {
		return err
	}
	n, err := a.copyFlushing(r)
	a.rec.BytesOut += n
	if err != nil && !errors.Is(err, errClientGone) {
		return &abortError{err}
	}
	return err
}

// ownBody returns err with a body of its own, as the one that it was read from
// is about to be used for something else.
func ownBody(err error) *translate.Error {
	e := *translate.AsError(err)
	e.Body = bytes.Clone(e.Body)
	return &e
}

// abortError is a failure in the middle of an answer whose format has no way to
// say so: the connection is broken, so that half an answer does not look whole.
type abortError struct{ err error }

func (e *abortError) Error() string { return "the answer broke off: " + e.err.Error() }
func (e *abortError) Unwrap() error { return e.err }

// translateWhole answers with a translated answer.
func (a *attempt) translateWhole(resp *http.Response, whole *translate.Response) error {
	if err := a.parseRequest(); err != nil {
		return err
	}
	a.observeResponse(whole)
	for _, p := range whole.Parts {
		a.claim(p)
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	body, losses := a.inbound().AppendResponse(buf[:0], a.req, whole)
	a.losses = append(append(a.losses, whole.Losses...), losses...)
	a.writeHeader(resp, "application/json", false)
	a.firstByte()
	a.set(a.w.Header(), "Content-Length", strconv.Itoa(len(body)))
	a.w.WriteHeader(resp.StatusCode)
	return a.write(body)
}

// claim marks reasoning state as made with this attempt's key, so that the
// conversation comes back to it.
func (a *attempt) claim(p translate.Part) {
	switch p := p.(type) {
	case *translate.Text:
		p.State = a.claimed(p.State)
	case *translate.Thinking:
		p.State = a.claimed(p.State)
	case *translate.ToolUse:
		p.State = a.claimed(p.State)
	}
}

func (a *attempt) claimed(s *translate.State) *translate.State {
	if s == nil || a.key.ID == "" || a.format == a.rt.format {
		return s
	}
	c := *s
	c.Key = a.key.ID
	return &c
}

// write writes to the client, without the key's secret, and counts. It may
// change b.
func (a *attempt) write(b []byte) error {
	if a.gone.Load() {
		return nil
	}
	mask(b, a.key.Secret)
	n, err := a.w.Write(b)
	a.rec.BytesOut += int64(n)
	if err != nil {
		if a.p.OnAbort.Drain > 0 && a.streaming.Load() {
			a.gone.Store(true) // the server will cancel the request's context, too
			return nil
		}
		return errors.Join(errClientGone, err)
	}
	return nil
}

func (x *exchange) flush() {
	// A writer that cannot flush sends at the end; there is nothing to do.
	_ = http.NewResponseController(x.w).Flush()
}

func (a *attempt) firstByte() {
	a.rec.FirstByte = a.p.now().Sub(a.start)
	a.watch.expect(a.p.Timeouts.Idle, errIdleTimeout)
}

func (a *attempt) observeResponse(r *translate.Response) {
	a.rec.ResponseID, a.rec.ResponseModel, a.rec.Finish = r.ID, r.Model, r.Finish
	if r.Usage != nil {
		a.rec.Usage, a.told = r.Usage, true
	}
}

func (a *attempt) observeEvent(e *translate.Event) {
	switch e.Type {
	case translate.EventStart:
		a.rec.ResponseID, a.rec.ResponseModel = e.ID, e.Model
	case translate.EventStop:
		a.rec.Finish, a.told = e.Finish, e.Usage != nil
	case translate.EventPing:
		if e.Usage != nil {
			a.rec.Finish, a.told = e.Finish, true
		}
	default:
		return
	}
	if e.Usage != nil {
		a.rec.Usage = e.Usage
	}
}

// streamHeader commits the exchange to a stream.
func (a *attempt) streamHeader(resp *http.Response, contentType string, raw bool) {
	h := a.w.Header()
	a.writeHeader(resp, contentType, raw)
	a.set(h, "Cache-Control", "no-cache")
	a.set(h, "X-Accel-Buffering", "no") // nginx would gather the stream
	a.firstByte()
	a.w.WriteHeader(resp.StatusCode)
	a.streaming.Store(true)
}

// relayStream passes a stream on as it comes, frame by frame, and reads along:
// for the first content, for usage, and for the end, which a stream that is
// cut has not.
func (a *attempt) relayStream(resp *http.Response, r *bodyReader) error {
	raw := newRawStream(a, resp, r)
	defer raw.release()
	a.out.Events(raw)(raw.event) // a loop's variables would be on the heap
	switch {
	case raw.failed != nil:
		return a.endRaw(resp, raw, raw.failed)
	case raw.err != nil:
		return raw.err
	}
	if raw.drain() != nil {
		return raw.err // if the client could be written to, all that matters has been
	}
	return nil
}

// endRaw ends a stream that failed, or that could not be followed.
func (a *attempt) endRaw(resp *http.Response, raw *rawStream, err error) error {
	if translate.IsMalformed(err) && raw.ended && raw.partial {
		err = translate.Truncated(nil) // the last frame is cut, so no wonder
	}
	switch {
	case raw.err != nil:
		return raw.err
	case translate.IsMalformed(err):
		// Not to be understood, which is no reason not to pass it on.
		if !a.committed {
			a.streamHeader(resp, "text/event-stream", true)
		}
		if derr := raw.drain(); derr != nil && raw.err == nil {
			return &abortError{derr}
		}
		return raw.err
	case !a.committed:
		return &failure{translate.AsError(a.explain(resp.Request.Context(), err)), resp.Header, false}
	case translate.IsTruncated(err):
		err = a.explain(resp.Request.Context(), err)
		if perr := a.parseRequest(); perr != nil {
			return &abortError{err}
		}
		w := a.inbound().NewEventWriter(a.req)
		if werr := a.write(w.AppendError(nil, translate.AsError(err))); werr != nil {
			return werr
		}
		a.flush()
		return err
	}
	// The provider's own error event, which the client has been sent.
	if raw.drain() != nil && raw.err != nil {
		return raw.err
	}
	return err
}

// copyBuffers hold what is passed on unread.
var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyFlushing copies r to the client, flushing after each read.
func (a *attempt) copyFlushing(r io.Reader) (n int64, err error) {
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	r = withoutSecret(r, a.key.Secret)
	for {
		m, err := r.Read(buf[:])
		if m > 0 {
			if a.rec.FirstByte == 0 {
				a.firstByte()
			} else {
				a.watch.progress(a.p.Timeouts.Idle)
			}
			if _, werr := a.w.Write(buf[:m]); werr != nil {
				return n, errors.Join(errClientGone, werr)
			}
			n += int64(m)
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		a.flush()
	}
}
