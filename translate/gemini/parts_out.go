package gemini

import (
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// messages writes systemInstruction and contents.
func (w *requestWriter) messages() {
	e := &w.e
	system, turns := w.r.Turns(false, &w.losses)
	if len(system) > 0 && w.gen == gemma && !w.own {
		// Gemma has no place for it but the first turn.
		parts := make([]translate.Part, 0, len(system))
		for _, t := range system {
			parts = append(parts, t)
		}
		if len(turns) > 0 && turns[0].Role == translate.User {
			turns[0].Parts = append(parts, turns[0].Parts...)
		} else {
			turns = slices.Insert(turns, 0, translate.Message{Role: translate.User, Parts: parts})
		}
		w.losses.Add("messages[0]", "the model has no system instruction; it is sent as user text")
		system = nil
	}
	if len(system) > 0 {
		e.Key("systemInstruction").Object().Key("parts").Array()
		for _, t := range system {
			e.Object().Key("text").String(t.Text).EndObject()
			if t.Cache != nil {
				w.losses.Add("system.cache_control", "this provider caches by itself")
			}
		}
		e.EndArray().EndObject()
	}
	e.Key("contents").Array()
	if len(turns) > 0 && turns[0].Role == translate.Assistant && !w.own {
		e.Object().Key("role").String("user").Key("parts").Array().Object().Key("text").String("(begin)").EndObject().EndArray().EndObject()
	}
	for i := range w.r.Messages {
		if w.r.Messages[i].Name != "" {
			w.losses.Add("messages["+strconv.Itoa(i)+"].name", "messages have no names here")
		}
	}
	names := w.r.ToolNames()
	var calls []string // of the turn before, in their order
	for i := range turns {
		calls = w.turn(&turns[i], names, calls)
	}
	e.EndArray()
}

func (w *requestWriter) cache(mark *translate.CacheMark, at translate.Place) {
	if mark != nil {
		w.losses.Add(at.String()+".cache_control", "this provider caches by itself")
	}
}

// turn writes a turn and returns the IDs of its calls.
func (w *requestWriter) turn(m *translate.Message, names map[string]string, asked []string) (calls []string) {
	e := &w.e
	start := len(e.B)
	role := "user"
	if m.Role == translate.Assistant {
		role = "model"
	}
	e.Object().Key("role").String(role).Key("parts").Array()
	empty := len(e.B)
	parts := m.Parts
	if role == "user" && len(asked) > 1 {
		parts = inOrder(parts, asked)
	}
	for _, p := range parts {
		at := w.places.Of(p)
		switch p := p.(type) {
		case *translate.Text:
			w.text(p, at)
		case *translate.Refusal:
			e.Object().Key("text").String(p.Text).EndObject()
		case *translate.Thinking:
			w.thought(p, at)
		case *translate.Media:
			w.cache(p.Cache, at)
			w.media(p, at)
		case *translate.ToolUse:
			w.call(p, at, len(calls) == 0)
			calls = append(calls, p.ID)
		case *translate.ToolResult:
			w.result(p, at, names)
		case *translate.Opaque:
			if p.Format == translate.Gemini {
				e.Raw(p.Raw)
			} else {
				w.losses.Add(at.String(), "a part of type "+p.Type+" is known to "+string(p.Format)+" alone")
			}
		}
	}
	if len(e.B) == empty { // the API refuses a turn without parts
		e.B = e.B[:start]
		return calls
	}
	e.EndArray().EndObject()
	return calls
}

// inOrder returns parts with the tool results in the order of their calls, as
// the API wants them.
func inOrder(parts []translate.Part, asked []string) []translate.Part {
	out := slices.Clone(parts)
	ranks := make(map[string]int, len(asked))
	for i, id := range asked {
		if _, ok := ranks[id]; !ok {
			ranks[id] = i
		}
	}
	rank := func(p translate.Part) int {
		r, ok := p.(*translate.ToolResult)
		if !ok {
			return len(asked) + 1
		}
		if i, ok := ranks[r.ToolUseID]; ok {
			return i
		}
		return len(asked)
	}
	slices.SortStableFunc(out, func(a, b translate.Part) int { return rank(a) - rank(b) })
	return out
}

// state returns the signature to write for s, if it is this provider's own.
func (w *requestWriter) state(s *translate.State, at translate.Place) string {
	if s == nil {
		return ""
	}
	if s.Origin != w.o.origin() {
		w.losses.Add(at.String(), "reasoning state of "+s.Origin+" cannot be used by "+w.o.origin())
		return ""
	}
	return s.Data
}

func (w *requestWriter) text(t *translate.Text, at translate.Place) {
	w.cache(t.Cache, at)
	if len(t.Citations) > 0 {
		w.losses.Add(at.String()+".citations", "citations are not sent back")
	}
	sig := w.state(t.State, at)
	if t.Text == "" && sig == "" {
		return
	}
	w.e.Object().Key("text").String(t.Text)
	if sig != "" {
		w.e.Key("thoughtSignature").String(sig)
	}
	w.e.EndObject()
}

// thought writes the provider's own thoughts back. Others' are left out: to
// the model they would be its own.
func (w *requestWriter) thought(t *translate.Thinking, at translate.Place) {
	if t.State == nil && !w.own {
		w.losses.Add(at.String(), "thinking without a signature is not sent back")
		return
	}
	sig := w.state(t.State, at)
	if sig == "" && t.State != nil {
		return
	}
	w.e.Object().Key("text").String(t.Text).Key("thought").Bool(true)
	if sig != "" {
		w.e.Key("thoughtSignature").String(sig)
	}
	w.e.EndObject()
}

// call writes a function call. From Gemini 3 on, the first call of a step must
// carry a signature; where history has none, because another model made the
// call, the documented value says so.
func (w *requestWriter) call(u *translate.ToolUse, at translate.Place, first bool) {
	e := &w.e
	w.cache(u.Cache, at)
	if u.Custom {
		w.losses.Add(at.String(), "a custom tool's call is sent as a function's")
	}
	args, _ := u.InputObject()
	sig := w.state(u.State, at)
	if sig == "" && first && w.gen == levels && !w.own {
		sig = skipValidation
	}
	e.Object().Key("functionCall").Object()
	if !w.o.Vertex {
		e.Key("id").String(translate.FitID(u.ID, 64))
	}
	e.Key("name").String(u.Name).Key("args").Raw(args).EndObject()
	if sig != "" {
		e.Key("thoughtSignature").String(sig)
	}
	e.EndObject()
}

func (w *requestWriter) result(r *translate.ToolResult, at translate.Place, names map[string]string) {
	e := &w.e
	w.cache(r.Cache, at)
	name := r.Name
	if name == "" {
		name = names[r.ToolUseID]
	}
	if name == "" {
		w.fail(at.String(), "the result answers no call in the conversation: this provider needs the name of the tool")
		return
	}
	var text []byte
	var media []*translate.Media
	texts := 0
	for _, p := range r.Parts {
		switch p := p.(type) {
		case *translate.Text:
			if texts++; texts > 1 {
				text = append(text, '\n')
			}
			text = append(text, p.Text...)
		case *translate.Media:
			media = append(media, p)
		case *translate.Opaque:
			w.losses.Add(at.String(), "a part of type "+p.Type+" is known to "+string(p.Format)+" alone")
		}
	}
	e.Object().Key("functionResponse").Object()
	if !w.o.Vertex {
		e.Key("id").String(translate.FitID(r.ToolUseID, 64))
	}
	e.Key("name").String(name).Key("response")
	switch {
	case r.IsError:
		e.Object().Key("error").String(string(text)).EndObject()
	case jsonx.KindOf(text) == jsonx.Object && jsonx.Valid(text):
		e.Raw(text)
	default:
		e.Object().Key("output").String(string(text)).EndObject()
	}
	inside := w.gen == levels && len(media) > 0 // older models take media beside the answer only
	if inside {
		e.Key("parts").Array()
		for _, m := range media {
			w.media(m, at)
		}
		e.EndArray()
	}
	e.EndObject().EndObject()
	if !inside {
		for _, m := range media {
			w.media(m, at)
		}
	}
}

func (w *requestWriter) media(m *translate.Media, at translate.Place) {
	e := &w.e
	if m.Detail != "" && m.Detail != "auto" {
		w.losses.Add(at.String()+".detail", "not known to this provider")
	}
	if m.Cite || m.Context != "" {
		w.losses.Add(at.String(), "a document's context and citations are not known to this provider")
	}
	mime := m.MIMEType
	switch {
	case m.Data != "":
		if mime == "" {
			w.fail(at.String(), "the media's type is not given")
			return
		}
		e.Object().Key("inlineData").Object().Key("mimeType").String(mime).Key("data").String(m.Data).EndObject().EndObject()
	case m.Text != "":
		e.Object().Key("inlineData").Object().Key("mimeType").String("text/plain").Key("data").String(base64.StdEncoding.EncodeToString([]byte(m.Text))).EndObject().EndObject()
	case m.FileID != "" && m.Format == translate.Gemini:
		w.fileData(m.FileID, mime)
	case m.FileID != "":
		w.fail(at.String(), "the file is kept by another provider")
	case w.o.AcceptsURL(m) || w.own:
		w.fileData(m.URL, mime)
	default:
		w.fail(at.String(), "this provider fetches no URLs; send the "+string(m.Kind)+" itself, in base64")
	}
}

func (w *requestWriter) fileData(uri, mime string) {
	e := w.e.Object().Key("fileData").Object()
	if mime != "" {
		e.Key("mimeType").String(mime)
	}
	e.Key("fileUri").String(uri).EndObject().EndObject()
}
