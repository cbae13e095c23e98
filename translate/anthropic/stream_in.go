package anthropic

import (
	"bytes"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Events implements translate.Outbound.
func (o Outbound) Events(body io.Reader) iter.Seq2[*translate.Event, error] {
	return func(yield func(*translate.Event, error) bool) {
		s := sse.NewScanner(body, 0)
		defer s.Release()
		dec := streamReaders.Get().(*streamReader)
		defer dec.release()
		dec.o = o
		for !dec.done {
			err := dec.next(s)
			for i := range dec.queue {
				if !yield(&dec.queue[i], nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// streamReaders are not on the stack, which is held as long as a stream is open.
var streamReaders = sync.Pool{New: func() any { return new(streamReader) }}

func (s *streamReader) release() {
	clear(s.queue[:cap(s.queue)])
	clear(s.open[:cap(s.open)])
	*s = streamReader{queue: s.queue[:0], open: s.open[:0], spare: s.spare}
	streamReaders.Put(s)
}

// next reads the next frame, whose events are in s.queue.
func (s *streamReader) next(from *sse.Scanner) error {
	s.queue = s.queue[:0]
	frame, err := from.Next()
	if err != nil {
		return translate.Truncated(err)
	}
	return s.event(from, frame)
}

// event reads an event. It is not part of next, as that is a stack's depth where
// a stream waits.
func (s *streamReader) event(from *sse.Scanner, e *sse.Event) error {
	if len(e.Text) > 0 {
		s.text(s.likeTo, e.Text)
		return nil
	}
	s.textEnd = 0
	err := s.frame(e.Data)
	if s.textEnd > 0 || s.likeTo == nil {
		from.Like(s.textEnd)
	}
	return err
}

// streamReader turns the frames of a stream into events.
type streamReader struct {
	o       Outbound
	queue   []translate.Event // what the last frame gave
	a       answer
	started bool
	done    bool
	blocks  int // how many have begun
	open    []*openBlock
	spare   *openBlock // one that has ended; may be nil

	message, block jsonx.Decoder // of the frame under way

	textEnd int        // where its text ends, if it is a delta of nothing but text; else 0
	likeTo  *openBlock // the block of the last such delta; nil: it has ended
}

// openBlock is a block under way.
type openBlock struct {
	at        int64 // the provider's index
	index     int   // ours
	kind      translate.PartKind
	redacted  bool
	signature []byte
	input     []byte // a tool's, as content_block_start has it
	fragments bool   // input_json_delta came
	opaque    *translate.Opaque
	json      []byte // an opaque block's input, from its deltas
	content   []byte // its content, if one of them had it
}

func (s *streamReader) emit(e translate.Event) { *s.add() = e }

// add adds an empty event to the queue, to be filled where it is: events are large.
func (s *streamReader) add() *translate.Event {
	s.queue = append(s.queue, translate.Event{})
	return &s.queue[len(s.queue)-1]
}

func (s *streamReader) frame(data []byte) error {
	var (
		d     = jsonx.NewDecoder(data)
		typ   []byte
		at    int64
		delta delta
	)
	for k := range d.Members() {
		switch string(k) {
		case "type":
			typ = d.StringBytes()
		case "index":
			at = d.Int()
		case "message":
			s.message = *d
		case "content_block":
			s.block = *d
		case "delta":
			s.delta(d, &delta)
		case "usage":
			s.a.usage.read(d)
		case "error":
			s.a.failed = s.a.failed || !d.Null()
		}
	}
	if err := d.End(); err != nil {
		return translate.Malformed(err)
	}
	if s.a.failed || string(typ) == "error" {
		return s.o.ParseError(200, nil, bytes.Clone(data))
	}
	switch string(typ) {
	case "message_start":
		return s.start(&s.message)
	case "message_stop":
		if !s.started {
			return translate.Malformed(nil)
		}
		for len(s.open) > 0 {
			s.stop(s.open[0])
		}
		s.done = true
		s.emit(translate.Event{Type: translate.EventStop, Finish: s.a.finish(), Usage: s.a.usage.usage(), ServiceTier: s.a.usage.tier})
		return nil
	case "message_delta":
		if f := s.a.finish(); s.started && f.Native != "" { // message_stop may never come
			s.emit(translate.Event{Type: translate.EventPing, Finish: f, Usage: s.a.usage.usage()})
		}
	case "content_block_start":
		if !s.started {
			return translate.Malformed(nil)
		}
		return s.begin(&s.block, at)
	case "content_block_delta":
		if b := s.find(at); b != nil {
			s.apply(b, &delta)
			if delta.end > 0 && len(s.queue) == 1 {
				s.textEnd, s.likeTo = delta.end, b
			}
		}
	case "content_block_stop":
		if b := s.find(at); b != nil {
			s.stop(b)
		}
	}
	if s.started && len(s.queue) == 0 {
		s.emit(translate.Event{Type: translate.EventPing})
	}
	return nil
}

func (s *streamReader) start(d *jsonx.Decoder) error {
	if s.started || d.Kind() != jsonx.Object {
		return translate.Malformed(d.Err())
	}
	for k := range d.Members() {
		s.a.member(string(k), d)
	}
	if d.Err() != nil {
		return translate.Malformed(d.Err())
	}
	s.started = true
	s.emit(translate.Event{Type: translate.EventStart, ID: s.a.id, Model: s.a.model, Usage: s.a.usage.usage(), ServiceTier: s.a.usage.tier})
	return nil
}

func (s *streamReader) find(at int64) *openBlock {
	for _, b := range s.open {
		if b.at == at {
			return b
		}
	}
	return nil
}

// begin reads a content_block_start.
func (s *streamReader) begin(d *jsonx.Decoder, at int64) error {
	if b := s.find(at); b != nil {
		s.stop(b)
	}
	r := blockReader{d: d, path: new(path), provider: &s.o}
	parts := r.block(nil)
	if d.Err() != nil || len(parts) == 0 || len(s.open) == translate.MaxOpenBlocks {
		return translate.Malformed(d.Err())
	}
	b := s.spare
	if s.spare = nil; b == nil {
		b = new(openBlock)
	}
	*b = openBlock{at: at, index: s.blocks}
	s.open = append(s.open, b)
	e := translate.Event{Type: translate.EventBlockStart, Index: b.index}
	text, cites := "", []translate.Citation(nil)
	switch p := parts[0].(type) {
	case *translate.Text:
		b.kind, text, cites = translate.KindText, p.Text, p.Citations
	case *translate.Thinking:
		b.kind, b.redacted, e.Redacted, text = translate.KindThinking, p.Redacted, p.Redacted, p.Text
		if p.State != nil {
			b.signature = []byte(p.State.Data)
		}
	case *translate.ToolUse:
		s.a.calls = true
		b.kind, e.ID, e.Name = translate.KindToolUse, p.ID, p.Name
		if !emptyObject(p.Input) { // some servers send the input whole
			b.input = bytes.Clone(p.Input)
		}
	case *translate.Opaque:
		b.kind = translate.KindOpaque
		b.opaque = &translate.Opaque{Format: p.Format, Type: p.Type, Raw: bytes.Clone(p.Raw)}
		return nil // emitted when it is whole
	default:
		b.kind = translate.KindOpaque
		b.opaque = &translate.Opaque{Format: translate.Anthropic, Type: "media", Raw: []byte("{}")}
		return nil
	}
	s.blocks++
	e.Kind = b.kind
	s.emit(e)
	s.text(b, []byte(text))
	for i := range cites {
		s.emit(translate.Event{Type: translate.EventBlockDelta, Index: b.index, Kind: b.kind, Citation: &cites[i]})
	}
	return nil
}

func (s *streamReader) text(b *openBlock, text []byte) {
	if len(text) > 0 {
		e := s.add()
		e.Type, e.Index, e.Kind, e.Text = translate.EventBlockDelta, b.index, b.kind, text
	}
}

// delta is what a delta says, whatever its type: their members differ.
type delta struct {
	text, json, thinking []byte
	signature            []byte
	citation             *translate.Citation
	content              []byte // a compaction's
	end                  int    // where the literal of its one text ends; 0: it has none, or more
}

func (s *streamReader) delta(d *jsonx.Decoder, out *delta) {
	if d.Kind() != jsonx.Object {
		return
	}
	texts := 0
	text := func() []byte {
		b := d.StringBytes()
		texts++
		out.end = d.Offset()
		return b
	}
	for k := range d.Members() {
		switch key := string(k); key {
		case "type":
			continue
		case "text":
			out.text = text()
			continue
		case "partial_json":
			out.json = text()
			continue
		case "thinking":
			out.thinking = text()
			continue
		case "signature":
			out.signature = d.StringBytes()
		case "citation":
			if d.Kind() == jsonx.Object {
				c := readCitation(d)
				c.Raw = bytes.Clone(c.Raw)
				out.citation = &c
			}
		case "content":
			out.content = bytes.Clone(d.Raw())
		case "stop_reason", "stop_sequence", "stop_details":
			s.a.member(key, d)
		}
		texts++ // it says more than text
	}
	if texts != 1 {
		out.end = 0
	}
}

func (s *streamReader) apply(b *openBlock, d *delta) {
	switch b.kind {
	case translate.KindText:
		s.text(b, d.text)
		if d.citation != nil {
			s.emit(translate.Event{Type: translate.EventBlockDelta, Index: b.index, Kind: b.kind, Citation: d.citation})
		}
	case translate.KindThinking:
		s.text(b, d.thinking)
		b.signature = append(b.signature, d.signature...)
	case translate.KindToolUse:
		b.fragments = b.fragments || len(d.json) > 0
		s.text(b, d.json)
	case translate.KindOpaque:
		b.json = append(b.json, d.json...)
		if d.content != nil {
			b.content = d.content
		}
	}
}

// set sets a member of an opaque block.
func (b *openBlock) set(name string, value []byte) {
	if raw, err := jsonx.Splice(nil, b.opaque.Raw, jsonx.Edit{Name: name, Value: value}); err == nil {
		b.opaque.Raw = raw
	}
}

// stop ends a block.
func (s *streamReader) stop(b *openBlock) {
	s.open = slices.DeleteFunc(s.open, func(o *openBlock) bool { return o == b })
	if s.likeTo == b {
		s.likeTo = nil
	}
	e := translate.Event{Type: translate.EventBlockStop, Index: b.index, Kind: b.kind, Redacted: b.redacted}
	switch b.kind {
	case translate.KindThinking:
		if len(b.signature) > 0 {
			e.State = &translate.State{Origin: s.o.origin(), Data: string(b.signature)}
		}
	case translate.KindToolUse:
		if !b.fragments && b.input != nil {
			s.text(b, b.input)
		}
	case translate.KindOpaque:
		if b.content != nil {
			b.set("content", b.content)
		}
		if len(b.json) > 0 && jsonx.Valid(b.json) {
			b.set("input", b.json)
		}
		e.Index = s.blocks
		s.blocks++
		s.emit(translate.Event{Type: translate.EventBlockStart, Index: e.Index, Kind: b.kind, Part: b.opaque})
	}
	s.emit(e)
	*b = openBlock{}
	s.spare = b
}
