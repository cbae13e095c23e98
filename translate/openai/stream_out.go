package openai

import (
	"unicode/utf8"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// NewEventWriter implements translate.Inbound.
func (in Inbound) NewEventWriter(req *translate.Request) translate.EventWriter {
	w := &eventWriter{in: in, req: req}
	w.blocks = w.first[:0]
	return w
}

// eventWriter writes a stream of chunks. Blocks may overlap, as Chat's tool
// calls may.
type eventWriter struct {
	in     Inbound
	req    *translate.Request
	losses translate.Losses
	chunk  []byte // what chunks have in common:
	head   int    // all begin with chunk[:head],
	opened int    // those with a delta with chunk[:opened],
	text   int    // and of these those with text with chunk[:text]; chunk[text:] ends them all
	blocks []block
	first  [1]block // most streams have one block at a time
	calls  int64    // how many there were
	runes  int      // of text so far

	details, images int
	thought         bool                  // some thinking was shown
	thinking        []*translate.Thinking // with state, since the last call
}

// block is an open block.
type block struct {
	index  int
	kind   translate.PartKind
	call   int64 // a tool call's number
	custom bool
	empty  bool   // no delta yet
	from   int    // text: where it starts
	text   []byte // thinking: what the state belongs to
	id     string
}

// Losses implements translate.EventWriter.
func (w *eventWriter) Losses() []translate.Loss { return w.losses }

// AppendError implements translate.EventWriter. No [DONE] follows.
func (w *eventWriter) AppendError(dst []byte, err *translate.Error) []byte {
	dst = append(dst, "data: "...)
	return append(w.in.AppendError(dst, err), "\n\n"...)
}

// AppendEvent implements translate.EventWriter.
func (w *eventWriter) AppendEvent(dst []byte, ev *translate.Event) []byte {
	e := jsonx.Encoder{B: dst}
	switch ev.Type {
	case translate.EventStart:
		w.start(ev)
		w.open(&e)
		e.Key("role").String("assistant").Key("content").String("").Key("refusal").Null()
		w.close(&e)
	case translate.EventBlockStart:
		w.blockStart(&e, ev)
	case translate.EventBlockDelta:
		if b := w.find(ev.Index); b != nil {
			w.blockDelta(&e, b, ev)
		}
	case translate.EventBlockStop:
		if b := w.find(ev.Index); b != nil {
			w.blockStop(&e, b, ev)
			w.remove(ev.Index)
		}
	case translate.EventStop:
		w.stop(&e, ev)
	case translate.EventPing:
		return sse.AppendComment(dst, "ping")
	}
	return e.B
}

func (w *eventWriter) start(ev *translate.Event) {
	e := jsonx.Encoder{B: append(make([]byte, 0, 320), "data: {"...)}
	w.in.head(&e, "chat.completion.chunk", ev.ID, ev.Model, ev.Created, w.req)
	serviceTier(&e, ev.ServiceTier)
	e.Key("choices").Array()
	w.head = len(e.B)
	e.Object().Key("index").Int(0).Key("delta").Object()
	w.opened = len(e.B)
	e.Key("content")
	w.text = len(e.B)
	e.EndObject().Key("logprobs").Null().Key("finish_reason").Null()
	w.end(&e)
	w.chunk = e.B
}

// begin sees to it that there is something to begin chunks with.
func (w *eventWriter) begin() {
	if w.chunk == nil {
		w.start(&translate.Event{})
	}
}

// open begins a chunk with a delta.
func (w *eventWriter) open(e *jsonx.Encoder) {
	w.begin()
	e.B = append(e.B, w.chunk[:w.opened]...)
}

// close ends what open began.
func (w *eventWriter) close(e *jsonx.Encoder) { e.B = append(e.B, w.chunk[w.text:]...) }

func (w *eventWriter) end(e *jsonx.Encoder) {
	e.EndObject().EndArray()
	if w.req != nil && w.req.IncludeUsage {
		e.Key("usage").Null()
	}
	e.B = append(e.B, "}\n\n"...)
}

func (w *eventWriter) find(index int) *block {
	for i := range w.blocks {
		if w.blocks[i].index == index {
			return &w.blocks[i]
		}
	}
	return nil
}

func (w *eventWriter) remove(index int) {
	for i := range w.blocks {
		if w.blocks[i].index == index {
			last := len(w.blocks) - 1
			w.blocks[i] = w.blocks[last]
			w.blocks[last] = block{}
			w.blocks = w.blocks[:last]
			return
		}
	}
}

func (w *eventWriter) blockStart(e *jsonx.Encoder, ev *translate.Event) {
	b := block{index: ev.Index, kind: ev.Kind, custom: ev.Custom, empty: true, from: w.runes, id: ev.ID}
	switch ev.Kind {
	case translate.KindToolUse:
		b.call = w.calls
		w.calls++
		w.open(e)
		e.Key("tool_calls").Array().Object().Key("index").Int(b.call)
		callHead(e, ev.ID, ev.Name, "", ev.Custom, ev.State, w.thinking)
		e.EndObject().EndArray()
		w.close(e)
		w.thinking = nil
	case translate.KindMedia:
		m, ok := ev.Part.(*translate.Media)
		if !ok || m.Kind != translate.Image || m.FileID != "" {
			w.losses.Add("choices[0].delta", "an answer cannot hold this kind of media")
			break
		}
		w.open(e)
		e.Key("images").Array()
		image(e, m, w.images)
		e.EndArray()
		w.images++
		w.close(e)
	case translate.KindOpaque:
		if o, ok := ev.Part.(*translate.Opaque); ok {
			w.losses.Add("choices[0].delta", "a "+o.Type+" cannot be shown in a stream of chunks")
		}
	}
	w.blocks = append(w.blocks, b)
}

func (w *eventWriter) blockDelta(e *jsonx.Encoder, b *block, ev *translate.Event) {
	if c := ev.Citation; c != nil {
		if c.URL == "" {
			w.losses.Add("choices[0].delta.annotations", "only citations of web pages can be shown")
			return
		}
		cite := *c
		cite.Bound(b.from, w.runes)
		w.open(e)
		e.Key("annotations").Array()
		annotation(e, &cite)
		e.EndArray()
		w.close(e)
		return
	}
	if len(ev.Text) == 0 {
		return
	}
	first := b.empty
	b.empty = false
	if b.kind == translate.KindText { // most are
		w.runes += utf8.RuneCount(ev.Text)
		w.begin()
		e.B = append(e.B, w.chunk[:w.text]...)
		w.close(e.Text(ev.Text))
		return
	}
	w.open(e)
	switch b.kind {
	case translate.KindThinking:
		b.text = append(b.text, ev.Text...)
		text := ev.Text
		if first && w.thought {
			text = append([]byte("\n\n"), text...) // as the blocks are set apart in a whole answer
		}
		w.thought = true
		e.Key("reasoning_content").Text(text)
	case translate.KindRefusal:
		e.Key("refusal").Text(ev.Text)
	case translate.KindToolUse:
		w.arguments(e, b, ev.Text)
	}
	w.close(e)
}

func (w *eventWriter) arguments(e *jsonx.Encoder, b *block, text []byte) {
	e.Key("tool_calls").Array().Object().Key("index").Int(b.call)
	if b.custom {
		e.Key("type").String("custom").Key("custom").Object().Key("input").Text(text).EndObject()
	} else {
		e.Key("function").Object().Key("arguments").Text(text).EndObject()
	}
	e.EndObject().EndArray()
}

func (w *eventWriter) blockStop(e *jsonx.Encoder, b *block, ev *translate.Event) {
	switch {
	case b.kind == translate.KindToolUse && b.empty && !b.custom:
		w.open(e)
		w.arguments(e, b, []byte("{}"))
		w.close(e)
	case b.kind == translate.KindThinking && ev.State != nil:
		t := &translate.Thinking{Text: string(b.text), Redacted: ev.Redacted, ID: ev.ID, State: ev.State}
		if t.ID == "" {
			t.ID = b.id
		}
		w.thinking = append(w.thinking, t)
		w.open(e)
		e.Key("reasoning_details").Array()
		reasoningDetail(e, t, t.Text, w.details)
		e.EndArray()
		w.details++
		w.close(e)
	case b.kind == translate.KindText && ev.State != nil:
		w.open(e)
		signature(e, ev.State)
		w.close(e)
	}
}

func (w *eventWriter) stop(e *jsonx.Encoder, ev *translate.Event) {
	w.open(e)
	e.EndObject().Key("logprobs").Null()
	finish(e, &ev.Finish)
	w.end(e)
	if ev.Usage != nil && w.req != nil && w.req.IncludeUsage {
		e.B = append(e.B, w.chunk[:w.head]...)
		e.EndArray()
		usage(e, ev.Usage)
		e.B = append(e.B, "}\n\n"...)
	}
	e.B = append(e.B, "data: [DONE]\n\n"...)
}
