package openai

import (
	"bytes"
	"io"
	"iter"
	"net/http"

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
	resp, err := translate.Collect(func(yield func(translate.Event, error) bool) {
		for i := range d.queue {
			if !yield(d.queue[i], nil) {
				return
			}
		}
		d.stop()
		for i := range d.queue {
			if !yield(d.queue[i], nil) {
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
func (o Outbound) Events(body io.Reader) iter.Seq2[translate.Event, error] {
	return func(yield func(translate.Event, error) bool) {
		s := sse.NewScanner(body, 0)
		defer s.Release()
		d := decoder{o: o}
		for {
			ev, err := s.Next()
			done := err == io.EOF && d.finished || err == nil && d.started && string(bytes.TrimSpace(ev.Data)) == "[DONE]"
			if done {
				d.stop()
				d.yield(yield)
				return
			}
			if err == nil && string(bytes.TrimSpace(ev.Data)) == "[DONE]" {
				err = io.EOF // nothing came before it
			}
			if err != nil {
				yield(translate.Event{}, translate.Truncated(err))
				return
			}
			if len(bytes.TrimSpace(ev.Data)) == 0 {
				continue
			}
			err = d.value(ev.Data, string(ev.Name) == "error")
			if err != nil {
				yield(translate.Event{}, err)
				return
			}
			if !d.yield(yield) {
				return
			}
		}
	}
}

func (d *decoder) yield(yield func(translate.Event, error) bool) bool {
	for i := range d.queue {
		if !yield(d.queue[i], nil) {
			return false
		}
	}
	return true
}
