package responses

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

func (w *requestWriter) messages() {
	messages, e := w.r.Messages, &w.e
	skip := 0
	// Instructions alone, without any input, would be refused.
	if s, ok := w.instructions(); ok && len(messages) > 1 {
		e.Key("instructions").String(s)
		skip = 1
	}
	e.Key("input").Array()
	for i := skip; i < len(messages); i++ {
		w.message(i, &messages[i])
	}
	e.EndArray()
}

// instructions returns the first message's text where that message reads back
// the same from instructions.
func (w *requestWriter) instructions() (string, bool) {
	if len(w.r.Messages) == 0 {
		return "", false
	}
	m := &w.r.Messages[0]
	if m.Role != translate.System || m.Name != "" || len(m.Parts) != 1 {
		return "", false
	}
	t, ok := m.Parts[0].(*translate.Text)
	if !ok || t.Text == "" || t.Cache != nil && w.cacheable() {
		return "", false
	}
	w.cacheLoss(t.Cache, "messages[0].content[0]")
	return t.Text, true
}

func (w *requestWriter) cacheable() bool { return w.own || w.o.Dialect.CacheBreakpoints }

func (w *requestWriter) cacheLoss(m *translate.CacheMark, path string) {
	if m != nil {
		w.lose(path+".cache_control", "the provider decides by itself what it caches")
	}
}

// mark writes a cache mark, or reports that there can be none.
func (w *requestWriter) mark(m *translate.CacheMark, path string) {
	if m == nil {
		return
	}
	if !w.cacheable() {
		w.cacheLoss(m, path)
		return
	}
	w.e.Key("prompt_cache_breakpoint").Object().Key("mode").String("explicit")
	if w.own && m.TTL != "" || m.TTL == "30m" || m.TTL == "12h" {
		w.e.Key("ttl").String(m.TTL)
	}
	w.e.EndObject()
}

// message writes a message as items: its content gathers in message items,
// everything else is an item of its own, in the order in which it stands.
func (w *requestWriter) message(i int, m *translate.Message) {
	e := &w.e
	if m.Name != "" {
		w.lose("messages["+strconv.Itoa(i)+"].name", "messages have no name in Responses")
	}
	if m.Prefill {
		w.lose("messages["+strconv.Itoa(i)+"]", "the model starts a new message instead of continuing this one")
	}
	if len(m.Parts) == 0 && m.Role != translate.Assistant {
		e.Object().Key("type").String("message").Key("role").String(string(m.Role)).Key("content").String("").EndObject()
		return
	}
	open := false
	var phaseRaw []byte
	begin := func() {
		if !open {
			e.Object().Key("type").String("message").Key("role").String(string(m.Role))
			if phaseRaw != nil {
				e.Key("phase").Raw(phaseRaw)
				phaseRaw = nil
			}
			e.Key("content").Array()
			open = true
		}
	}
	end := func() {
		if phaseRaw != nil { // of a message without content
			begin()
		}
		if open {
			e.EndArray().EndObject()
			open = false
		}
	}
	for j, p := range m.Parts {
		switch p := p.(type) {
		case *translate.Text:
			begin()
			w.textPart(i, j, m.Role, p)
		case *translate.Refusal:
			begin()
			if m.Role == translate.Assistant {
				e.Object().Key("type").String("refusal").Key("refusal").String(p.Text).EndObject()
			} else {
				e.Object().Key("type").String("input_text").Key("text").String(p.Text).EndObject()
			}
		case *translate.Media:
			if m.Role == translate.Assistant && !w.own {
				w.lose(w.r.Path(i, j), "an assistant message holds text only")
				continue
			}
			begin()
			w.media(w.r.Path(i, j), p)
		case *translate.Opaque:
			switch {
			case p.Format != translate.Responses:
				w.lose(w.r.Path(i, j), p.Type+" is not known outside the "+string(p.Format)+" format")
			case p.Type == phase:
				end()
				phaseRaw = p.Raw
			case strings.HasPrefix(p.Type, contentPart):
				begin()
				e.Raw(p.Raw)
			default:
				end()
				e.Raw(p.Raw)
			}
		case *translate.Thinking:
			end()
			w.thinking(i, j, p)
		case *translate.ToolUse:
			end()
			w.toolUse(i, j, p)
		case *translate.ToolResult:
			end()
			w.toolResult(i, j, p)
		}
	}
	end()
}

func (w *requestWriter) textPart(i, j int, role translate.Role, t *translate.Text) {
	e, typ := &w.e, "input_text"
	if role == translate.Assistant {
		typ = "output_text"
	}
	e.Object().Key("type").String(typ).Key("text").String(t.Text)
	if len(t.Citations) > 0 {
		e.Key("annotations").Array()
		for k := range t.Citations {
			if c := &t.Citations[k]; c.Format == translate.Responses && len(c.Raw) > 0 {
				e.Raw(c.Raw)
			} else {
				w.lose(w.r.Path(i, j)+".citations["+strconv.Itoa(k)+"]", "citations of earlier answers are not sent back")
			}
		}
		e.EndArray()
	}
	if t.State != nil {
		w.foreign(w.r.Path(i, j), t.State)
	}
	if t.Cache != nil {
		w.mark(t.Cache, w.r.Path(i, j))
	}
	e.EndObject()
}

func (w *requestWriter) foreign(path string, s *translate.State) {
	w.lose(path, "reasoning state of "+s.Origin+" cannot be used by "+w.o.origin())
}

func (w *requestWriter) media(path string, m *translate.Media) {
	e := &w.e
	if m.FileID != "" && m.Format != translate.OpenAI && m.Format != translate.Responses {
		w.fail(path, "the file "+strconv.Quote(m.FileID)+" is kept by another provider")
		return
	}
	switch m.Kind {
	case translate.Image:
		e.Object().Key("type").String("input_image")
		switch {
		case m.FileID != "":
			e.Key("file_id").String(m.FileID)
		case m.URL != "":
			e.Key("image_url").String(m.URL)
		default:
			e.Key("image_url").String(m.DataURL())
		}
		if m.Detail != "" {
			e.Key("detail").String(m.Detail)
		}
	case translate.File:
		e.Object().Key("type").String("input_file")
		name := m.Name
		switch {
		case m.FileID != "":
			e.Key("file_id").String(m.FileID)
		case m.URL != "":
			e.Key("file_url").String(m.URL)
		default:
			e.Key("file_data").String(fileDataURL(m))
			if name == "" && !w.own {
				name = fileName(m) // required beside data
			}
		}
		if name != "" {
			e.Key("filename").String(name)
		}
	case translate.Audio:
		if !w.own {
			w.fail(path, "this provider takes no audio")
			return
		}
		e.Object().Key("type").String("input_audio").Key("input_audio").Object().Key("data").String(m.Data).Key("format").String(translate.AudioFormat(m.MIMEType)).EndObject()
	default:
		w.fail(path, "this provider takes no "+string(m.Kind))
		return
	}
	if m.Context != "" {
		w.lose(path+".context", "files have no context in Responses")
	}
	if m.Cite && m.Kind == translate.File {
		w.lose(path+".citations", "citations of files cannot be asked for")
	}
	w.mark(m.Cache, path)
	e.EndObject()
}

func fileDataURL(m *translate.Media) string {
	if m.MIMEType != "" {
		return m.DataURL()
	}
	typed := *m
	typed.MIMEType = "application/pdf"
	if m.Text != "" {
		typed.MIMEType = "text/plain"
	}
	return typed.DataURL()
}

func fileName(m *translate.Media) string {
	switch {
	case m.MIMEType == "text/plain" || m.Text != "":
		return "document.txt"
	case m.MIMEType == "" || m.MIMEType == "application/pdf":
		return "document.pdf"
	}
	_, ext, _ := strings.Cut(m.MIMEType, "/")
	return "document." + ext
}

// thinking writes a reasoning item, where the provider can read it: with its
// state, or as a client of this format has written it.
func (w *requestWriter) thinking(i, j int, t *translate.Thinking) {
	e := &w.e
	if t.State != nil && t.State.Origin != w.o.origin() {
		w.foreign(w.r.Path(i, j), t.State)
		return
	}
	plain := t.State == nil && w.o.Dialect.ReasoningText && t.Text != ""
	if t.State == nil && !plain && !w.own {
		w.lose(w.r.Path(i, j), "reasoning without state cannot be sent back")
		return
	}
	e.Object().Key("type").String("reasoning")
	if strings.HasPrefix(t.ID, "rs_") || w.own && t.ID != "" {
		e.Key("id").String(t.ID)
	}
	e.Key("summary").Array()
	if t.Text != "" && !plain {
		e.Object().Key("type").String("summary_text").Key("text").String(t.Text).EndObject()
	}
	e.EndArray()
	if plain {
		e.Key("content").Array().Object().Key("type").String("reasoning_text").Key("text").String(t.Text).EndObject().EndArray()
	}
	if t.State != nil {
		e.Key("encrypted_content").String(t.State.Data)
	}
	e.EndObject()
}

func (w *requestWriter) toolUse(i, j int, u *translate.ToolUse) {
	e := &w.e
	if u.State != nil {
		w.foreign(w.r.Path(i, j), u.State)
	}
	w.cacheLoss(u.Cache, w.r.Path(i, j))
	e.Object()
	if u.Custom {
		if w.custom == nil {
			w.custom = make(map[string]bool)
		}
		w.custom[u.ID] = true
		e.Key("type").String("custom_tool_call").Key("call_id").String(callID(u.ID)).Key("name").String(u.Name).Key("input").String(u.InputText())
	} else {
		e.Key("type").String("function_call").Key("call_id").String(callID(u.ID)).Key("name").String(u.Name).Key("arguments").String(u.InputText())
	}
	e.EndObject()
}

// callID fits a call's ID to the 64 bytes that OpenAI takes, the same way in
// the call and in its output.
func callID(id string) string {
	if id == "" || len(id) > 64 {
		return translate.FitID(id, 64)
	}
	return id
}

func (w *requestWriter) toolResult(i, j int, res *translate.ToolResult) {
	e, path := &w.e, w.r.Path(i, j)
	typ := "function_call_output"
	if res.Custom || w.custom[res.ToolUseID] {
		typ = "custom_tool_call_output"
	}
	e.Object().Key("type").String(typ).Key("call_id").String(callID(res.ToolUseID)).Key("output")
	if s, ok := w.plain(res.Parts); ok {
		e.String(s)
	} else {
		e.Array()
		for k, p := range res.Parts {
			inner := path + ".content[" + strconv.Itoa(k) + "]"
			switch p := p.(type) {
			case *translate.Text:
				e.Object().Key("type").String("input_text").Key("text").String(p.Text)
				w.mark(p.Cache, inner)
				e.EndObject()
			case *translate.Media:
				w.media(inner, p)
			case *translate.Opaque:
				if p.Format == translate.Responses {
					e.Raw(p.Raw)
				} else {
					w.lose(inner, p.Type+" is not known outside the "+string(p.Format)+" format")
				}
			default:
				w.lose(inner, "a tool's output holds text, images and files")
			}
		}
		e.EndArray()
	}
	if res.IsError {
		w.lose(path+".is_error", "a tool's output has no error flag")
	}
	w.mark(res.Cache, path)
	e.EndObject()
}

// plain returns an output that is one plain text.
func (w *requestWriter) plain(parts []translate.Part) (string, bool) {
	if len(parts) == 0 {
		return "", true
	}
	if len(parts) > 1 {
		return "", false
	}
	t, ok := parts[0].(*translate.Text)
	if !ok || t.Cache != nil {
		return "", false
	}
	return t.Text, true
}
