package anthropic

import (
	"bytes"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// NewEventWriter implements translate.Inbound.
func (in Inbound) NewEventWriter(req *translate.Request) translate.EventWriter {
	return &eventWriter{in: in, req: req}
}

// eventWriter writes a stream. The format's blocks follow one another, so
// those that overlap are taken apart first.
type eventWriter struct {
	in   Inbound
	req  *translate.Request
	a    answerWriter
	seq  translate.Sequencer
	e    jsonx.Encoder
	at   int // where the frame's data begins in e.B
	done bool
	tier string

	next   int  // index of the next block
	begun  bool // the block under way has been started on the wire
	custom bool // it is a custom tool's call, whose text is wrapped in an object
}

func (w *eventWriter) Losses() []translate.Loss { return w.a.losses }

func (w *eventWriter) AppendError(dst []byte, err *translate.Error) []byte {
	if w.done {
		return dst
	}
	w.done = true
	dst = append(dst, "event: error\ndata: "...)
	return append(w.in.AppendError(dst, err), '\n', '\n')
}

func (w *eventWriter) AppendEvent(dst []byte, e *translate.Event) []byte {
	if w.done {
		return dst
	}
	w.e.B = dst
	w.seq.Push(e, w.event)
	dst, w.e.B = w.e.B, nil
	return dst
}

// frame begins a frame of a type; end ends it.
func (w *eventWriter) frame(typ string) *jsonx.Encoder {
	b := append(append(append(w.e.B, "event: "...), typ...), "\ndata: "...)
	w.e.B, w.at = b, len(b)
	return w.e.Object().Key("type").String(typ)
}

func (w *eventWriter) end() {
	if data := w.e.B[w.at:]; bytes.IndexByte(data, '\n') >= 0 {
		sse.OneLine(data)
	}
	w.e.B = append(w.e.B, "}\n\n"...)
}

func (w *eventWriter) event(e *translate.Event) {
	switch e.Type {
	case translate.EventStart:
		w.start(e)
	case translate.EventPing:
		w.frame("ping")
		w.end()
	case translate.EventBlockStart:
		w.begin(e)
	case translate.EventBlockDelta:
		w.delta(e)
	case translate.EventBlockStop:
		w.stop(e)
	case translate.EventStop:
		w.finish(e)
	}
}

func (w *eventWriter) start(ev *translate.Event) {
	w.tier = ev.ServiceTier
	e := w.frame("message_start").Key("message").Object()
	w.a.head(e, w.req, ev.ID, ev.Model)
	e.Key("content").Array().EndArray().Key("stop_reason").Null().Key("stop_sequence").Null().Key("usage")
	writeUsage(e, ev.Usage, ev.ServiceTier)
	e.EndObject()
	w.end()
}

// open starts a block on the wire, up to the members of its content_block,
// which closeOpen closes.
func (w *eventWriter) open() *jsonx.Encoder {
	w.begun = true
	return w.frame("content_block_start").Key("index").Int(int64(w.next)).Key("content_block")
}

// begin starts a block. Text and thinking start at their first delta, as an
// empty block would come back from the client and be refused.
func (w *eventWriter) begin(ev *translate.Event) {
	w.begun, w.custom = false, ev.Custom
	switch ev.Kind {
	case translate.KindToolUse:
		w.open().Object().Key("type").String("tool_use").Key("id").String(toolID(ev.ID, ev.State)).
			Key("name").String(ev.Name).Key("input").Object().EndObject().EndObject()
		w.end()
		if w.custom {
			w.partialJSON([]byte(`{"input":"`))
		}
	case translate.KindOpaque:
		if p, ok := ev.Part.(*translate.Opaque); ok && p.Format == translate.Anthropic {
			w.opaque(p)
			return
		}
		fallthrough
	case translate.KindMedia:
		if ev.Part != nil {
			w.a.part(&w.e, ev.Part, "content["+strconv.Itoa(ev.Index)+"]") // writes nothing but the loss
		}
	}
}

// opaque writes a block of the format's own. The input of a hosted tool's call
// comes as a delta, where clients look for it.
func (w *eventWriter) opaque(p *translate.Opaque) {
	raw, input := p.Raw, []byte(nil)
	if top, err := jsonx.Top(raw, "input"); err == nil && jsonx.KindOf(top[0]) == jsonx.Object {
		if out, err := jsonx.Splice(nil, raw, jsonx.Edit{Name: "input", Value: []byte("{}")}); err == nil {
			raw, input = out, top[0]
		}
	}
	w.open().Raw(raw)
	w.end()
	if input != nil && !emptyObject(input) {
		w.partialJSON(input)
	}
}

func (w *eventWriter) startDelta() *jsonx.Encoder {
	return w.frame("content_block_delta").Key("index").Int(int64(w.next)).Key("delta").Object()
}

func (w *eventWriter) endDelta() { w.e.EndObject(); w.end() }

func (w *eventWriter) partialJSON(b []byte) {
	w.startDelta().Key("type").String("input_json_delta").Key("partial_json").Text(b)
	w.endDelta()
}

func (w *eventWriter) openText() {
	if !w.begun {
		w.open().Object().Key("type").String("text").Key("text").String("").EndObject()
		w.end()
	}
}

func (w *eventWriter) openThinking() {
	if !w.begun {
		w.open().Object().Key("type").String("thinking").Key("thinking").String("").Key("signature").String("").EndObject()
		w.end()
	}
}

func (w *eventWriter) delta(ev *translate.Event) {
	if c := ev.Citation; c != nil {
		if c.Format != translate.Anthropic && c.URL == "" {
			w.a.losses.Add("content["+strconv.Itoa(ev.Index)+"].citations", "the anthropic format has no such citation")
		} else {
			w.openText()
			writeCitation(w.startDelta().Key("type").String("citations_delta").Key("citation"), c)
			w.endDelta()
		}
	}
	if len(ev.Text) == 0 {
		return
	}
	switch ev.Kind {
	case translate.KindText, translate.KindRefusal:
		w.openText()
		w.startDelta().Key("type").String("text_delta").Key("text").Text(ev.Text)
		w.endDelta()
	case translate.KindThinking:
		w.openThinking()
		w.startDelta().Key("type").String("thinking_delta").Key("thinking").Text(ev.Text)
		w.endDelta()
	case translate.KindToolUse:
		if w.custom { // the inside of a string
			var quoted jsonx.Encoder
			quoted.Text(ev.Text)
			w.partialJSON(quoted.B[1 : len(quoted.B)-1])
			return
		}
		w.partialJSON(ev.Text)
	}
}

func (w *eventWriter) stop(ev *translate.Event) {
	switch ev.Kind {
	case translate.KindThinking:
		w.stopThinking(ev)
	case translate.KindToolUse:
		if w.custom {
			w.partialJSON([]byte(`"}`))
		}
	case translate.KindText:
		if ev.State != nil {
			w.a.losses.Add("content["+strconv.Itoa(ev.Index)+"]", "the anthropic format has no place for the state of text")
		}
	}
	if w.begun {
		w.frame("content_block_stop").Key("index").Int(int64(w.next))
		w.end()
		w.next++
	}
	w.begun = false
}

func (w *eventWriter) stopThinking(ev *translate.Event) {
	if ev.Redacted && !w.begun {
		if ev.State != nil {
			w.open().Object().Key("type").String("redacted_thinking").Key("data").String(ev.State.Seal(Origin)).EndObject()
			w.end()
		}
		return
	}
	if ev.State != nil {
		w.openThinking() // signed, though there is no text
	}
	if w.begun {
		w.startDelta().Key("type").String("signature_delta").Key("signature").String(signature(ev.State))
		w.endDelta()
	}
}

func (w *eventWriter) finish(ev *translate.Event) {
	w.done = true
	e := w.frame("message_delta").Key("delta").Object()
	w.a.finish(e, &ev.Finish)
	e.EndObject().Key("usage")
	tier := ev.ServiceTier
	if tier == "" {
		tier = w.tier
	}
	writeUsage(e, ev.Usage, tier)
	w.end()
	w.frame("message_stop")
	w.end()
}
