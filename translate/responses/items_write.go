package responses

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// appendItem writes the item under way.
func (w *eventWriter) appendItem(e *jsonx.Encoder, status, text, encrypted string) {
	it := &w.item
	e.Object().Key("id").String(it.id)
	switch it.kind {
	case messageItem:
		e.Key("type").String("message").Key("status").String(status).Key("role").String("assistant").Key("content").Array()
		e.B = append(e.B, w.parts.B...)
		e.EndArray()
	case reasoningItem:
		e.Key("type").String("reasoning").Key("summary").Array()
		if text != "" {
			appendSummary(e, text)
		}
		e.EndArray()
		if encrypted != "" {
			e.Key("encrypted_content").String(encrypted)
		}
	case functionItem:
		e.Key("type").String("function_call").Key("status").String(status).Key("call_id").String(it.callID).Key("name").String(it.name).Key("arguments").String(text)
	case customItem:
		e.Key("type").String("custom_tool_call").Key("status").String(status).Key("call_id").String(it.callID).Key("name").String(it.name).Key("input").String(text)
	}
	e.EndObject()
}

// appendPart writes a message's part, with the annotations of the block under
// way.
func (w *eventWriter) appendPart(e *jsonx.Encoder, kind translate.PartKind, text string) {
	if kind == translate.KindRefusal {
		e.Object().Key("type").String("refusal").Key("refusal").String(text).EndObject()
		return
	}
	e.Object().Key("type").String("output_text").Key("text").String(text).Key("annotations").Array()
	e.B = append(e.B, w.annotations.B...)
	e.EndArray().Key("logprobs")
	if text != "" && w.logprobs != nil {
		e.Raw(w.logprobs)
	} else {
		e.Array().EndArray()
	}
	e.EndObject()
}

func appendSummary(e *jsonx.Encoder, text string) {
	e.Object().Key("type").String("summary_text").Key("text").String(text).EndObject()
}

// canCite tells whether a citation has a place in Responses.
func canCite(c *translate.Citation) bool {
	return c.Format == translate.Responses && len(c.Raw) > 0 || c.URL != ""
}

func appendAnnotation(e *jsonx.Encoder, c *translate.Citation) {
	if c.Format == translate.Responses && len(c.Raw) > 0 {
		e.Raw(c.Raw)
		return
	}
	e.Object().Key("type").String("url_citation").Key("start_index").Int(int64(c.Start)).Key("end_index").Int(int64(c.End))
	e.Key("url").String(c.URL).Key("title").String(c.Title).EndObject()
}

// imageItem is the only item that holds an image: a hosted tool's call.
func imageItem(id string, m *translate.Media) []byte {
	var e jsonx.Encoder
	e.Object().Key("id").String(id).Key("type").String("image_generation_call")
	if m == nil {
		return e.Key("status").String("in_progress").Key("result").Null().EndObject().B
	}
	e.Key("status").String("completed").Key("result").String(m.Data)
	if f, ok := strings.CutPrefix(m.MIMEType, "image/"); ok {
		e.Key("output_format").String(f)
	}
	return e.EndObject().B
}
