package anthropic

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// blockReader reads content blocks, of requests and of answers.
type blockReader struct {
	d      *jsonx.Decoder
	path   *path
	losses *translate.Losses // nil: nobody asks
	// provider is whose answer it is. It is nil for what a client sends,
	// whose state and tool-call IDs are unwrapped.
	provider *Outbound
}

func (b *blockReader) lose(member, reason string) {
	if !b.d.Null() && b.losses != nil {
		b.losses.Add(b.path.member(member), reason)
	}
}

func (b *blockReader) fail(member, msg string) {
	if b.d.Err() == nil {
		b.d.Fail(&translate.MemberError{Path: b.path.member(member), Msg: msg})
	}
}

func (b *blockReader) state(v string) *translate.State {
	if b.provider != nil {
		if v == "" {
			return nil
		}
		return &translate.State{Origin: b.provider.origin(), Data: v}
	}
	if s := translate.OpenState(Origin, v); s != nil && s.Origin != unsignedOrigin {
		return s
	}
	return nil
}

// typeOf returns the type of the object at d, which it leaves unread.
func typeOf(d *jsonx.Decoder) string {
	ahead := *d
	for k := range ahead.Members() {
		if string(k) == "type" && ahead.Kind() == jsonx.String {
			return ahead.String()
		}
	}
	return ""
}

// content reads a string or a list of blocks.
func (b *blockReader) content() []translate.Part {
	if b.d.Kind() == jsonx.String {
		if s := b.d.String(); s != "" {
			return []translate.Part{&translate.Text{Text: s}}
		}
		return nil
	}
	var parts []translate.Part
	for i := range b.d.Elements() {
		b.path.pushIndex(i)
		parts = b.block(parts)
		b.path.pop()
	}
	return parts
}

// block reads one block and appends its parts.
func (b *blockReader) block(parts []translate.Part) []translate.Part {
	if k := b.d.Kind(); k != jsonx.Object {
		b.d.Fail(&jsonx.TypeError{Offset: b.d.Offset(), Want: jsonx.Object, Got: k})
		return parts
	}
	typ := typeOf(b.d)
	switch typ {
	case "text":
		return append(parts, b.text())
	case "thinking", "redacted_thinking":
		return append(parts, b.thinking(typ == "redacted_thinking"))
	case "tool_use":
		u, thinking := b.toolUse()
		return append(translate.Restore(parts, thinking), u)
	case "tool_result":
		return append(parts, b.toolResult())
	case "image", "document":
		if m := b.media(typ); m != nil {
			return append(parts, m)
		}
	case "":
		b.fail("type", "this member is required")
		return parts
	}
	return append(parts, &translate.Opaque{Format: translate.Anthropic, Type: typ, Raw: b.d.Raw()})
}

func (b *blockReader) text() *translate.Text {
	t := new(translate.Text)
	for k := range b.d.Members() {
		switch string(k) {
		case "type":
		case "text":
			t.Text = b.string()
		case "citations":
			for range b.d.Elements() {
				if b.d.Kind() == jsonx.Object {
					t.Citations = append(t.Citations, readCitation(b.d))
				}
			}
		case "cache_control":
			t.Cache = b.cacheMark()
		default:
			b.lose(string(k), "unknown")
		}
	}
	return t
}

// readCitation reads a citation, which is kept as it was written, too.
func readCitation(d *jsonx.Decoder) translate.Citation {
	c := translate.Citation{Format: translate.Anthropic}
	inner := *d
	c.Raw = d.Raw()
	str := func() string {
		if inner.Kind() == jsonx.String {
			return inner.String()
		}
		return ""
	}
	for k := range inner.Members() {
		switch string(k) {
		case "url":
			c.URL = str()
		case "source": // of a search_result_location
			if s := str(); strings.Contains(s, "://") && c.URL == "" {
				c.URL = s
			}
		case "title", "document_title":
			c.Title = str()
		case "cited_text":
			c.CitedText = str()
		}
	}
	return c
}

func (b *blockReader) thinking(redacted bool) *translate.Thinking {
	t := &translate.Thinking{Redacted: redacted}
	for k := range b.d.Members() {
		switch string(k) {
		case "type":
		case "thinking":
			t.Text = b.d.String()
		case "signature", "data":
			if s := b.state(b.d.String()); s != nil {
				t.State = s
			}
		default:
			b.lose(string(k), "unknown")
		}
	}
	return t
}

func (b *blockReader) toolUse() (u *translate.ToolUse, thinking []*translate.Thinking) {
	u = new(translate.ToolUse)
	for k := range b.d.Members() {
		switch string(k) {
		case "type":
		case "id":
			u.ID = b.d.String()
			if b.provider == nil {
				u.ID, u.State, thinking = translate.UnpackToolID(u.ID)
			}
		case "name":
			u.Name = b.d.String()
		case "input":
			if !b.d.Null() {
				u.Input = b.d.Raw()
			}
		case "cache_control":
			u.Cache = b.cacheMark()
		case "caller":
			if b.d.Kind() == jsonx.Object && typeOf(b.d) != "direct" {
				b.lose("caller", "calls by a hosted tool cannot be told from the model's own")
			}
		default:
			b.lose(string(k), "unknown")
		}
	}
	if len(u.Input) == 0 {
		u.Input = []byte("{}")
	}
	if b.provider == nil && (u.ID == "" || u.Name == "") {
		b.fail("id", "a tool_use needs an id and a name")
	}
	return u, thinking
}

func (b *blockReader) toolResult() *translate.ToolResult {
	t := new(translate.ToolResult)
	for k := range b.d.Members() {
		switch string(k) {
		case "type":
		case "tool_use_id":
			t.ToolUseID, _, _ = translate.UnpackToolID(b.d.String())
		case "content":
			b.path.push("content")
			t.Parts = b.content()
			b.path.pop()
		case "is_error":
			t.IsError = b.d.Bool()
		case "cache_control":
			t.Cache = b.cacheMark()
		default:
			b.lose(string(k), "unknown")
		}
	}
	if t.ToolUseID == "" {
		b.fail("tool_use_id", "this member is required")
	}
	return t
}

// media reads an image or a document; nil, with nothing read, where its source
// is one that only this format knows.
func (b *blockReader) media(typ string) *translate.Media {
	begin := *b.d
	m := &translate.Media{Kind: translate.Image}
	if typ == "document" {
		m.Kind = translate.File
	}
	var source string
	for k := range b.d.Members() {
		switch string(k) {
		case "type":
		case "source":
			source = typeOf(b.d)
			b.source(m, source)
		case "title":
			m.Name = b.d.String()
		case "context":
			m.Context = b.d.String()
		case "citations":
			for k := range b.d.Members() {
				if string(k) == "enabled" {
					m.Cite = b.d.Bool()
				}
			}
		case "cache_control":
			m.Cache = b.cacheMark()
		default:
			b.lose(string(k), "unknown")
		}
	}
	switch source {
	case "base64", "text", "url", "file":
		return m
	case "":
		b.fail("source", "this member is required, with its type")
		return m
	}
	if b.d.Err() != nil {
		return m
	}
	*b.d = begin
	return nil
}

// string reads what may be long: text, or the bytes of a media.
func (b *blockReader) string() string {
	if b.provider == nil {
		return b.d.Borrow()
	}
	return b.d.String()
}

func (b *blockReader) source(m *translate.Media, typ string) {
	for k := range b.d.Members() {
		switch key := string(k); {
		case key == "media_type":
			m.MIMEType = b.d.String()
		case key == "data" && typ == "text":
			m.Text = b.d.String()
		case key == "data":
			m.Data = b.string()
		case key == "url":
			m.URL = b.d.String()
			if mime, data, ok := translate.ParseDataURL(m.URL); ok {
				m.URL, m.MIMEType, m.Data = "", mime, data
			}
		case key == "file_id":
			m.FileID, m.Format = b.d.String(), translate.Anthropic
		}
	}
}

func (b *blockReader) cacheMark() *translate.CacheMark {
	if b.d.Null() {
		return nil
	}
	mark := new(translate.CacheMark)
	for k := range b.d.Members() {
		switch string(k) {
		case "type":
			if t := b.d.String(); t != "ephemeral" {
				b.fail("cache_control.type", "unknown type "+strconv.Quote(t))
			}
		case "ttl":
			mark.TTL = b.d.String()
		default:
			b.lose("cache_control."+string(k), "unknown")
		}
	}
	return mark
}

func emptyObject(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || raw[0] == '{' && len(bytes.TrimSpace(raw[1:])) == 1
}
