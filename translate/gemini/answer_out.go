package gemini

import (
	"strings"
	"unicode/utf8"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendResponse implements translate.Inbound.
func (in Inbound) AppendResponse(dst []byte, req *translate.Request, resp *translate.Response) ([]byte, []translate.Loss) {
	w := eventWriter{whole: true}
	var seq []byte
	for e, _ := range translate.Replay(resp) { // which does not fail
		seq = w.AppendEvent(seq, e)
	}
	if len(resp.Logprobs) > 0 {
		w.losses.Add("logprobs", "in another shape than Gemini's")
	}
	return append(dst, seq...), w.losses
}

// NewEventWriter implements translate.Inbound.
func (in Inbound) NewEventWriter(req *translate.Request) translate.EventWriter {
	return &eventWriter{array: in.JSONArray}
}

// eventWriter writes an answer. Each chunk is a response object that holds what
// is new; a whole answer is one such object.
type eventWriter struct {
	whole bool // one object, when all is there
	array bool // chunks are elements of an array
	seq   translate.Sequencer

	id, model string
	begun     bool          // a chunk was written
	out       jsonx.Encoder // scratch
	parts     jsonx.Encoder // of the chunk under way
	wrote     bool          // the block under way has a part
	citations []translate.Citation
	text      []byte // of the answer, where citations may need its offsets
	block     int    // where in text the block under way begins
	cited     int    // citations before it
	input     []byte // arguments of the call under way
	call      translate.Event
	thinking  []*translate.Thinking // since the last call
	thought   []byte                // of the thinking under way
	losses    translate.Losses
}

// AppendEvent implements translate.EventWriter.
func (w *eventWriter) AppendEvent(dst []byte, e *translate.Event) []byte {
	w.seq.Push(e, func(e *translate.Event) { dst = w.event(dst, e) })
	return dst
}

// Losses implements translate.EventWriter.
func (w *eventWriter) Losses() []translate.Loss { return w.losses }

// AppendError implements translate.EventWriter.
func (w *eventWriter) AppendError(dst []byte, err *translate.Error) []byte {
	var e jsonx.Encoder
	appendError(e.Object(), err)
	dst = w.frame(dst, e.EndObject().B)
	if w.array {
		dst = append(dst, "\n]"...)
	}
	return dst
}

func (w *eventWriter) frame(dst, object []byte) []byte {
	switch {
	case w.whole:
		return append(dst, object...)
	case !w.array:
		from := len(dst) + len("data: ")
		dst = append(append(dst, "data: "...), object...)
		sse.OneLine(dst[from:])
		dst = append(dst, "\r\n\r\n"...)
	case !w.begun:
		dst = append(append(dst, '['), object...)
	default:
		dst = append(append(dst, ",\r\n"...), object...)
	}
	w.begun = true
	return dst
}

func (w *eventWriter) event(dst []byte, e *translate.Event) []byte {
	switch e.Type {
	case translate.EventStart:
		w.id, w.model = e.ID, e.Model
	case translate.EventBlockStart:
		w.blockStart(e)
	case translate.EventBlockDelta:
		w.blockDelta(e)
	case translate.EventBlockStop:
		w.blockStop(e)
	case translate.EventStop:
		return w.stop(dst, e)
	case translate.EventPing: // Google's SDKs take a comment for a broken chunk
		return dst
	}
	if w.whole || len(w.parts.B) == 0 {
		return dst
	}
	return w.chunk(dst, nil)
}

func (w *eventWriter) blockStart(e *translate.Event) {
	w.wrote, w.block, w.cited = false, len(w.text), len(w.citations)
	switch e.Kind {
	case translate.KindToolUse:
		w.call, w.input = *e, w.input[:0]
	case translate.KindThinking:
		w.thought = w.thought[:0]
	case translate.KindMedia:
		w.media(e.Part)
	case translate.KindOpaque:
		if o, ok := e.Part.(*translate.Opaque); ok && o.Format == translate.Gemini {
			w.parts.Raw(o.Raw)
		} else if ok {
			w.losses.Add("content", "a part of type "+o.Type+" is known to "+string(o.Format)+" alone")
		}
	}
}

func (w *eventWriter) blockDelta(e *translate.Event) {
	switch e.Kind {
	case translate.KindToolUse:
		w.input = append(w.input, e.Text...)
	case translate.KindThinking:
		w.thought = append(w.thought, e.Text...)
		w.words(e.Text, true)
	default:
		if e.Citation != nil {
			w.citations = append(w.citations, *e.Citation)
			return
		}
		w.text = append(w.text, e.Text...)
		w.words(e.Text, false)
	}
}

func (w *eventWriter) words(text []byte, thought bool) {
	if len(text) == 0 {
		return
	}
	w.wrote = true
	w.parts.Object().Key("text").Text(text)
	if thought {
		w.parts.Key("thought").Bool(true)
	}
	w.parts.EndObject()
}

func (w *eventWriter) blockStop(e *translate.Event) {
	switch e.Kind {
	case translate.KindToolUse:
		w.functionCall()
	case translate.KindText, translate.KindThinking:
		if cites := w.citations[w.cited:]; len(cites) > 0 {
			from := utf8.RuneCount(w.text[:w.block])
			to := from + utf8.RuneCount(w.text[w.block:])
			for i := range cites {
				cites[i].Bound(from, to)
			}
		}
		if e.State == nil {
			return
		}
		thought := e.Kind == translate.KindThinking
		sign := func(p *jsonx.Encoder) { p.Key("thoughtSignature").String(signature(e.State)).EndObject() }
		if w.whole && w.wrote {
			w.parts.B = w.parts.B[:len(w.parts.B)-1] // on the part just written
			sign(&w.parts)
		} else {
			w.parts.Object().Key("text").String("")
			if thought {
				w.parts.Key("thought").Bool(true)
			}
			sign(&w.parts)
		}
		if thought && e.State.Origin != Origin {
			w.thinking = append(w.thinking, &translate.Thinking{Text: string(w.thought), Redacted: e.Redacted, ID: e.ID, State: e.State})
		}
	}
}

// signature returns state as the format's place for it demands: base64.
func signature(s *translate.State) string { return s.Seal(Origin) }

func (w *eventWriter) functionCall() {
	use := translate.ToolUse{Input: translate.ParseInput(string(w.input), w.call.Custom), Custom: w.call.Custom}
	args, ok := use.InputObject()
	if !ok {
		w.losses.Add("functionCall.args", "the model's arguments are no JSON object")
	}
	// The call's own state has a place of its own; thinking that a plain
	// client may not send back rides in the ID.
	id := translate.PackToolID(w.call.ID, nil, w.thinking)
	w.thinking = nil
	e := w.parts.Object().Key("functionCall").Object()
	if id != "" {
		e.Key("id").String(id)
	}
	e.Key("name").String(w.call.Name).Key("args").Raw(args).EndObject()
	if w.call.State != nil {
		e.Key("thoughtSignature").String(signature(w.call.State))
	}
	e.EndObject()
}

func (w *eventWriter) media(p translate.Part) {
	m, ok := p.(*translate.Media)
	if !ok {
		return
	}
	e := w.parts.Object()
	if m.Data != "" {
		e.Key("inlineData").Object().Key("mimeType").String(m.MIMEType).Key("data").String(m.Data).EndObject()
	} else {
		uri := m.URL
		if uri == "" {
			uri = m.FileID
		}
		e.Key("fileData").Object()
		if m.MIMEType != "" {
			e.Key("mimeType").String(m.MIMEType)
		}
		e.Key("fileUri").String(uri).EndObject()
	}
	e.EndObject()
}

func (w *eventWriter) stop(dst []byte, e *translate.Event) []byte {
	if len(w.parts.B) == 0 && !w.whole {
		w.parts.Object().Key("text").String("").EndObject()
	}
	dst = w.chunk(dst, e)
	if w.array {
		dst = append(dst, "\r\n]"...)
	}
	return dst
}

// chunk writes what has gathered; end is the stop event in the last one.
func (w *eventWriter) chunk(dst []byte, end *translate.Event) []byte {
	e := &w.out
	e.B = e.B[:0]
	e.Object().Key("candidates").Array().Object()
	e.Key("content").Object().Key("role").String("model").Key("parts").Array()
	e.B = append(e.B, w.parts.B...)
	e.EndArray().EndObject()
	w.parts.B = w.parts.B[:0]
	if end != nil {
		e.Key("finishReason").String(finishWord(&end.Finish))
		if m := finishMessage(&end.Finish); m != "" {
			e.Key("finishMessage").String(m)
		}
		w.cite(e)
	}
	e.Key("index").Int(0).EndObject().EndArray()
	if end != nil && end.Usage != nil {
		u := end.Usage
		e.Key("usageMetadata").Object().Key("promptTokenCount").Int(u.TotalInput())
		if u.CacheRead > 0 {
			e.Key("cachedContentTokenCount").Int(u.CacheRead)
		}
		e.Key("candidatesTokenCount").Int(u.Output)
		if u.Reasoning > 0 {
			e.Key("thoughtsTokenCount").Int(u.Reasoning)
		}
		e.Key("totalTokenCount").Int(u.Total()).EndObject()
	}
	if w.model != "" {
		e.Key("modelVersion").String(w.model)
	}
	if w.id != "" {
		e.Key("responseId").String(w.id)
	}
	return w.frame(dst, e.EndObject().B)
}

func (w *eventWriter) cite(e *jsonx.Encoder) {
	open := false
	for _, c := range w.citations {
		if c.URL == "" {
			w.losses.Add("citations", "a citation without an address")
			continue
		}
		if !open {
			open = true
			e.Key("citationMetadata").Object().Key("citationSources").Array()
		}
		e.Object().Key("startIndex").Int(int64(w.offset(c.Start))).Key("endIndex").Int(int64(w.offset(c.End))).Key("uri").String(c.URL)
		if c.Title != "" {
			e.Key("title").String(c.Title)
		}
		e.EndObject()
	}
	if open {
		e.EndArray().EndObject()
	}
}

// offset returns the byte offset of a code point in the answer's text.
func (w *eventWriter) offset(points int) int {
	i := 0
	for ; points > 0 && i < len(w.text); points-- {
		_, n := utf8.DecodeRune(w.text[i:])
		i += n
	}
	return i
}

func finishWord(f *translate.Finish) string {
	if _, ok := reasons[f.Native]; ok {
		return f.Native
	}
	switch f.Reason {
	case translate.FinishStop, translate.FinishStopSequence, translate.FinishToolUse:
		return "STOP"
	case translate.FinishLength:
		return "MAX_TOKENS"
	case translate.FinishFiltered:
		if strings.HasPrefix(f.Native, "PROHIBITED") {
			return "PROHIBITED_CONTENT"
		}
		return "SAFETY"
	}
	return "OTHER"
}

// finishMessage tells what the word cannot.
func finishMessage(f *translate.Finish) string {
	if f.Message != "" {
		return f.Message
	}
	switch f.Reason {
	case translate.FinishPause, translate.FinishOther, translate.FinishError:
		return f.Native
	}
	return ""
}
