package bedrock

import (
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Events implements translate.Outbound. The body is AWS's binary event stream.
// The answer ends with messageStop; its usage comes after that, in metadata,
// so EventStop waits for metadata or for the end of the stream.
func (o Outbound) Events(body io.Reader) iter.Seq2[*translate.Event, error] {
	return func(yield func(*translate.Event, error) bool) {
		s := stream{o: o, yield: yield}
		// An event is a frame's payload, beside which it has headers.
		r := eventstream.NewReader(body, sse.MaxEvent(body)+eventstream.DefaultMaxFrame-sse.DefaultMaxEvent)
		for !s.done {
			f, err := r.Next()
			switch {
			case err == nil:
				err = s.frame(&f)
			case err == io.EOF && s.stopped:
				s.stop()
				err = nil
			case errors.Is(err, eventstream.ErrChecksum), errors.Is(err, eventstream.ErrFormat), errors.Is(err, eventstream.ErrTooLong):
				err = translate.Malformed(err)
			default:
				err = translate.Truncated(err)
			}
			if err != nil && !s.done {
				yield(nil, err)
				return
			}
		}
	}
}

// block is an open block.
type block struct {
	number   int64 // Bedrock's contentBlockIndex
	index    int   // the events'
	kind     translate.PartKind
	redacted bool
	state    []byte // the signature, or the redacted thinking
}

type stream struct {
	o         Outbound
	yield     func(*translate.Event, error) bool
	p         payload
	started   bool
	open      []block
	next      int
	calls     bool
	stopped   bool // messageStop has come
	native    string
	usage     *translate.Usage
	tier      string
	imageMIME string          // the type of the image that has started
	done      bool            // EventStop is out, or the reader has left
	event     translate.Event // the last one
}

// emit yields an event; it does nothing once the reader has left.
func (s *stream) emit(e translate.Event) {
	if s.done {
		return
	}
	if !s.started {
		s.started = true
		if !s.yield(&translate.Event{Type: translate.EventStart}, nil) {
			s.done = true
			return
		}
	}
	s.event = e
	if e.Type != translate.EventStart && !s.yield(&s.event, nil) {
		s.done = true
	}
}

func (s *stream) frame(f *eventstream.Frame) error {
	if err := s.o.exception(f); err != nil {
		return err
	}
	p := &s.p
	if err := p.decode(f.Payload); err != nil || len(s.open) > translate.MaxOpenBlocks {
		return translate.Malformed(err)
	}
	switch string(f.Text(":event-type")) {
	case "messageStart":
		s.emit(translate.Event{Type: translate.EventStart})
	case "contentBlockStart":
		s.blockStart()
	case "contentBlockDelta":
		s.delta()
	case "contentBlockStop":
		s.closeIf(func(b *block) bool { return b.number == p.number })
	case "messageStop":
		s.stopped, s.native = true, p.native
	case "metadata":
		s.usage, s.tier = p.usage, p.tier
		if s.stopped {
			s.stop()
		}
	default:
		s.emit(translate.Event{Type: translate.EventPing})
	}
	return nil
}

func (s *stream) stop() {
	s.closeIf(func(*block) bool { return true })
	s.emit(translate.Event{Type: translate.EventStop, Finish: finish(s.native, s.calls), Usage: s.usage, ServiceTier: s.tier})
	s.done = true
}

func (s *stream) closeIf(cond func(*block) bool) {
	kept := s.open[:0]
	for i := range s.open {
		b := &s.open[i]
		if !cond(b) {
			kept = append(kept, *b)
			continue
		}
		s.emit(translate.Event{Type: translate.EventBlockStop, Index: b.index, Kind: b.kind, Redacted: b.redacted, State: s.o.state(string(b.state))})
	}
	s.open = kept
}

// at returns the open block with that number and kind, or opens one: most
// models start texts and reasoning without a word.
func (s *stream) at(number int64, kind translate.PartKind, redacted bool) *block {
	for i := range s.open {
		b := &s.open[i]
		if b.number == number && b.kind == kind && b.redacted == redacted {
			return b
		}
	}
	s.closeIf(func(b *block) bool { return b.number == number })
	return s.openBlock(translate.Event{Kind: kind, Redacted: redacted}, number)
}

func (s *stream) openBlock(e translate.Event, number int64) *block {
	s.open = append(s.open, block{number: number, index: s.next, kind: e.Kind, redacted: e.Redacted})
	e.Type, e.Index = translate.EventBlockStart, s.next
	s.next++
	s.emit(e)
	return &s.open[len(s.open)-1]
}

func (s *stream) blockStart() {
	p := &s.p
	switch {
	case p.hasTool:
		s.closeIf(func(b *block) bool { return b.number == p.number })
		s.calls = true
		s.openBlock(translate.Event{Kind: translate.KindToolUse, ID: p.tool.ID, Name: p.tool.Name}, p.number)
	case p.image != nil:
		s.imageMIME = p.image.MIMEType
	}
}

func (s *stream) delta() {
	p := &s.p
	switch {
	case p.hasTool:
		for i := range s.open {
			if s.open[i].number == p.number && s.open[i].kind == translate.KindToolUse {
				s.text(&s.open[i], p.input)
				return
			}
		}
		// A call that has not started has no name, so it is no call. What
		// makes no sense must not look like an answer.
		s.fail(translate.Malformed(errors.New("arguments of a tool call that has not started")))
	case p.reasoning:
		b := s.at(p.number, translate.KindThinking, p.redacted != "")
		b.state = append(append(b.state, p.signature...), p.redacted...)
		s.text(b, p.text)
	case p.citation != nil:
		b := s.at(p.number, translate.KindText, false)
		s.emit(translate.Event{Type: translate.EventBlockDelta, Index: b.index, Kind: b.kind, Citation: p.citation})
	case p.hasImage:
		if p.image.MIMEType == "" {
			p.image.MIMEType = s.imageMIME
		}
		s.closeIf(func(b *block) bool { return b.number == p.number })
		s.openBlock(translate.Event{Kind: translate.KindMedia, Part: p.image}, p.number)
	case p.hasText:
		s.text(s.at(p.number, translate.KindText, false), p.text)
	default: // a hosted tool's result, or something newer than this
		s.emit(translate.Event{Type: translate.EventPing})
	}
}

func (s *stream) text(b *block, text string) {
	if text != "" {
		s.emit(translate.Event{Type: translate.EventBlockDelta, Index: b.index, Kind: b.kind, Text: []byte(text)})
	}
}

func (s *stream) fail(err error) {
	if !s.done {
		s.done = true
		s.yield(nil, err)
	}
}

// payload is one event's JSON. Its members have the same meaning in all
// events; "p" is padding.
type payload struct {
	d         jsonx.Decoder
	number    int64
	text      string
	hasText   bool
	tool      translate.ToolUse
	hasTool   bool
	input     string
	reasoning bool
	signature string
	redacted  string
	citation  *translate.Citation
	image     *translate.Media
	hasImage  bool
	native    string
	usage     *translate.Usage
	tier      string
}

func (p *payload) decode(b []byte) error {
	*p = payload{}
	d := &p.d
	d.Reset(b)
	for key := range d.Members() {
		switch string(key) {
		case "contentBlockIndex":
			p.number = d.Int()
		case "start", "delta":
			for key := range d.Members() {
				p.member(d, key)
			}
		case "stopReason":
			p.native = d.String()
		case "usage":
			p.usage = usage(d)
		case "serviceTier":
			p.tier = tier(d)
		}
	}
	return d.End()
}

func (p *payload) member(d *jsonx.Decoder, key []byte) {
	if d.Null() {
		return
	}
	switch string(key) {
	case "text":
		p.text, p.hasText = d.String(), true
	case "toolUse":
		p.hasTool = true
		for key := range d.Members() {
			switch string(key) {
			case "toolUseId":
				p.tool.ID = d.String()
			case "name":
				p.tool.Name = d.String()
			case "input":
				p.input = d.String()
			}
		}
	case "reasoningContent":
		p.reasoning = true
		for key := range d.Members() {
			switch string(key) {
			case "text":
				p.text = d.String()
			case "signature":
				p.signature = d.String()
			case "redactedContent":
				p.redacted = d.String()
			}
		}
	case "citation":
		own := jsonx.NewDecoder(slices.Clone(d.Raw())) // it outlives the frame
		c := citation(own)
		if err := own.Err(); err != nil {
			d.Fail(err)
		}
		p.citation = &c
	case "image":
		p.image, p.hasImage = media(d, "image")
	}
}
