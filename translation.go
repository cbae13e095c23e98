package llmproxy

import (
	"iter"
	"net/http"
	"sync"

	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// translateStream writes events in the client's format as they come.
func (a *attempt) translateStream(resp *http.Response, r *bodyReader, events iter.Seq2[*translate.Event, error]) error {
	if err := a.parseRequest(); err != nil {
		return err
	}
	t := newTranslation(a, resp)
	defer t.release()
	r.flush = t.flush
	events(t.take) // a loop's variables would be on the heap
	if t.err != nil {
		return t.fail(t.err)
	}
	return t.write() // which the end of the answer is sent with
}

// translation is a stream on its way into the client's format. It is not part
// of translateStream's frame, which is as deep in the stack as a stream waits.
type translation struct {
	a      *attempt
	resp   *http.Response
	w      translate.EventWriter
	buf    []byte      // not yet written
	pooled *sse.Buffer // buf's memory, unless it is empty or has grown
	err    error       // that ended it
	gone   error       // of writing to the client
}

var translations = sync.Pool{New: func() any { return new(translation) }}

func newTranslation(a *attempt, resp *http.Response) *translation {
	t := translations.Get().(*translation)
	t.a, t.resp, t.w = a, resp, a.inbound().NewEventWriter(a.req)
	return t
}

func (t *translation) release() {
	t.a.lost(t.w.Losses())
	t.free()
	*t = translation{}
	translations.Put(t)
}

// free gives back the memory of what is written: a stream that waits holds none.
func (t *translation) free() {
	if t.pooled != nil {
		sse.Buffers.Put(t.pooled)
	}
	t.buf, t.pooled = nil, nil
}

// flush lets the client have what there is.
func (t *translation) flush() error {
	held := len(t.buf)
	err := t.write()
	if err == nil && len(t.buf) < held {
		t.a.flush()
	}
	return err
}

func (t *translation) write() error {
	if len(t.buf) == 0 || !t.a.committed {
		return nil
	}
	t.gone = t.a.write(t.buf)
	t.free()
	return t.gone
}

func (t *translation) take(e *translate.Event, err error) bool {
	if t.err = err; err == nil {
		t.err = t.event(e)
	}
	return t.err == nil
}

func (t *translation) event(e *translate.Event) error {
	a := t.a
	a.text += int64(len(e.Text))
	if err := a.bounded(len(t.buf)); err != nil {
		return err
	}
	a.observeEvent(e)
	if len(e.Losses) > 0 {
		a.lost(e.Losses)
	}
	if e.State != nil {
		e.State = a.claimed(e.State)
	}
	if t.buf == nil {
		t.pooled = sse.Buffers.Get().(*sse.Buffer)
		t.buf = t.pooled[:0]
	}
	t.buf = t.w.AppendEvent(t.buf, e)
	if !a.committed && e.IsContent() {
		contentType := "text/event-stream"
		if a.rt.jsonArray {
			contentType = "application/json"
		}
		a.streamHeader(t.resp, contentType, false)
		a.forget()
	}
	return nil
}

// lost records what an answer loses on its way, of which a stream may have any
// number.
func (x *exchange) lost(losses []translate.Loss) {
	all := translate.Losses(x.rec.Losses)
	for _, l := range losses {
		all.Add(l.Path, l.Reason)
	}
	x.rec.Losses = all
}

// fail ends the stream with an error, in its own words once it has begun.
func (t *translation) fail(err error) error {
	if t.gone != nil {
		return t.gone
	}
	if !t.a.committed {
		return err
	}
	err = t.a.explain(t.resp.Request.Context(), err)
	t.buf = t.w.AppendError(t.buf, translate.AsError(err))
	if ferr := t.flush(); ferr != nil {
		return ferr
	}
	return err
}

// bounded reports an answer whose text is too long, or one that has held bytes
// and no content yet.
func (a *attempt) bounded(held int) error {
	switch limit := a.p.Limits.ResponseBody; {
	case a.text > limit: // some formats repeat the answer at its end, so that it is held
		return &limitError{answerTooLarge, limit}
	case !a.committed && int64(held) > limit:
		return &limitError{noContent, limit}
	}
	return nil
}
