package openai

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

func (w *requestWriter) messages() {
	messages := w.r.Messages
	w.e.Key("messages").Array()
	if w.d.MergeSystem {
		var system []*translate.Text
		system, messages = w.r.Turns(false, &w.losses)
		w.turns = messages
		if len(system) > 0 {
			texts := make([]string, len(system))
			for i, t := range system {
				texts[i] = t.Text
			}
			w.e.Object().Key("role").String(w.role(translate.System)).Key("content").String(strings.Join(texts, "\n\n")).EndObject()
		}
	}
	w.lastMsg = len(messages) - 1
	for i := range messages {
		w.message(i, &messages[i])
	}
	w.flushMoved()
	w.e.EndArray()
}

func (w *requestWriter) role(r translate.Role) string {
	if (r == translate.System || r == translate.Developer) && w.d.SystemRole != "" {
		return w.d.SystemRole
	}
	return string(r)
}

// path names a part of the messages that are written.
func (w *requestWriter) path(i, j int) string {
	if w.d.MergeSystem { // they are turns
		return w.places.Of(w.turns[i].Parts[j]).String()
	}
	return w.r.Path(i, j)
}

func (w *requestWriter) message(i int, m *translate.Message) {
	if m.Role == translate.Assistant {
		w.flushMoved()
		w.assistant(i, m)
		return
	}
	// Results first, each in a message of its own, right after the calls.
	rest := false
	for j, p := range m.Parts {
		if res, ok := p.(*translate.ToolResult); ok {
			w.toolResult(i, j, res)
		} else {
			rest = true
		}
	}
	if !rest && len(m.Parts) > 0 {
		return
	}
	e := &w.e
	e.Object().Key("role").String(w.role(m.Role))
	if m.Name != "" {
		e.Key("name").String(m.Name)
	}
	e.Key("content")
	if s, ok := w.asString(m.Parts); ok && len(w.moved) == 0 {
		e.String(s)
	} else {
		e.Array()
		w.movedParts()
		for j, p := range m.Parts {
			w.part(i, j, p)
		}
		e.EndArray()
	}
	e.EndObject()
}

// asString returns content that can be one string: a single plain text, or
// texts only where the dialect wants strings.
func (w *requestWriter) asString(parts []translate.Part) (string, bool) {
	if len(parts) == 0 {
		return "", true
	}
	if len(parts) == 1 {
		t, ok := parts[0].(*translate.Text)
		if !ok || t.Cache != nil && w.d.CacheMark != "" && !w.d.StringContent {
			return "", false
		}
		if t.Cache == nil || w.d.StringContent {
			return t.Text, true
		}
		return "", false // so that the part reports its mark
	}
	if !w.d.StringContent {
		return "", false
	}
	texts := make([]string, 0, len(parts))
	for _, p := range parts {
		switch p := p.(type) {
		case *translate.Text:
			texts = append(texts, p.Text)
		case *translate.ToolResult:
		default:
			return "", false
		}
	}
	return strings.Join(texts, "\n"), true
}

// toolResult writes a tool message. It holds text only, so media are shown in
// the user message that comes next.
func (w *requestWriter) toolResult(i, j int, res *translate.ToolResult) {
	e := &w.e
	e.Object().Key("role").String("tool").Key("tool_call_id").String(w.callID(res.ToolUseID))
	name := ""
	if w.d.ToolResultNames {
		if name = res.Name; name == "" {
			name = w.toolName(res.ToolUseID)
		}
	} else if w.r.Format == translate.OpenAI {
		name = res.Name // the client has put it there, and knows whom it asks
	}
	if name != "" {
		e.Key("name").String(name)
	}
	var texts []translate.Part
	for k, p := range res.Parts {
		switch p := p.(type) {
		case *translate.Text:
			texts = append(texts, p)
		case *translate.Media:
			if p.Text != "" {
				texts = append(texts, &translate.Text{Text: p.Text})
				continue
			}
			w.lose(w.path(i, j)+".content["+strconv.Itoa(k)+"]", "a tool message holds text only; the "+string(p.Kind)+" is sent in a user message after it")
			w.moved = append(w.moved, p)
			texts = append(texts, &translate.Text{Text: "[" + string(p.Kind) + " below]"})
		default:
			w.lose(w.path(i, j)+".content["+strconv.Itoa(k)+"]", "a tool message holds text only")
		}
	}
	if res.IsError {
		w.lose(w.path(i, j)+".is_error", "tool messages have no error flag")
	}
	e.Key("content")
	if s, ok := w.asString(texts); ok {
		e.String(s)
	} else {
		e.Array()
		for _, p := range texts {
			w.part(i, j, p)
		}
		e.EndArray()
	}
	w.mark(res.Cache, w.path(i, j))
	e.EndObject()
}

func (w *requestWriter) toolName(id string) string {
	if w.names == nil {
		w.names = w.r.ToolNames()
	}
	return w.names[id]
}

func (w *requestWriter) flushMoved() {
	if len(w.moved) == 0 {
		return
	}
	w.e.Object().Key("role").String("user").Key("content").Array()
	w.movedParts()
	w.e.EndArray().EndObject()
}

func (w *requestWriter) movedParts() {
	for _, m := range w.moved {
		w.media("messages", m)
	}
	w.moved = nil
}

// part writes a content part of a message that is not the assistant's.
func (w *requestWriter) part(i, j int, p translate.Part) {
	e := &w.e
	switch p := p.(type) {
	case *translate.Text:
		e.Object().Key("type").String("text").Key("text").String(p.Text)
		w.mark(p.Cache, w.path(i, j))
		e.EndObject()
	case *translate.Media:
		w.media(w.path(i, j), p)
	case *translate.Opaque:
		if p.Format != translate.OpenAI {
			w.lose(w.path(i, j), "a "+p.Type+" is not known outside the "+string(p.Format)+" format")
			return
		}
		e.Raw(p.Raw)
	case *translate.ToolResult: // written before
	case *translate.Refusal:
		e.Object().Key("type").String("text").Key("text").String(p.Text).EndObject()
	default:
		w.lose(w.path(i, j), "only an assistant's message can hold this")
	}
}

func (w *requestWriter) media(path string, m *translate.Media) {
	e := &w.e
	url := m.URL
	if m.Data != "" || url == "" && m.FileID == "" && m.Kind != translate.File {
		url = m.DataURL()
	}
	if m.Cite {
		w.lose(path+".citations", "citations of documents cannot be asked for")
	}
	if m.Context != "" {
		w.lose(path+".context", "documents have no context")
	}
	if m.FileID != "" && (m.Format != translate.OpenAI || m.Kind != translate.File) {
		w.fail(path, "the file "+strconv.Quote(m.FileID)+" is kept by another provider; send its bytes")
		return
	}
	switch m.Kind {
	case translate.Image:
		if m.URL != "" && m.Data == "" && w.d.DataURLsOnly {
			w.fail(path, "the provider does not fetch images; send the image's bytes as a data: URL")
			return
		}
		e.Object().Key("type").String("image_url").Key("image_url").Object().Key("url").String(url)
		if m.Detail != "" {
			e.Key("detail").String(m.Detail)
		}
		e.EndObject()
	case translate.Video:
		e.Object().Key("type").String("video_url").Key("video_url").Object().Key("url").String(url).EndObject()
	case translate.Audio:
		if m.Data == "" {
			w.fail(path, "audio must be sent as bytes, not by URL")
			return
		}
		e.Object().Key("type").String("input_audio").Key("input_audio").Object()
		e.Key("data").String(m.Data).Key("format").String(translate.AudioFormat(m.MIMEType)).EndObject()
	default:
		if !w.file(path, m) {
			return
		}
	}
	w.mark(m.Cache, path)
	e.EndObject()
}

// file writes the head of a document's part, which media closes.
func (w *requestWriter) file(path string, m *translate.Media) bool {
	e := &w.e
	switch {
	case m.Text != "":
		w.lose(path, "a document of plain text is sent as text")
		text := m.Text
		if m.Name != "" {
			text = m.Name + "\n\n" + text
		}
		e.Object().Key("type").String("text").Key("text").String(text)
		return true
	case w.d.DocumentURLs && m.FileID == "":
		url := m.URL
		if m.Data != "" || url == "" {
			url = m.DataURL()
		}
		e.Object().Key("type").String("document_url").Key("document_url").String(url)
		if m.Name != "" {
			e.Key("document_name").String(m.Name)
		}
		return true
	case m.URL != "" && m.Data == "":
		w.fail(path, "documents must be sent as bytes, not by URL")
		return false
	}
	e.Object().Key("type").String("file").Key("file").Object()
	if m.FileID != "" {
		e.Key("file_id").String(m.FileID)
	} else {
		e.Key("file_data").String(m.DataURL())
	}
	name := m.Name
	if name == "" && m.FileID == "" {
		name = "document" // required beside file_data
		if m.MIMEType == "application/pdf" {
			name = "document.pdf"
		}
	}
	if name != "" {
		e.Key("filename").String(name)
	}
	e.EndObject()
	return true
}
