package openai

import (
	"bytes"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// textBlock is the block of text, thinking or refusal under way. There is one
// at a time: another kind ends it.
type textBlock struct {
	open     bool
	kind     translate.PartKind
	index    int
	id       string
	redacted bool
	state    *translate.State
	detail   detailKey // of reasoning_details, which come in pieces
	pieces   detail
}

func (d *decoder) emit(e translate.Event) { d.queue = append(d.queue, e) }

func (d *decoder) start() {
	d.started = true
	d.emit(translate.Event{Type: translate.EventStart, ID: d.id, Model: d.model, Created: d.created, ServiceTier: d.tier})
}

// openText makes the block under way one of kind.
func (d *decoder) openText(kind translate.PartKind) {
	if d.text.open && d.text.kind == kind && d.text.detail == (detailKey{}) {
		return
	}
	d.begin(textBlock{kind: kind})
}

// begin ends the block under way and begins another.
func (d *decoder) begin(b textBlock) {
	d.closeText()
	d.closeCalls(false)
	b.open, b.index = true, d.next
	d.next++
	d.text = b
	d.emit(translate.Event{Type: translate.EventBlockStart, Index: b.index, Kind: b.kind, ID: b.id, Redacted: b.redacted})
}

func (d *decoder) textDelta(kind translate.PartKind, text []byte) {
	d.openText(kind)
	d.appendText(text)
}

func (d *decoder) appendText(text []byte) {
	if len(text) > 0 {
		d.emit(translate.Event{Type: translate.EventBlockDelta, Index: d.text.index, Kind: d.text.kind, Text: text})
	}
}

func (d *decoder) cite(c *translate.Citation) {
	d.openText(translate.KindText)
	d.emit(translate.Event{Type: translate.EventBlockDelta, Index: d.text.index, Kind: translate.KindText, Citation: c})
}

func (d *decoder) closeText() {
	if !d.text.open {
		return
	}
	t := &d.text
	if t.detail != (detailKey{}) {
		t.state = t.pieces.state(d.o.origin())
	}
	d.emit(translate.Event{Type: translate.EventBlockStop, Index: t.index, Kind: t.kind, ID: t.id, Redacted: t.redacted, State: t.state})
	d.text = textBlock{}
}

// whole emits a part that comes in one piece.
func (d *decoder) whole(kind translate.PartKind, part translate.Part) {
	d.closeText()
	d.closeCalls(false)
	d.emit(translate.Event{Type: translate.EventBlockStart, Index: d.next, Kind: kind, Part: part})
	d.emit(translate.Event{Type: translate.EventBlockStop, Index: d.next, Kind: kind})
	d.next++
}

// detailKey tells one of OpenRouter's reasoning_details from the next. OpenAI's
// summary and its encrypted content share an index.
type detailKey struct {
	typ   string
	index int64
}

// detail is what the pieces of one of reasoning_details say, without its text.
type detail struct {
	typ, id, format string
	signature, data []byte
	index           int64
	hasIndex        bool
}

// state returns what must come back: the detail without its text, which the
// block has. Plain text needs no more than the text.
func (p *detail) state(origin string) *translate.State {
	if p.typ == "reasoning.text" && len(p.signature)+len(p.data) == 0 {
		return nil
	}
	var e jsonx.Encoder
	e.Object().Key("type").String(p.typ)
	if p.id != "" {
		e.Key("id").String(p.id)
	}
	if p.format != "" {
		e.Key("format").String(p.format)
	}
	if p.hasIndex {
		e.Key("index").Int(p.index)
	}
	if len(p.signature) > 0 {
		e.Key("signature").Text(p.signature)
	}
	if len(p.data) > 0 {
		e.Key("data").Text(p.data)
	}
	e.EndObject()
	return &translate.State{Origin: origin, Data: string(e.B)}
}

// details reads reasoning_details, and reports whether there was any.
func (d *decoder) details(raw []byte) (any bool) {
	if raw == nil {
		return false
	}
	dec := jsonx.NewDecoder(raw)
	for i := range dec.Elements() {
		if dec.Kind() != jsonx.Object {
			continue
		}
		var p detail
		var text []byte
		for k := range dec.Members() {
			switch string(k) {
			case "type":
				p.typ = scalar(dec)
			case "id":
				p.id = scalar(dec)
			case "format":
				p.format = scalar(dec)
			case "index":
				if dec.Kind() == jsonx.Number {
					p.index, p.hasIndex = int64(dec.Float()), true
				}
			case "signature":
				p.signature = scalarText(dec)
			case "data":
				p.data = scalarText(dec)
			case "text", "summary":
				text = scalarText(dec)
			}
		}
		if dec.Err() != nil {
			return any
		}
		any = true
		d.detailPiece(p, text, int64(i))
	}
	return any
}

func (d *decoder) detailPiece(p detail, text []byte, position int64) {
	if p.typ == "" {
		p.typ = "reasoning.text"
	}
	key := detailKey{p.typ, p.index}
	if !p.hasIndex {
		key.index = -1 - position // a whole answer's list without indices
	}
	if !d.text.open || d.text.detail != key {
		d.begin(textBlock{kind: translate.KindThinking, detail: key, redacted: p.typ == "reasoning.encrypted"})
		p.signature, p.data = bytes.Clone(p.signature), bytes.Clone(p.data) // they alias the frame
		d.text.pieces = p
	} else {
		q := &d.text.pieces
		q.signature = append(q.signature, p.signature...)
		q.data = append(q.data, p.data...)
		if q.id == "" {
			q.id = p.id
		}
		if q.format == "" {
			q.format = p.format
		}
	}
	d.appendText(text)
}

// stop emits what ends the answer. It is called once, at the terminal marker.
func (d *decoder) stop() {
	d.queue = d.queue[:0]
	if len(d.cites) > 0 {
		d.openText(translate.KindText)
		for i := range d.cites {
			d.cite(&d.cites[i])
		}
	}
	d.closeText()
	d.closeCalls(true)
	d.emit(translate.Event{Type: translate.EventStop, Finish: d.finishOf(), Usage: d.usage, ServiceTier: d.tier, Losses: d.losses})
}

// finishOf maps the reason. An unknown word stays unknown.
func (d *decoder) finishOf() translate.Finish {
	f := translate.Finish{Native: d.native}
	if d.reason != "" {
		f.Native = d.reason
	}
	switch d.native {
	case "stop", "eos", "end_turn", "eos_token":
		f.Reason = translate.FinishStop
	case "stop_sequence":
		f.Reason = translate.FinishStopSequence
	case "length", "model_length", "max_tokens":
		f.Reason = translate.FinishLength
	case "tool_calls", "function_call", "tool_use":
		f.Reason = translate.FinishToolUse
	case "content_filter", "safety":
		f.Reason = translate.FinishFiltered
	case "insufficient_system_resource": // DeepSeek
		f.Reason = translate.FinishError
	default:
		f.Reason = translate.FinishOther
		if d.native == "" && d.bare {
			f.Reason = translate.FinishStop
		}
	}
	if (d.called || len(d.calls) > 0) && (f.Reason == translate.FinishStop || f.Reason == translate.FinishOther) {
		f.Reason = translate.FinishToolUse // Gemini's OpenAI surface says "stop"
	}
	return f
}

// callID returns an ID for a call that the provider gave none: from the
// answer's ID where there is one, so that the same answer gives the same.
func (d *decoder) callID() string {
	seed := d.id
	if seed == "" {
		seed = d.o.randomID()
	}
	return translate.FitID(seed+":"+strconv.Itoa(len(d.calls)), 29)
}

// tracker follows a call's arguments to tell when their object is complete.
type tracker struct {
	depth         int
	inString, esc bool
	begun         bool
}

func (t *tracker) push(s []byte) {
	for _, c := range s {
		switch {
		case t.esc:
			t.esc = false
		case t.inString:
			t.esc, t.inString = c == '\\', c != '"'
		case c == '"':
			t.inString = true
		case c == '{' || c == '[':
			t.depth++
			t.begun = true
		case c == '}' || c == ']':
			t.depth--
		}
	}
}

func (t *tracker) complete() bool { return t.begun && t.depth <= 0 && !t.inString }

func blank(s []byte) bool { return len(bytes.TrimSpace(s)) == 0 }
