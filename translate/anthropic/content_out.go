package anthropic

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func isHTTP(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// countMarks counts the cache marks that the request would have.
func (w *requestWriter) countMarks() int {
	n := 0
	add := func(c *translate.CacheMark) {
		if c != nil {
			n++
		}
	}
	for i := range w.tools {
		add(w.tools[i].Cache)
	}
	for _, t := range w.system {
		add(t.Cache)
	}
	for _, m := range w.turns {
		for _, p := range m.Parts {
			switch p := p.(type) {
			case *translate.Text:
				add(p.Cache)
			case *translate.Media:
				add(p.Cache)
			case *translate.ToolUse:
				add(p.Cache)
			case *translate.ToolResult:
				add(p.Cache)
				for _, q := range p.Parts {
					switch q := q.(type) {
					case *translate.Text:
						add(q.Cache)
					case *translate.Media:
						add(q.Cache)
					}
				}
			}
		}
	}
	return n
}

// mark writes a cache mark. The provider takes four; of more, the first are
// left out, because a longer prefix serves where a shorter one would.
func (w *requestWriter) mark(c *translate.CacheMark, at string) {
	if c == nil {
		return
	}
	if w.skipMark > 0 {
		w.skipMark--
		w.losses.Add(at+".cache_control", "the provider takes four cache marks")
		return
	}
	w.writeMark(c, at+".cache_control")
}

func (w *requestWriter) writeMark(c *translate.CacheMark, at string) {
	w.e.Key("cache_control").Object().Key("type").String("ephemeral")
	switch c.TTL {
	case "":
	case "5m", "1h":
		w.e.Key("ttl").String(c.TTL)
	default:
		w.losses.Add(at+".ttl", "the provider caches for 5m or 1h; sent as 1h")
		w.e.Key("ttl").String("1h")
	}
	w.e.EndObject()
}

func (w *requestWriter) writeSystem() {
	any := false
	for i, t := range w.system {
		if blank(t.Text) {
			continue
		}
		if !any {
			w.e.Key("system").Array()
			any = true
		}
		w.text(t, func() string { return "system[" + strconv.Itoa(i) + "]" }, false)
	}
	if any {
		w.e.EndArray()
	}
}

func (w *requestWriter) writeMessages() {
	e := &w.e
	e.Key("messages").Array()
	for i := range w.turns {
		m := &w.turns[i]
		w.last = i == len(w.turns)-1
		before := len(e.B)
		e.Object().Key("role").String(string(m.Role)).Key("content").Array()
		empty := len(e.B)
		for j, p := range m.Parts {
			w.part(m.Role, p, w.places.Of(p), j == len(m.Parts)-1)
		}
		if len(e.B) == empty {
			e.B = e.B[:before] // nothing in it can be sent
			continue
		}
		e.EndArray().EndObject()
	}
	e.EndArray()
}

func (w *requestWriter) part(role translate.Role, p translate.Part, at translate.Place, lastPart bool) {
	switch p := p.(type) {
	case *translate.Text:
		if blank(p.Text) {
			// not silently
			if p.Cache != nil {
				w.losses.Add(at.String()+".cache_control", "the text is blank and left out")
			}
			return
		}
		if p.State != nil {
			w.foreign(p.State, at)
		}
		if role == translate.Assistant && w.last && lastPart { // trailing space is refused at the end
			if s := strings.TrimRight(p.Text, " \t\r\n"); s != p.Text {
				q := *p
				q.Text, p = s, &q
			}
		}
		w.text(p, at.String, role == translate.Assistant)
	case *translate.Refusal:
		if !blank(p.Text) {
			w.text(&translate.Text{Text: strings.TrimRight(p.Text, " \t\r\n")}, at.String, true)
		}
	case *translate.Thinking:
		w.thinkingBlock(p, at)
	case *translate.ToolUse:
		w.toolUse(p, at)
	case *translate.ToolResult:
		w.toolResult(p, at)
	case *translate.Media:
		if role == translate.Assistant {
			w.losses.Add(at.String(), "the model's own turns hold no media")
			return
		}
		w.media(p, at.String())
	case *translate.Opaque:
		w.opaque(p, at.String())
	}
}

func (w *requestWriter) foreign(s *translate.State, at translate.Place) {
	w.losses.Add(at.String(), "reasoning state of "+s.Origin+" cannot be used by "+w.o.origin())
}

func (w *requestWriter) opaque(p *translate.Opaque, at string) {
	if p.Format == translate.Anthropic {
		w.e.Raw(p.Raw)
		return
	}
	w.losses.Add(at, "a part of type "+strconv.Quote(p.Type)+" is known to the "+string(p.Format)+" format only")
}

func (w *requestWriter) text(t *translate.Text, where func() string, assistant bool) {
	w.e.Object().Key("type").String("text").Key("text").String(t.Text)
	begun := false
	for i, c := range t.Citations {
		if c.Format != translate.Anthropic || !assistant {
			w.losses.Add(where()+".citations["+strconv.Itoa(i)+"]", "citations of another provider cannot be sent back")
			continue
		}
		if !begun {
			w.e.Key("citations").Array()
			begun = true
		}
		w.e.Raw(c.Raw)
	}
	if begun {
		w.e.EndArray()
	}
	if t.Cache != nil {
		w.mark(t.Cache, where())
	}
	w.e.EndObject()
}

// thinkingBlock writes thinking that the provider signed. Without its state it
// would be refused. Signed but empty, and redacted, is kept.
func (w *requestWriter) thinkingBlock(t *translate.Thinking, at translate.Place) {
	switch {
	case t.State == nil:
		w.losses.Add(at.String(), "thinking without reasoning state is not sent back")
	case !w.ours(t.State):
		w.foreign(t.State, at)
	case t.Redacted:
		w.e.Object().Key("type").String("redacted_thinking").Key("data").String(t.State.Data).EndObject()
	default:
		w.e.Object().Key("type").String("thinking").Key("thinking").String(t.Text).Key("signature").String(t.State.Data).EndObject()
	}
}

func (w *requestWriter) toolUse(u *translate.ToolUse, at translate.Place) {
	if u.State != nil {
		w.foreign(u.State, at) // the format's own calls have none
	}
	input, ok := u.InputObject()
	if !ok {
		w.losses.Add(at.String()+".input", "the arguments are no object; they are sent as its member input")
	}
	if _, ok := translate.FitName(u.Name, maxToolName); !ok {
		w.toolName(u.Name, at.String()+".name")
	}
	w.e.Object().Key("type").String("tool_use").Key("id").String(translate.FitID(u.ID, maxToolID)).
		Key("name").String(u.Name).Key("input").Raw(input)
	if u.Cache != nil {
		w.mark(u.Cache, at.String())
	}
	w.e.EndObject()
}

func (w *requestWriter) toolResult(t *translate.ToolResult, where translate.Place) {
	e := &w.e
	e.Object().Key("type").String("tool_result").Key("tool_use_id").String(translate.FitID(t.ToolUseID, maxToolID))
	if text, ok := onlyText(t.Parts); ok {
		e.Key("content").String(text)
	} else if len(t.Parts) > 0 {
		e.Key("content").Array()
		for i, p := range t.Parts {
			switch p := p.(type) {
			case *translate.Text:
				if !blank(p.Text) {
					w.text(p, func() string { return where.String() + ".content[" + strconv.Itoa(i) + "]" }, false)
				}
			case *translate.Media:
				w.media(p, where.String()+".content["+strconv.Itoa(i)+"]")
			case *translate.Opaque:
				w.opaque(p, where.String()+".content["+strconv.Itoa(i)+"]")
			default:
				w.losses.Add(where.String()+".content["+strconv.Itoa(i)+"]", "a tool result holds text and media only")
			}
		}
		e.EndArray()
	}
	if t.IsError {
		e.Key("is_error").Bool(true)
	}
	if t.Cache != nil {
		w.mark(t.Cache, where.String())
	}
	e.EndObject()
}

// onlyText returns the text of parts that are one plain text.
func onlyText(parts []translate.Part) (string, bool) {
	if len(parts) != 1 {
		return "", false
	}
	t, ok := parts[0].(*translate.Text)
	if !ok || t.Cache != nil || len(t.Citations) > 0 {
		return "", false
	}
	return t.Text, true
}

// media writes an image or a document. What cannot be sent is
// refused by name.
func (w *requestWriter) media(m *translate.Media, at string) {
	typ := "document"
	switch m.Kind {
	case translate.Image:
		typ = "image"
	case translate.File:
	default:
		w.refusef(at, "the provider takes no %s", m.Kind)
		return
	}
	e := &w.e
	e.Object().Key("type").String(typ).Key("source").Object()
	switch {
	case m.FileID != "" && m.Format == translate.Anthropic:
		e.Key("type").String("file").Key("file_id").String(m.FileID)
	case m.FileID != "":
		w.refusef(at, "the file %q is kept by a provider of the %s format", m.FileID, m.Format)
	case m.URL != "":
		if !w.o.AcceptsURL(m) {
			w.refusef(at, "the provider does not fetch this URL; send the data")
		}
		e.Key("type").String("url").Key("url").String(m.URL)
	case m.Kind == translate.Image:
		e.Key("type").String("base64").Key("media_type").String(w.imageType(m, at)).Key("data").String(m.Data)
	default:
		w.document(m, at)
	}
	e.EndObject()
	if m.Kind == translate.File {
		if m.Name != "" {
			e.Key("title").String(m.Name)
		}
		if m.Context != "" {
			e.Key("context").String(m.Context)
		}
		if m.Cite {
			e.Key("citations").Object().Key("enabled").Bool(true).EndObject()
		}
	} else if m.Detail != "" && m.Detail != "auto" {
		w.losses.Add(at+".detail", "the provider's images have no detail")
	}
	if m.Cache != nil {
		w.mark(m.Cache, at)
	}
	e.EndObject()
}

func (w *requestWriter) document(m *translate.Media, at string) {
	text := m.Text
	mime, _, _ := strings.Cut(strings.ToLower(m.MIMEType), ";")
	switch {
	case m.Data == "" || text != "":
	case mime == "" || mime == "application/pdf":
		w.e.Key("type").String("base64").Key("media_type").String("application/pdf").Key("data").String(m.Data)
		return
	case strings.HasPrefix(mime, "text/") || mime == "application/json":
		b, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			w.refusef(at, "the data is not base64")
		}
		text = string(b)
	default:
		w.refusef(at, "the provider takes PDF and plain text, not %s", m.MIMEType)
		return
	}
	w.e.Key("type").String("text").Key("media_type").String("text/plain").Key("data").String(text)
}

// imageType returns the image's type; one that is not told is read from the
// data's first bytes.
func (w *requestWriter) imageType(m *translate.Media, at string) string {
	mime, _, _ := strings.Cut(strings.ToLower(m.MIMEType), ";")
	switch mime {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return mime
	case "image/jpg":
		return "image/jpeg"
	case "", "image/*", "application/octet-stream":
		for prefix, mime := range map[string]string{"/9j/": "image/jpeg", "iVBOR": "image/png", "R0lG": "image/gif", "UklG": "image/webp"} {
			if strings.HasPrefix(m.Data, prefix) {
				return mime
			}
		}
	}
	w.refusef(at, "the provider takes JPEG, PNG, GIF and WebP images, not %q", m.MIMEType)
	return mime
}
