package openai

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// assistant writes an assistant message: its parts sorted into the members
// that Chat Completions has for them.
func (w *requestWriter) assistant(i int, m *translate.Message) {
	var (
		texts    []translate.Part
		thinking []*translate.Thinking
		calls    []*translate.ToolUse
		refusal  []string
		audio    []byte
		textSig  string
	)
	for j, p := range m.Parts {
		switch p := p.(type) {
		case *translate.Text:
			if s := w.ownState(p.State, i, j); s != "" {
				textSig = s
			}
			if p.Text != "" || p.State == nil {
				texts = append(texts, p)
			}
		case *translate.Thinking:
			if t := w.thinking(p, i, j); t != nil {
				thinking = append(thinking, t)
			}
		case *translate.ToolUse:
			calls = append(calls, p)
		case *translate.Refusal:
			refusal = append(refusal, p.Text)
		case *translate.Opaque:
			if p.Format != translate.OpenAI {
				w.lose(w.path(i, j), "a "+p.Type+" is not known outside the "+string(p.Format)+" format")
			} else if p.Type == "audio" {
				audio = p.Raw
			} else {
				texts = append(texts, p)
			}
		default:
			w.lose(w.path(i, j), "an assistant message holds text and tool calls only")
		}
	}
	e := &w.e
	e.Object().Key("role").String("assistant")
	if m.Name != "" {
		e.Key("name").String(m.Name)
	}
	w.assistantContent(i, texts, thinking, len(calls) > 0 || len(refusal) > 0 || audio != nil)
	if w.d.ReasoningField != "content" {
		w.writeReasoning(thinking)
	}
	if len(refusal) > 0 {
		e.Key("refusal").String(strings.Join(refusal, ""))
	}
	if audio != nil {
		e.Key("audio").Raw(audio)
	}
	if textSig != "" {
		w.signature(textSig)
	}
	if len(calls) > 0 {
		e.Key("tool_calls").Array()
		for j, u := range calls {
			w.toolCall(i, j, u)
		}
		e.EndArray()
	}
	if m.Prefill && i == w.lastMsg {
		if w.d.Prefix {
			e.Key("prefix").Bool(true)
		} else {
			w.lose("messages", "the provider may answer the last assistant message instead of continuing it")
		}
	}
	e.EndObject()
}

// ownState returns state's data where this provider made it.
func (w *requestWriter) ownState(s *translate.State, i, j int) string {
	if s == nil {
		return ""
	}
	if s.Origin != w.o.origin() {
		w.lose(w.path(i, j), "reasoning state of "+s.Origin+" cannot be used by "+w.o.origin())
		return ""
	}
	return s.Data
}

// thinking returns what of t can be sent: nil, the text, or text and state.
func (w *requestWriter) thinking(t *translate.Thinking, i, j int) *translate.Thinking {
	data := w.ownState(t.State, i, j)
	if data != "" && (jsonx.KindOf([]byte(data)) != jsonx.Object || !jsonx.Valid([]byte(data))) {
		// OpenAI's encrypted reasoning, which only Responses takes. A client
		// may have written anything here, and it must not become JSON.
		w.lose(w.path(i, j), "Chat Completions has no place for this reasoning state")
		data = ""
	}
	switch {
	case data != "":
		return t
	case t.Text == "":
		return nil
	case w.d.ReasoningField == "":
		if t.State == nil {
			w.lose(w.path(i, j), "the provider takes no reasoning back")
		}
		return nil
	}
	return &translate.Thinking{Text: t.Text}
}

// writeReasoning writes reasoning as OpenRouter's details where any of it has
// state, and else as plain text.
func (w *requestWriter) writeReasoning(thinking []*translate.Thinking) {
	e := &w.e
	if anyState(thinking) {
		e.Key("reasoning_details").Array()
		for _, t := range thinking {
			w.detail(t)
		}
		e.EndArray()
		return
	}
	if w.d.ReasoningField == "" || len(thinking) == 0 && !w.d.EchoReasoning {
		return
	}
	var texts []string
	for _, t := range thinking {
		texts = append(texts, t.Text)
	}
	e.Key(w.d.ReasoningField).String(strings.Join(texts, "\n"))
}

// detail writes one of reasoning_details. State data is the detail without its
// text, which is put back.
func (w *requestWriter) detail(t *translate.Thinking) {
	e := &w.e
	if t.State == nil {
		e.Object().Key("type").String("reasoning.text").Key("text").String(t.Text).EndObject()
		return
	}
	w.reopen(t.State.Data)
	switch {
	case strings.Contains(t.State.Data, `"reasoning.summary"`):
		e.Key("summary").String(t.Text)
	case t.Text != "" || strings.Contains(t.State.Data, `"reasoning.text"`):
		e.Key("text").String(t.Text)
	}
	e.EndObject()
}

// reopen writes an object so that members can be added to it.
func (w *requestWriter) reopen(object string) {
	w.e.Raw([]byte(object))
	w.e.B = w.e.B[:len(w.e.B)-1]
}

func (w *requestWriter) assistantContent(i int, texts []translate.Part, thinking []*translate.Thinking, empty bool) {
	e := &w.e
	e.Key("content")
	if w.d.ReasoningField == "content" && len(thinking) > 0 {
		e.Array()
		for _, t := range thinking { // Mistral's parts
			if t.State != nil {
				w.reopen(t.State.Data)
			} else {
				e.Object().Key("type").String("thinking")
			}
			e.Key("thinking").Array().Object().Key("type").String("text").Key("text").String(t.Text).EndObject().EndArray()
			e.Key("closed").Bool(true).EndObject()
		}
		for j, p := range texts {
			w.part(i, j, p)
		}
		e.EndArray()
		return
	}
	if len(texts) == 0 && empty {
		e.Null()
		return
	}
	if s, ok := w.asString(texts); ok {
		e.String(s)
		return
	}
	e.Array()
	for j, p := range texts {
		w.part(i, j, p)
	}
	e.EndArray()
}

func (w *requestWriter) toolCall(i, j int, u *translate.ToolUse) {
	e := &w.e
	e.Object().Key("id").String(w.callID(u.ID))
	if u.Custom {
		e.Key("type").String("custom").Key("custom").Object().Key("name").String(u.Name).Key("input").String(u.InputText()).EndObject()
	} else {
		e.Key("type").String("function").Key("function").Object().Key("name").String(u.Name).Key("arguments").String(u.InputText()).EndObject()
	}
	if sig := w.ownState(u.State, i, j); sig != "" {
		w.signature(sig)
	}
	e.EndObject()
}

// signature writes Gemini's own convention for thought signatures.
func (w *requestWriter) signature(sig string) {
	w.e.Key("extra_content").Object().Key("google").Object().Key("thought_signature").String(sig).EndObject().EndObject()
}
