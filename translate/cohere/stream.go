package cohere

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Events implements translate.Outbound. The terminal marker is message-end.
func (o Outbound) Events(body io.Reader) iter.Seq2[*translate.Event, error] {
	return func(yield func(*translate.Event, error) bool) {
		s := stream{o: o, yield: yield}
		scanner := sse.NewScanner(body, 0)
		defer scanner.Release()
		for !s.done {
			e, err := scanner.Next()
			if errors.Is(err, sse.ErrTooLong) {
				err = translate.Malformed(err)
			} else if err != nil {
				err = translate.Truncated(err)
			} else {
				err = s.event(e)
			}
			if err != nil && !s.done {
				yield(nil, err)
				return
			}
		}
	}
}

// origin is where a block comes from. Cohere numbers contents and tool calls
// apart from each other.
type origin struct {
	kind  string // "content", "plan", "call"
	index int64
}

// block is an open block.
type block struct {
	from  origin
	kind  translate.PartKind
	index int
	// held are arguments that may turn out to be "null", which stands for
	// none at all.
	held string
	// ended: Cohere has ended it. Citations may still come, so a text's end
	// waits for what follows.
	ended bool
}

type stream struct {
	o       Outbound
	yield   func(*translate.Event, error) bool
	f       frame
	started bool
	open    []block
	next    int
	calls   bool
	done    bool // stopped, or the reader has left
	last    translate.Event
}

// emit yields an event; it does nothing once the reader has left.
func (s *stream) emit(e translate.Event) {
	s.last = e
	if !s.done && !s.yield(&s.last, nil) {
		s.done = true
	}
}

func (s *stream) event(e *sse.Event) error {
	if string(e.Data) == "[DONE]" {
		return translate.Truncated(nil) // before message-end
	}
	f := &s.f
	if err := f.decode(e.Data); err != nil || len(s.open) > translate.MaxOpenBlocks {
		return translate.Malformed(err)
	}
	typ := f.typ
	if len(typ) == 0 {
		typ = e.Name
	}
	if f.failed || string(typ) == "error" {
		return s.o.ParseError(200, nil, slices.Clone(e.Data))
	}
	if !s.started && string(typ) != "debug" {
		s.started = true
		s.emit(translate.Event{Type: translate.EventStart, ID: f.id})
	}
	switch string(typ) {
	case "content-start", "content-delta":
		s.content()
	case "content-end":
		s.end(origin{"content", f.index})
	case "tool-plan-delta":
		s.endOthers("plan")
		s.delta(s.block(origin{"plan", 0}, translate.KindThinking), f.plan)
	case "tool-call-start":
		s.callStart()
	case "tool-call-delta":
		return s.callDelta()
	case "tool-call-end":
		s.end(origin{"call", f.index})
	case "citation-start":
		s.citation()
	case "message-end":
		return s.stop()
	case "message-start", "citation-end":
	default:
		if s.started {
			s.emit(translate.Event{Type: translate.EventPing})
		}
	}
	return nil
}

// block returns the open block that comes from there, or opens one.
func (s *stream) block(from origin, kind translate.PartKind) *block {
	for i := range s.open {
		if s.open[i].from == from && s.open[i].kind == kind && !s.open[i].ended {
			return &s.open[i]
		}
	}
	s.open = append(s.open, block{from: from, kind: kind, index: s.next})
	s.next++
	b := &s.open[len(s.open)-1]
	s.emit(translate.Event{Type: translate.EventBlockStart, Index: b.index, Kind: kind, ID: s.f.call.id, Name: s.f.call.name})
	return b
}

func (s *stream) delta(b *block, text string) {
	if text != "" {
		s.emit(translate.Event{Type: translate.EventBlockDelta, Index: b.index, Kind: b.kind, Text: []byte(text)})
	}
}

func (s *stream) content() {
	s.endOthers("content")
	kind := translate.KindText
	if s.f.isThinking {
		kind = translate.KindThinking
	}
	from := origin{"content", s.f.index}
	s.closeIf(func(b *block) bool { return b.ended || b.from == from && b.kind != kind })
	s.delta(s.block(from, kind), s.f.text)
}

// endOthers closes the texts that have ended, and the plan where something
// other than a plan comes: Cohere has no event for its end.
func (s *stream) endOthers(kind string) {
	s.closeIf(func(b *block) bool { return b.ended || b.from.kind == "plan" && kind != "plan" })
}

func (s *stream) closeIf(cond func(*block) bool) {
	kept := s.open[:0]
	for i := range s.open {
		b := &s.open[i]
		if !cond(b) {
			kept = append(kept, *b)
			continue
		}
		if b.held != "" && !isNull(b.held) {
			s.delta(b, b.held)
		}
		s.emit(translate.Event{Type: translate.EventBlockStop, Index: b.index, Kind: b.kind})
	}
	s.open = kept
}

func (s *stream) end(from origin) {
	for i := range s.open {
		if s.open[i].from == from && s.open[i].kind == translate.KindText {
			s.open[i].ended = true
			return
		}
	}
	s.closeIf(func(b *block) bool { return b.from == from })
}

func (s *stream) callStart() {
	s.endOthers("call")
	s.calls = true
	from := origin{"call", s.f.index}
	s.closeIf(func(b *block) bool { return b.from == from }) // an index used twice is two calls
	s.block(from, translate.KindToolUse)
	s.arguments(&s.open[len(s.open)-1])
}

func (s *stream) callDelta() error {
	from := origin{"call", s.f.index}
	for i := range s.open {
		if s.open[i].from == from {
			s.arguments(&s.open[i])
			return nil
		}
	}
	return translate.Malformed(errors.New("arguments of a tool call that has not started"))
}

func (s *stream) arguments(b *block) {
	text := b.held + s.f.call.arguments
	b.held = ""
	if trimmed := strings.TrimSpace(text); len(trimmed) <= 4 && trimmed == "null"[:len(trimmed)] {
		b.held = text
		return
	}
	s.delta(b, text)
}

func (s *stream) citation() {
	for _, raw := range s.f.citations {
		c, _, ok := citation(slices.Clone(raw))
		if !ok {
			continue // of a plan
		}
		var to *block
		for i := range s.open {
			if s.open[i].kind == translate.KindText {
				to = &s.open[i]
			}
		}
		if to == nil {
			to = s.block(origin{"content", -1}, translate.KindText)
		}
		s.emit(translate.Event{Type: translate.EventBlockDelta, Index: to.index, Kind: to.kind, Citation: &c})
	}
}

func (s *stream) stop() error {
	fin, err := finish(s.f.finish, s.calls, s.next > 0)
	if len(s.f.failure) > 0 {
		e := s.o.ParseError(200, nil, slices.Clone(s.f.failure))
		if fin.Native == "TIMEOUT" {
			e.Kind, e.Status = translate.Timeout, 0
		}
		return e
	}
	if err != nil {
		return err
	}
	s.closeIf(func(*block) bool { return true })
	s.emit(translate.Event{Type: translate.EventStop, Finish: fin, Usage: s.f.usage})
	s.done = true
	return nil
}

// frame is one event's JSON. Its members have the same meaning in all events.
type frame struct {
	d          jsonx.Decoder
	typ        []byte
	id         string
	index      int64
	text       string // content's text or thinking
	isThinking bool
	plan       string
	call       call
	citations  [][]byte
	finish     string
	usage      *translate.Usage
	failure    []byte // message-end's error
	failed     bool   // the whole event is an error
}

func (f *frame) decode(data []byte) error {
	*f = frame{citations: f.citations[:0]}
	d := &f.d
	d.Reset(data)
	message := false
	for key := range d.Members() {
		switch string(key) {
		case "type":
			f.typ = d.StringBytes()
		case "id":
			f.id = d.String()
		case "index":
			f.index = d.Int()
		case "error":
			f.failed = !d.Null()
		case "message":
			message = d.Kind() == jsonx.String
		case "delta":
			for key := range d.Members() {
				f.deltaMember(d, key)
			}
		}
	}
	f.failed = f.failed || message && len(f.typ) == 0
	return d.End()
}

func (f *frame) deltaMember(d *jsonx.Decoder, key []byte) {
	switch string(key) {
	case "finish_reason":
		f.finish = d.String()
	case "usage":
		f.usage = usage(d)
	case "error":
		if !d.Null() {
			f.failure = d.Raw()
		}
	case "message":
		for key := range d.Members() {
			switch string(key) {
			case "content":
				f.eachOf(d, (*frame).content)
			case "tool_plan":
				f.plan = d.String()
			case "tool_calls":
				f.eachOf(d, func(f *frame, d *jsonx.Decoder) { f.call = decodeCall(d) })
			case "citations":
				f.eachOf(d, func(f *frame, d *jsonx.Decoder) { f.citations = append(f.citations, d.Raw()) })
			}
		}
	}
}

// eachOf reads an object, or the objects of an array: message-start has empty
// arrays where later events have single objects.
func (f *frame) eachOf(d *jsonx.Decoder, read func(*frame, *jsonx.Decoder)) {
	if d.Kind() != jsonx.Array {
		read(f, d)
		return
	}
	for range d.Elements() {
		read(f, d)
	}
}

func (f *frame) content(d *jsonx.Decoder) {
	if d.Kind() == jsonx.String {
		f.text = d.String()
		return
	}
	for key := range d.Members() {
		switch string(key) {
		case "type":
			f.isThinking = f.isThinking || string(d.StringBytes()) == "thinking"
		case "thinking":
			f.text, f.isThinking = d.String(), true
		case "text":
			if text := d.String(); text != "" || !f.isThinking {
				f.text = text
			}
		}
	}
}
