package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// Collect reads a stream to its end and returns the answer it makes. After an
// error it returns what came before it, too.
func Collect(events iter.Seq2[*Event, error]) (*Response, error) {
	r := new(Response)
	var texts []*strings.Builder
	for e, err := range events {
		if err != nil {
			return r, err
		}
		switch e.Type {
		case EventStart:
			r.ID, r.Model, r.Created = e.ID, e.Model, e.Created
			r.take(e)
		case EventBlockStart:
			r.Parts = append(r.Parts, e.newPart())
			texts = append(texts, new(strings.Builder))
		case EventBlockDelta:
			texts[e.Index].Write(e.Text)
			if t, ok := r.Parts[e.Index].(*Text); ok && e.Citation != nil {
				t.Citations = append(t.Citations, *e.Citation)
			}
		case EventBlockStop:
			e.finishPart(r.Parts[e.Index], texts[e.Index].String())
		case EventStop:
			r.Finish, r.Losses = e.Finish, e.Losses
			r.take(e)
		}
	}
	return r, nil
}

func (r *Response) take(e *Event) {
	if e.Usage != nil {
		r.Usage = e.Usage
	}
	if e.ServiceTier != "" {
		r.ServiceTier = e.ServiceTier
	}
}

func (e *Event) newPart() Part {
	switch e.Kind {
	case KindThinking:
		return &Thinking{ID: e.ID, Redacted: e.Redacted, State: e.State}
	case KindToolUse:
		return &ToolUse{ID: e.ID, Name: e.Name, Custom: e.Custom, State: e.State}
	case KindRefusal:
		return new(Refusal)
	case KindMedia, KindOpaque:
		return e.Part
	}
	return &Text{State: e.State}
}

func (e *Event) finishPart(p Part, text string) {
	switch p := p.(type) {
	case *Text:
		p.Text = text
		if e.State != nil {
			p.State = e.State
		}
	case *Thinking:
		p.Text = text
		if e.State != nil {
			p.State = e.State
		}
		if e.ID != "" {
			p.ID = e.ID
		}
		p.Redacted = p.Redacted || e.Redacted
	case *Refusal:
		p.Text = text
	case *ToolUse:
		p.Input = ParseInput(text, p.Custom)
	}
}

// ParseInput returns the Input of a tool use whose arguments are text: JSON as
// it stands, {} where there is none, and a JSON string for a custom tool's text
// and for text that a model meant to be JSON but is not, or is no more than a string.
func ParseInput(text string, custom bool) json.RawMessage {
	if !custom {
		if strings.TrimSpace(text) == "" {
			return json.RawMessage("{}")
		}
		if b := []byte(text); jsonx.Valid(b) && jsonx.KindOf(b) != jsonx.String {
			return b
		}
	}
	return jsonx.AppendString(nil, text)
}

// InputText reverses ParseInput: the arguments as OpenAI's formats have them,
// in a string.
func (u *ToolUse) InputText() string {
	if len(u.Input) == 0 {
		if u.Custom {
			return ""
		}
		return "{}"
	}
	if s, ok := jsonx.Unquote(u.Input); ok {
		return s
	}
	return string(u.Input)
}

// InputObject returns the arguments as an object, as Anthropic, Gemini and
// Bedrock want them. What is no object stands in it under "input"; ok is then
// false.
func (u *ToolUse) InputObject() (obj json.RawMessage, ok bool) {
	switch jsonx.KindOf(u.Input) {
	case jsonx.Object:
		return u.Input, true
	case jsonx.Invalid, jsonx.Null:
		return json.RawMessage("{}"), true
	}
	var e jsonx.Encoder
	e.Object().Key("input").Raw(u.Input).EndObject()
	return e.B, u.Custom
}

// Replay returns the events of a stream that makes r, for an answer that came
// whole although it was asked for as a stream.
func Replay(r *Response) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		if !yield(&Event{Type: EventStart, ID: r.ID, Model: r.Model, Created: r.Created, ServiceTier: r.ServiceTier}, nil) {
			return
		}
		for i, p := range r.Parts {
			events := replayPart(p)
			for j := range events {
				events[j].Index = i
				if !yield(&events[j], nil) {
					return
				}
			}
		}
		yield(&Event{Type: EventStop, Finish: r.Finish, Usage: r.Usage, ServiceTier: r.ServiceTier}, nil)
	}
}

func replayPart(p Part) []Event {
	start, stop := Event{Type: EventBlockStart}, Event{Type: EventBlockStop}
	var deltas []Event
	text := func(s string) {
		if s != "" {
			deltas = append(deltas, Event{Type: EventBlockDelta, Text: []byte(s)})
		}
	}
	switch p := p.(type) {
	case *Text:
		start.Kind, stop.State = KindText, p.State
		text(p.Text)
		for i := range p.Citations {
			deltas = append(deltas, Event{Type: EventBlockDelta, Citation: &p.Citations[i]})
		}
	case *Thinking:
		start.Kind, start.ID, start.Redacted = KindThinking, p.ID, p.Redacted
		stop.ID, stop.Redacted, stop.State = p.ID, p.Redacted, p.State
		text(p.Text)
	case *Refusal:
		start.Kind = KindRefusal
		text(p.Text)
	case *ToolUse:
		start.Kind, start.ID, start.Name, start.Custom, start.State = KindToolUse, p.ID, p.Name, p.Custom, p.State
		text(p.InputText())
	case *Media:
		start.Kind, start.Part = KindMedia, p
	case *Opaque:
		start.Kind, start.Part = KindOpaque, p
	case *ToolResult: // a provider runs no tool of the client's
		return nil
	}
	events := append([]Event{start}, append(deltas, stop)...)
	for i := range events {
		events[i].Kind = start.Kind
	}
	return events
}

// Sequencer takes overlaps out of a stream, for formats whose blocks follow
// one another: it holds back the events of a block that starts before the one
// under way has stopped. A stream without overlaps passes straight through.
// The zero value is ready to use.
type Sequencer struct {
	current int                // the block under way
	open    bool               // there is one
	held    []*heldBlock       // in the order of their first events
	blocks  map[int]*heldBlock // by index
}

// heldBlock is what is held back of a block.
type heldBlock struct {
	index  int
	events []Event
}

// Push takes the stream's next event and calls emit with those whose turn has
// come, e itself at once where it can. The event is valid during the call.
func (s *Sequencer) Push(e *Event, emit func(*Event)) {
	switch e.Type {
	case EventBlockStart, EventBlockDelta, EventBlockStop:
	default:
		emit(e)
		return
	}
	if s.open && e.Index != s.current {
		s.hold(e)
		return
	}
	s.step(e, emit)
	for !s.open && len(s.held) > 0 {
		s.release(emit)
	}
}

func (s *Sequencer) step(e *Event, emit func(*Event)) {
	s.current, s.open = e.Index, e.Type != EventBlockStop
	emit(e)
}

func (s *Sequencer) hold(e *Event) {
	b := s.blocks[e.Index]
	if b == nil {
		b = &heldBlock{index: e.Index}
		if s.blocks == nil {
			s.blocks = make(map[int]*heldBlock)
		}
		s.blocks[e.Index] = b
		s.held = append(s.held, b)
	}
	held := *e
	held.Text = bytes.Clone(e.Text)
	b.events = append(b.events, held)
}

// release emits what is held of the earliest block.
func (s *Sequencer) release(emit func(*Event)) {
	b := s.held[0]
	s.held[0] = nil
	s.held = s.held[1:]
	delete(s.blocks, b.index)
	for i := range b.events {
		s.step(&b.events[i], emit)
	}
}

// MaxOpenBlocks bounds how many blocks of a stream may be open at once. Decoders
// take a stream with more for a malformed one: to find one of very many costs
// more than any answer is worth.
const MaxOpenBlocks = 1000

// MaxSources bounds how many sources of an answer, which stand apart from its text,
// decoders keep.
const MaxSources = 1000

// ErrGrammar is the error that Check wraps.
var ErrGrammar = errors.New("translate: events out of order")

// Check passes events on and yields an error wrapping ErrGrammar where they
// break the grammar of Event. It is meant for tests of codecs.
func Check(events iter.Seq2[*Event, error]) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		var started, stopped bool
		open := map[int]PartKind{}
		next := 0
		for e, err := range events {
			if err != nil {
				yield(e, err)
				return
			}
			var fault string
			kind, isOpen := open[e.Index]
			switch {
			case stopped:
				fault = "after stop"
			case !started && e.Type != EventStart:
				fault = "before start"
			}
			switch e.Type {
			case EventStart:
				if started {
					fault = "second start"
				}
				started = true
			case EventBlockStart:
				if e.Index != next || e.Kind == 0 {
					fault = fmt.Sprintf("block %d where %d is next", e.Index, next)
				}
				open[e.Index] = e.Kind
				next++
			case EventBlockDelta, EventBlockStop:
				if !isOpen || kind != e.Kind {
					fault = "no such block is open"
				}
				if e.Type == EventBlockStop {
					delete(open, e.Index)
				}
			case EventStop:
				if len(open) > 0 {
					fault = "blocks are open"
				}
				stopped = true
			case EventPing:
			default:
				fault = "unknown event"
			}
			if fault != "" {
				yield(e, fmt.Errorf("%w: %s %d (%s): %s", ErrGrammar, e.Type, e.Index, e.Kind, fault))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if !stopped {
			yield(nil, fmt.Errorf("%w: the stream ends without stop and without error", ErrGrammar))
		}
	}
}
