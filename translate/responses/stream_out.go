package responses

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// NewEventWriter implements translate.Inbound. The writer keeps the answer so
// far, since the last event holds all of it.
func (in Inbound) NewEventWriter(req *translate.Request) translate.EventWriter {
	return in.newWriter(req)
}

func (in Inbound) newWriter(req *translate.Request) *eventWriter {
	if req == nil {
		req = new(translate.Request)
	}
	w := &eventWriter{in: in, req: req}
	w.step = w.event
	return w
}

type eventWriter struct {
	in     Inbound
	req    *translate.Request
	losses translate.Losses

	seq  translate.Sequencer
	step func(*translate.Event) // w.event
	e    jsonx.Encoder          // what goes out
	n    int64                  // sequence_number
	// frame is where the event under way has its data.
	frame int

	id, model, tier string
	created         int64
	started, ended  bool

	items  jsonx.Encoder // the items that are done
	output int64         // their number
	parts  jsonx.Encoder // the parts that are done of the message under way
	item   openItem
	// Of the block under way:
	text        []byte
	annotations jsonx.Encoder
	cited       int64
	encrypted   string
	logprobs    []byte // for the next text, in an array
}

// openItem is the item under way. A message goes on over several blocks.
type openItem struct {
	kind         itemKind
	id           string
	callID, name string
	content      int64 // of a message: the number of parts done
}

type itemKind uint8

const (
	noItem itemKind = iota
	messageItem
	reasoningItem
	functionItem
	customItem
)

func (w *eventWriter) Losses() []translate.Loss { return w.losses }

// AppendEvent implements translate.EventWriter.
func (w *eventWriter) AppendEvent(dst []byte, e *translate.Event) []byte {
	if w.ended {
		return dst
	}
	w.e.B = dst
	w.seq.Push(e, w.step)
	dst, w.e.B = w.e.B, nil
	return dst
}

func (w *eventWriter) event(e *translate.Event) {
	switch e.Type {
	case translate.EventStart:
		w.start(e)
	case translate.EventBlockStart:
		w.blockStart(e)
	case translate.EventBlockDelta:
		w.blockDelta(e)
	case translate.EventBlockStop:
		w.blockStop(e)
	case translate.EventStop:
		w.stop(e)
	case translate.EventPing: // the format has none; SDKs skip comments
		w.e.B = append(w.e.B, ": ping\n\n"...)
	}
}

// begin starts an event; end ends it.
func (w *eventWriter) begin(typ string) *jsonx.Encoder {
	e := &w.e
	e.B = append(append(append(e.B, "event: "...), typ...), "\ndata: {"...)
	w.frame = len(e.B)
	e.Key("type").String(typ).Key("sequence_number").Int(w.n)
	w.n++
	return e
}

// end ends it. Schemas and hosted tools' items stand in an event as somebody
// else has written them, and an event is one line.
func (w *eventWriter) end() {
	for _, c := range []byte("\n\r") {
		data := w.e.B[w.frame:]
		for i := bytes.IndexByte(data, c); i >= 0; i = bytes.IndexByte(data, c) {
			data[i] = ' ' // never within a string, where it is escaped
			data = data[i:]
		}
	}
	w.e.B = append(w.e.B, "}\n\n"...)
}

// beginPart starts an event about the item under way.
func (w *eventWriter) beginPart(typ, index string, at int64) *jsonx.Encoder {
	e := w.begin(typ).Key("item_id").String(w.item.id).Key("output_index").Int(w.output)
	if index != "" {
		e.Key(index).Int(at)
	}
	return e
}

func (w *eventWriter) start(e *translate.Event) {
	w.id, w.model, w.created, w.tier = responseID(e.ID), e.Model, e.Created, e.ServiceTier
	w.identify()
	w.started = true
	for _, typ := range []string{"response.created", "response.in_progress"} {
		w.begin(typ).Key("response")
		w.e.Object()
		w.envelope(&w.e, &outcome{status: "in_progress"})
		w.e.EndObject()
		w.end()
	}
}

// identify makes up what the provider has not told.
func (w *eventWriter) identify() {
	if w.id == "" {
		w.id = "resp_" + w.in.randomID()
	}
	if w.created == 0 {
		w.created = w.in.clock()
	}
	if w.model == "" {
		w.model = w.req.Model
	}
}

// responseID returns an upstream ID with the prefix that OpenAI's have.
func responseID(id string) string {
	if id == "" || strings.HasPrefix(id, "resp_") {
		return id
	}
	return "resp_" + id
}

// itemID derives an item's ID from the response's.
func (w *eventWriter) itemID(prefix string) string {
	b := append([]byte(prefix), strings.TrimPrefix(w.id, "resp_")...)
	b = append(b, '_')
	return string(appendInt(b, w.output))
}

func (w *eventWriter) blockStart(e *translate.Event) {
	w.text, w.encrypted = w.text[:0], ""
	w.annotations.B, w.cited = w.annotations.B[:0], 0
	kind := noItem
	switch e.Kind {
	case translate.KindText, translate.KindRefusal:
		if w.item.kind != messageItem {
			w.endItem("completed")
			w.openItem(openItem{kind: messageItem, id: w.itemID("msg_")})
		}
		w.partAdded(e.Kind)
		return
	case translate.KindThinking:
		kind = reasoningItem
	case translate.KindToolUse:
		kind = functionItem
		if e.Custom {
			kind = customItem
		}
	}
	w.endItem("completed")
	switch kind {
	case noItem:
		w.whole(e.Part)
	case reasoningItem:
		id := e.ID
		if !strings.HasPrefix(id, "rs_") {
			id = w.itemID(madeUp)
		}
		w.openItem(openItem{kind: kind, id: id})
	default:
		prefix := "fc_"
		if kind == customItem {
			prefix = "ctc_"
		}
		id := w.itemID(prefix)
		call := e.ID
		if call == "" {
			call = "call_" + id
		}
		// Reasoning has items of its own, which clients send back; the
		// call's own state has nothing but this ID.
		w.openItem(openItem{kind: kind, id: id, callID: translate.PackToolID(call, e.State, nil), name: e.Name})
	}
}

// openItem tells of a new item.
func (w *eventWriter) openItem(it openItem) {
	w.item = it
	w.parts.B = w.parts.B[:0]
	w.begin("response.output_item.added").Key("output_index").Int(w.output).Key("item")
	w.appendItem(&w.e, "in_progress", "", "")
	w.end()
}

func (w *eventWriter) partAdded(kind translate.PartKind) {
	w.beginPart("response.content_part.added", "content_index", w.item.content).Key("part")
	w.appendPart(&w.e, kind, "")
	w.end()
}

func (w *eventWriter) blockDelta(e *translate.Event) {
	if e.Citation != nil {
		w.cite(e)
	}
	if len(e.Text) == 0 {
		return
	}
	switch e.Kind {
	case translate.KindText:
		w.beginPart("response.output_text.delta", "content_index", w.item.content).Key("delta").Text(e.Text).Key("logprobs").Array().EndArray()
	case translate.KindRefusal:
		w.beginPart("response.refusal.delta", "content_index", w.item.content).Key("delta").Text(e.Text)
	case translate.KindThinking:
		w.summaryDelta(e.Text)
	case translate.KindToolUse:
		w.callDelta(e.Text)
	default:
		return
	}
	w.end()
	w.text = append(w.text, e.Text...)
}

func (w *eventWriter) summaryDelta(text []byte) {
	if len(w.text) == 0 {
		e := w.beginPart("response.reasoning_summary_part.added", "summary_index", 0).Key("part")
		appendSummary(e, "")
		w.end()
	}
	w.beginPart("response.reasoning_summary_text.delta", "summary_index", 0).Key("delta").Text(text)
}

func (w *eventWriter) callDelta(text []byte) {
	typ := "response.function_call_arguments.delta"
	if w.item.kind == customItem {
		typ = "response.custom_tool_call_input.delta"
	}
	w.beginPart(typ, "", 0).Key("delta").Text(text)
}

func (w *eventWriter) cite(e *translate.Event) {
	c := e.Citation
	if e.Kind != translate.KindText {
		return
	}
	if !canCite(c) {
		w.losses.Add("output.citations", "a citation without an address has no place in Responses")
		return
	}
	bounded := *c
	c = &bounded
	c.Bound(0, utf8.RuneCount(w.text))
	appendAnnotation(&w.annotations, c)
	out := w.beginPart("response.output_text.annotation.added", "content_index", w.item.content).Key("annotation_index").Int(w.cited).Key("annotation")
	appendAnnotation(out, c)
	w.end()
	w.cited++
}

func (w *eventWriter) blockStop(e *translate.Event) {
	text := string(w.text)
	switch e.Kind {
	case translate.KindText, translate.KindRefusal:
		if e.State != nil {
			w.losses.Add("output", "the signature of a text has no place in Responses")
		}
		w.partDone(e.Kind, text)
	case translate.KindThinking:
		w.encrypted = sealThinking(e.State, e.Redacted)
		if text != "" {
			w.beginPart("response.reasoning_summary_text.done", "summary_index", 0).Key("text").String(text)
			w.end()
			appendSummary(w.beginPart("response.reasoning_summary_part.done", "summary_index", 0).Key("part"), text)
			w.end()
		}
		w.endItem("completed")
	case translate.KindToolUse:
		w.callDone(text)
		w.endItem("completed")
	}
}

func (w *eventWriter) partDone(kind translate.PartKind, text string) {
	if kind == translate.KindText {
		w.beginPart("response.output_text.done", "content_index", w.item.content).Key("text").String(text).Key("logprobs").Array().EndArray()
	} else {
		w.beginPart("response.refusal.done", "content_index", w.item.content).Key("refusal").String(text)
	}
	w.end()
	w.beginPart("response.content_part.done", "content_index", w.item.content).Key("part")
	w.appendPart(&w.e, kind, text)
	w.end()
	w.appendPart(&w.parts, kind, text)
	w.logprobs = nil
	w.item.content++
}

func (w *eventWriter) callDone(text string) {
	if text == "" && w.item.kind == functionItem {
		text = "{}"
		w.callDelta([]byte(text))
		w.end()
		w.text = append(w.text, text...)
	}
	if w.item.kind == customItem {
		w.beginPart("response.custom_tool_call_input.done", "", 0).Key("input").String(text)
	} else {
		w.beginPart("response.function_call_arguments.done", "", 0).Key("name").String(w.item.name).Key("arguments").String(text)
	}
	w.end()
}

// endItem tells that the item under way is done, if there is one.
func (w *eventWriter) endItem(status string) {
	if w.item.kind == noItem {
		return
	}
	text := string(w.text)
	w.begin("response.output_item.done").Key("output_index").Int(w.output).Key("item")
	w.appendItem(&w.e, status, text, w.encrypted)
	w.end()
	w.appendItem(&w.items, status, text, w.encrypted)
	w.item = openItem{}
	w.output++
}

// whole writes a part that comes in one event.
func (w *eventWriter) whole(p translate.Part) {
	var added, done []byte
	switch p := p.(type) {
	case *translate.Opaque:
		if p.Format != translate.Responses || strings.HasPrefix(p.Type, contentPart) || p.Type == phase {
			w.losses.Add("output", p.Type+" is not known outside the "+string(p.Format)+" format")
			return
		}
		added, done = p.Raw, p.Raw
	case *translate.Media:
		if p.Kind != translate.Image || p.Data == "" {
			w.losses.Add("output", "an answer in Responses holds no "+string(p.Kind))
			return
		}
		id := w.itemID("ig_")
		added, done = imageItem(id, nil), imageItem(id, p)
	default:
		return
	}
	w.begin("response.output_item.added").Key("output_index").Int(w.output).Key("item").Raw(added)
	w.end()
	w.begin("response.output_item.done").Key("output_index").Int(w.output).Key("item").Raw(done)
	w.end()
	w.items.Raw(done)
	w.output++
}
