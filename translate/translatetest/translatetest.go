// Package translatetest tests codecs: whatever implements translate.Inbound or
// translate.Outbound is held to what those interfaces promise.
package translatetest

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Codec is what TestCodec tests.
type Codec struct {
	Format   translate.Format
	Inbound  translate.Inbound // nil where no client speaks the format
	Outbound translate.Outbound
	// Model is one that takes everything the format can say.
	Model string
}

// TestCodec checks that
//   - a request is written the same each time, and not changed by it;
//   - what is written, read and written again is the same, where the codec has
//     both sides;
//   - an answer reads back as it was written, whole and as a stream, whatever
//     the order of its events and the sizes of the reads;
//   - a stream that is cut is an error, and so is one that ends in an error;
//   - errors keep their kind and message;
//   - all of it may be used concurrently.
//
// A concept that a codec refuses with an *Error of Kind InvalidRequest or
// Unsupported is skipped.
func TestCodec(t *testing.T, c Codec) {
	t.Run("requests", func(t *testing.T) { testRequests(t, c) })
	t.Run("errors", func(t *testing.T) { testErrors(t, c) })
	if c.Inbound != nil && c.Outbound != nil {
		t.Run("answers", func(t *testing.T) { testAnswers(t, c) })
		t.Run("streams", func(t *testing.T) { testStreams(t, c) })
	}
	t.Run("concurrency", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { testRequests(t, c) })
		}
		wg.Wait()
	})
}

func testRequests(t *testing.T, c Codec) {
	if c.Outbound == nil {
		return
	}
	for name, build := range Requests() {
		r, untouched := build(), build()
		r.Model, untouched.Model = c.Model, c.Model
		body, _, err := c.Outbound.AppendRequest(nil, r)
		if err != nil {
			if e := translate.AsError(err); e.Kind != translate.InvalidRequest && e.Kind != translate.Unsupported {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !json.Valid(body) {
			t.Errorf("%s: not JSON: %s", name, body)
			continue
		}
		if !reflect.DeepEqual(r, untouched) {
			t.Errorf("%s: the request was changed", name)
		}
		if again, _, _ := c.Outbound.AppendRequest([]byte("prefix "), r); string(again) != "prefix "+string(body) {
			t.Errorf("%s: written twice, the request differs:\n%s\n%s", name, body, again)
		}
		if c.Inbound == nil {
			continue
		}
		first, err := c.Inbound.ParseRequest(body)
		if err != nil {
			t.Errorf("%s: the codec cannot read its own request: %v\n%s", name, err, body)
			continue
		}
		first.Model, first.Stream = c.Model, r.Stream
		body2, _, err := c.Outbound.AppendRequest(nil, first)
		if err != nil {
			t.Errorf("%s: the codec cannot write what it read: %v\n%s", name, err, body)
			continue
		}
		second, err := c.Inbound.ParseRequest(body2)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, body2)
			continue
		}
		second.Model, second.Stream = c.Model, r.Stream
		first.Losses, second.Losses = nil, nil
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: read, written and read again, the request differs:\n%s\n%s", name, body, body2)
		}
	}
}

// likeness is what must be the same of two readings of one answer.
type likeness struct {
	Parts  []part
	Reason translate.FinishReason
	Usage  translate.Usage
}

type part struct{ kind, text, name, id string }

func like(r *translate.Response) likeness {
	l := likeness{Reason: r.Finish.Reason}
	if r.Usage != nil {
		l.Usage = *r.Usage
	}
	for _, p := range r.Parts {
		switch p := p.(type) {
		case *translate.Text:
			l.Parts = append(l.Parts, part{kind: "text", text: p.Text})
		case *translate.Thinking:
			l.Parts = append(l.Parts, part{kind: "thinking", text: p.Text})
		case *translate.ToolUse:
			id, _, _ := translate.UnpackToolID(p.ID)
			l.Parts = append(l.Parts, part{kind: "call", text: p.InputText(), name: p.Name, id: id})
		case *translate.Refusal:
			l.Parts = append(l.Parts, part{kind: "refusal", text: p.Text})
		}
	}
	return l
}

// request is what the answers below answer.
func request() *translate.Request {
	return &translate.Request{Stream: true, IncludeUsage: true, Messages: []translate.Message{{Role: translate.User, Parts: []translate.Part{&translate.Text{Text: "q"}}}}}
}

func testAnswers(t *testing.T, c Codec) {
	for name, build := range Answers() {
		body, _ := c.Inbound.AppendResponse(nil, request(), build())
		if !json.Valid(body) {
			t.Errorf("%s: not JSON: %s", name, body)
			continue
		}
		whole, err := c.Outbound.ParseResponse(body)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, body)
			continue
		}
		buf := bytes.Clone(body)
		summary, err := translate.Summarize(c.Outbound, buf)
		if _, ok := c.Outbound.(translate.Summarizer); ok {
			for i := range buf {
				buf[i] = '#' // which the summary must not alias
			}
		}
		if err != nil || summary.ID != whole.ID || summary.Finish != whole.Finish || !reflect.DeepEqual(summary.Usage, whole.Usage) {
			t.Errorf("%s: summed up as %+v, %v, which is %+v", name, summary, err, whole)
		}
		stream := write(c, translate.Replay(build()))
		streamed, err := translate.Collect(translate.Check(c.Outbound.Events(bytes.NewReader(stream))))
		if err != nil {
			t.Errorf("%s, stream: %v\n%s", name, err, stream)
			continue
		}
		if want := like(build()); !reflect.DeepEqual(like(whole), want) || !reflect.DeepEqual(like(streamed), want) {
			t.Errorf("%s:\nwritten  %+v\nwhole    %+v\nstreamed %+v", name, want, like(whole), like(streamed))
		}
	}
}

func write(c Codec, events func(func(*translate.Event, error) bool)) []byte {
	w := c.Inbound.NewEventWriter(request())
	var out []byte
	for e, _ := range events { // which do not fail
		out = w.AppendEvent(out, e)
	}
	return out
}

func sequence(events []translate.Event) func(func(*translate.Event, error) bool) {
	return func(yield func(*translate.Event, error) bool) {
		for i := range events {
			if !yield(&events[i], nil) {
				return
			}
		}
	}
}

func testStreams(t *testing.T, c Codec) {
	stream := write(c, sequence(Interleaved()))
	full, err := translate.Collect(translate.Check(c.Outbound.Events(bytes.NewReader(stream))))
	if err != nil {
		t.Fatalf("%v\n%s", err, stream)
	}
	want, err := translate.Collect(sequence(Interleaved()))
	if err != nil || !reflect.DeepEqual(like(full), like(want)) {
		t.Errorf("interleaved calls:\n got %+v\nwant %+v", like(full), like(want))
	}
	if bytes.Contains(stream, []byte(`data: {"error":null`)) {
		t.Error("a null error on top of a frame, which openai-go takes for a failure")
	}
	split, err := translate.Collect(translate.Check(c.Outbound.Events(iotest.OneByteReader(bytes.NewReader(stream)))))
	if err != nil || !reflect.DeepEqual(like(full), like(split)) {
		t.Errorf("read byte by byte: %+v, %v", like(split), err)
	}
	for i := range stream {
		cut, err := translate.Collect(translate.Check(c.Outbound.Events(bytes.NewReader(stream[:i]))))
		if err != nil {
			continue
		}
		// A format may put the usage after its terminal marker.
		got, want := like(cut), like(full)
		if got.Usage = want.Usage; !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at byte %d of %d the stream looks whole: %+v", i, len(stream), got)
		}
	}
	broken, err := translate.Collect(c.Outbound.Events(io.MultiReader(bytes.NewReader(stream[:len(stream)/2]), iotest.ErrReader(io.ErrUnexpectedEOF))))
	if err == nil {
		t.Errorf("the reader's error is lost: %+v", like(broken))
	}
	for n := range len(Interleaved()) { // a failure at any moment before the end
		w := c.Inbound.NewEventWriter(request())
		var out []byte
		for _, e := range Interleaved()[:n] {
			out = w.AppendEvent(out, &e)
		}
		out = w.AppendError(out, &translate.Error{Kind: translate.Overloaded, Message: "it broke"})
		_, err := translate.Collect(c.Outbound.Events(bytes.NewReader(out)))
		if e := translate.AsError(err); err == nil || !strings.Contains(e.Message, "it broke") {
			t.Errorf("failed after %d events: %v\n%s", n, err, out)
		}
	}
}

func testErrors(t *testing.T, c Codec) {
	if c.Inbound == nil || c.Outbound == nil {
		return
	}
	for _, kind := range []translate.ErrorKind{
		translate.InvalidRequest, translate.Authentication, translate.Permission, translate.NotFound, translate.TooLarge, translate.RateLimit, translate.QuotaExceeded, translate.Overloaded, translate.Timeout, translate.Upstream,
	} {
		e := &translate.Error{Kind: kind, Message: `what "went" wrong`}
		body := c.Inbound.AppendError(nil, e)
		if !json.Valid(body) {
			t.Errorf("%s: not JSON: %s", kind, body)
			continue
		}
		got := c.Outbound.ParseError(e.StatusCode(), nil, body)
		if got.Kind != kind || got.Message != e.Message || got.Status != e.StatusCode() {
			t.Errorf("%s became %s %d %q: %s", kind, got.Kind, got.Status, got.Message, body)
		}
	}
}
