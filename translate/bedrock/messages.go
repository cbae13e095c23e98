package bedrock

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// writable returns the messages with the parts that Bedrock can be sent. A
// message of which nothing is left takes the role of its neighbour, so that
// the turns around it merge and the others keep their numbers.
func (w *writer) writable(messages []translate.Message) []translate.Message {
	var out []translate.Message
	for i := range messages {
		m := &messages[i]
		var parts []translate.Part
		changed := false
		for j, p := range m.Parts {
			keep := w.keep(p, i, j, m.Role)
			if !keep && !changed {
				changed = true
				parts = append(parts, m.Parts[:j]...)
			} else if keep && changed {
				parts = append(parts, p)
			}
		}
		if m.Name != "" {
			w.losses.Add("messages["+strconv.Itoa(i)+"].name", "Bedrock's messages have no names")
		}
		if !changed && len(m.Parts) > 0 {
			continue
		}
		if out == nil {
			out = append(out, messages...)
		}
		out[i].Parts = parts
		if len(parts) == 0 && m.Role != translate.System && m.Role != translate.Developer {
			out[i].Role = translate.User
			if i > 0 && out[i-1].Role == translate.Assistant {
				out[i].Role = translate.Assistant
			}
		}
	}
	if out == nil {
		return messages
	}
	return out
}

// keep reports whether Bedrock can be sent the part; that it cannot is a Loss.
func (w *writer) keep(p translate.Part, i, j int, role translate.Role) bool {
	path := "messages[" + strconv.Itoa(i) + "].content[" + strconv.Itoa(j) + "]"
	switch p := p.(type) {
	case *translate.Text:
		if p.State != nil && p.State.Origin != w.origin {
			w.foreign(path, p.State)
		}
		return strings.TrimSpace(p.Text) != "" // Bedrock refuses blank text, which says nothing
	case *translate.Refusal:
		return strings.TrimSpace(p.Text) != ""
	case *translate.ToolUse:
		if p.State != nil && p.State.Origin != w.origin {
			w.foreign(path, p.State)
		}
	case *translate.Thinking:
		switch {
		case role != translate.Assistant:
			w.losses.Add(path, "thinking belongs into assistant messages")
		case p.State == nil:
			w.losses.Add(path, "thinking without a signature cannot be sent back on Bedrock")
		case p.State.Origin != w.origin:
			w.foreign(path, p.State)
		default:
			return true
		}
		return false
	case *translate.Opaque:
		if p.Format != translate.Bedrock {
			w.losses.Add(path, p.Type+" is not known outside the "+string(p.Format)+" format")
			return false
		}
	}
	return true
}

func (w *writer) foreign(path string, s *translate.State) {
	w.losses.Add(path, "reasoning state of "+s.Origin+" cannot be used by "+w.origin)
}

// conversation writes the messages and the system prompt.
func (w *writer) conversation(system []*translate.Text) {
	w.Key("messages").Array()
	if len(w.turns) > 0 && (w.turns[0].Role != translate.User || len(w.turns[0].Parts) == 0) {
		w.losses.Add("messages[0]", "Bedrock wants the user to speak first, so a user message is put before it")
		w.Object().Key("role").String("user").Key("content").Array().Object().Key("text").String("(begin)").EndObject().EndArray().EndObject()
		if w.turns[0].Role == translate.User {
			w.turns = w.turns[1:]
		}
	}
	for i := range w.turns {
		w.turn(&w.turns[i], i == len(w.turns)-1)
	}
	w.EndArray()
	blank := func(t *translate.Text) bool { return strings.TrimSpace(t.Text) == "" }
	if system = slices.DeleteFunc(system, blank); len(system) == 0 {
		return
	}
	w.Key("system").Array()
	for _, t := range system {
		w.text(t.Text)
		w.cachePoint(t.Cache, t)
	}
	w.EndArray()
}

func (w *writer) text(s string) { w.Object().Key("text").String(s).EndObject() }

func (w *writer) turn(m *translate.Message, last bool) {
	w.Object().Key("role").String(string(m.Role)).Key("content").Array()
	hasText, document := false, translate.Part(nil)
	for j, p := range m.Parts {
		switch p := p.(type) {
		case *translate.Text:
			hasText = true
			text := p.Text
			if last && m.Role == translate.Assistant && j == len(m.Parts)-1 {
				// A message that the model continues must not end in space.
				if trimmed := strings.TrimRight(text, " \t\r\n"); trimmed != text {
					w.losses.Add(w.places.Of(p).String(), "space at the end of the last message is left out")
					text = trimmed
				}
			}
			w.citedText(p, text)
			w.cachePoint(p.Cache, p)
		case *translate.Refusal:
			hasText = true
			w.text(p.Text)
		case *translate.Media:
			if p.Kind == translate.File {
				document = p
			}
			w.media(p)
			w.cachePoint(p.Cache, p)
		case *translate.ToolUse:
			w.toolUse(p)
			w.cachePoint(p.Cache, p)
		case *translate.ToolResult:
			w.toolResult(p)
		case *translate.Thinking:
			w.reasoning(p)
		case *translate.Opaque:
			w.Raw(p.Raw)
		}
	}
	if document != nil && !hasText {
		w.losses.Add(w.places.Of(document).String(), "Bedrock wants text beside a document, so a few words are added")
		w.text("(see the document)")
	}
	if last && w.r.Cache != nil {
		w.cachePoint(w.r.Cache, nil)
	}
	w.EndArray().EndObject()
}

// citedText writes text with the citations that Bedrock itself made.
func (w *writer) citedText(p *translate.Text, text string) {
	own, lost := 0, false
	for i := range p.Citations {
		if c := &p.Citations[i]; c.Format == translate.Bedrock && len(c.Raw) > 0 {
			own++
		} else {
			lost = true
		}
	}
	if lost {
		w.losses.Add(w.places.Of(p).String()+".citations", "citations of another provider mean nothing to Bedrock")
	}
	if own == 0 {
		w.text(text)
		return
	}
	w.Object().Key("citationsContent").Object().Key("content").Array()
	w.text(text)
	w.EndArray().Key("citations").Array()
	for i := range p.Citations {
		if c := &p.Citations[i]; c.Format == translate.Bedrock && len(c.Raw) > 0 {
			w.Raw(c.Raw)
		}
	}
	w.EndArray().EndObject().EndObject()
}

func (w *writer) reasoning(p *translate.Thinking) {
	w.Object().Key("reasoningContent").Object()
	if p.Redacted {
		w.Key("redactedContent").String(p.State.Data)
	} else {
		w.Key("reasoningText").Object().Key("text").String(p.Text).Key("signature").String(p.State.Data).EndObject()
	}
	w.EndObject().EndObject()
}

func (w *writer) toolUse(u *translate.ToolUse) {
	input, ok := u.InputObject()
	if !ok {
		w.losses.Add(w.places.Of(u).String(), "the arguments are no object; they are sent inside one")
	}
	w.Object().Key("toolUse").Object().Key("toolUseId").String(translate.FitID(u.ID, 64))
	w.Key("name").String(w.toolName(u.Name, u, "")).Key("input").Raw(input).EndObject().EndObject()
}

// toolName refuses a name that Bedrock does not take: a fitted one could not
// be told from another tool's when the model calls it.
func (w *writer) toolName(name string, p translate.Part, path string) string {
	if _, ok := translate.FitName(name, 64); !ok {
		if path == "" {
			path = w.places.Of(p).String()
		}
		w.fail(path, "Bedrock takes tool names of 1 to 64 letters, digits, _ and -, not "+strconv.Quote(name))
	}
	return name
}

func (w *writer) toolResult(res *translate.ToolResult) {
	w.Object().Key("toolResult").Object().Key("toolUseId").String(translate.FitID(res.ToolUseID, 64))
	w.Key("content").Array()
	mark := res.Cache
	for _, p := range res.Parts {
		switch p := p.(type) {
		case *translate.Text:
			if strings.TrimSpace(p.Text) != "" {
				w.text(p.Text)
			}
			if mark == nil {
				mark = p.Cache
			}
		case *translate.Media:
			w.media(p)
			if mark == nil {
				mark = p.Cache
			}
		case *translate.Opaque:
			if p.Format == translate.Bedrock {
				w.Raw(p.Raw)
			} else {
				w.losses.Add(w.places.Of(p).String(), p.Type+" is not known outside the "+string(p.Format)+" format")
			}
		default:
			w.losses.Add(w.places.Of(p).String(), "does not belong into a tool result")
		}
	}
	w.EndArray()
	if res.IsError {
		w.Key("status").String("error")
	}
	w.EndObject().EndObject()
	w.cachePoint(mark, res)
}

// cachePoint writes a cache mark as a block of its own behind what it marks.
// Models that do not cache refuse it.
func (w *writer) cachePoint(c *translate.CacheMark, p translate.Part) {
	if c == nil {
		return
	}
	if !w.fam.cache {
		w.noCache("cache_control", p)
		return
	}
	if w.B[len(w.B)-1] == '[' || w.marked == len(w.B) {
		return // nothing to cache, or marked already
	}
	w.Object().Key("cachePoint").Object().Key("type").String("default")
	switch {
	case c.TTL == "":
	case w.fam.cacheTTL && (c.TTL == "5m" || c.TTL == "1h"):
		w.Key("ttl").String(c.TTL)
	case c.TTL != "5m": // which is how long the others keep it
		w.losses.Add("cache_control.ttl", "the model's cache keeps five minutes")
	}
	w.EndObject().EndObject()
	w.marked = len(w.B)
}

// noCache reports that cache marks are left out: one Loss for all of them, as
// a long conversation may have many.
func (w *writer) noCache(path string, p translate.Part) {
	if w.uncached {
		return
	}
	w.uncached = true
	if p != nil {
		path = w.places.Of(p).String()
	}
	w.losses.Add(path, "the model does not cache on Bedrock")
}
