package openai

import (
	"bytes"
	"io"
	"iter"
	"net/http"
	"sync"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseResponse implements translate.Outbound.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) {
	d := decoder{o: o, body: true}
	if err := d.value(bytes.TrimSpace(body), false); err != nil {
		return nil, err
	}
	if !d.started {
		return nil, translate.Malformed(errNoChoices)
	}
	resp, err := translate.Collect(func(yield func(*translate.Event, error) bool) {
		for i := range d.queue {
			if !yield(&d.queue[i], nil) {
				return
			}
		}
		d.stop()
		for i := range d.queue {
			if !yield(&d.queue[i], nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	resp.Logprobs = bytes.Clone(d.logprobs)
	return resp, nil
}

// Summarize implements translate.Summarizer.
func (o Outbound) Summarize(body []byte) (*translate.Response, error) {
	d := decoder{o: o, brief: true}
	if err := d.read(bytes.TrimSpace(body), false); err != nil {
		return nil, err
	}
	if !d.chunk.content {
		return nil, translate.Malformed(errNoChoices)
	}
	return &translate.Response{ID: d.id, Model: d.model, Created: d.created, ServiceTier: d.tier, Finish: d.finishOf(), Usage: d.usage}, nil
}

var errNoChoices = &jsonx.SyntaxError{Msg: "an answer without choices"}

// ParseError implements translate.Outbound.
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	return translate.ParseErrorBody(status, h, body)
}

// Events implements translate.Outbound. The stream is complete when a
// finish_reason was read and it ends, or [DONE] was: Perplexity and Cerebras send no [DONE],
// Workers AI no reason.
func (o Outbound) Events(body io.Reader) iter.Seq2[*translate.Event, error] {
	return func(yield func(*translate.Event, error) bool) {
		s := sse.NewScanner(body, 0)
		defer s.Release()
		d := decoders.Get().(*decoder)
		defer d.release()
		d.o = o
		for {
			done, err := d.frame(s)
			if !d.yield(yield) || done {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// decoders are those of streams. They are large, and a stream's stack is held
// as long as it is open.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

func (d *decoder) release() {
	clear(d.queue[:cap(d.queue)])
	*d = decoder{queue: d.queue[:0]}
	decoders.Put(d)
}

// frame reads the next frame; done reports that it was the last. Its events are
// in d.queue.
func (d *decoder) frame(s *sse.Scanner) (done bool, err error) {
	d.queue = d.queue[:0]
	ev, err := s.Next()
	failed := string(ev.Name) == "error"
	if len(ev.Text) > 0 && !failed {
		d.textDelta(d.likeKind, ev.Text)
		return false, nil
	}
	data := bytes.TrimSpace(ev.Data)
	last := err == nil && string(data) == "[DONE]"
	switch {
	case last && d.started || err == io.EOF && d.finished:
		d.stop()
		return true, nil
	case last: // nothing came before it
		return false, translate.Truncated(io.EOF)
	case err != nil:
		return false, translate.Truncated(err)
	case len(data) == 0:
		return false, nil
	}
	if err := d.value(ev.Data, failed); err != nil {
		d.queue = d.queue[:0]
		return false, err
	}
	if end := d.chunk.delta.textEnd; end > 0 && len(d.queue) == 1 {
		s.Like(end)
		d.likeKind = d.queue[0].Kind
	}
	return false, nil
}

func (d *decoder) yield(yield func(*translate.Event, error) bool) bool {
	for i := range d.queue {
		if !yield(&d.queue[i], nil) {
			return false
		}
	}
	return true
}
