package openai

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// wireMessage gathers a message's members, whose meaning depends on the role
// and which come in any order.
type wireMessage struct {
	role, name string
	content    []translate.Part
	refusal    string
	callID     string // tool_call_id
	reasoning  string
	details    []*translate.Thinking
	calls      []toolCall
	media      []translate.Part // images
	audio      []byte
	signature  string // extra_content.google.thought_signature
	prefix     bool
	cache      *translate.CacheMark
}

// toolCall is a call with the thinking that its ID carried.
type toolCall struct {
	use      *translate.ToolUse
	thinking []*translate.Thinking
}

func (p *requestParser) messages() {
	p.list = "messages"
	for i := range p.d.Elements() {
		p.index = i
		if k := p.d.Kind(); k == jsonx.Null {
			p.fail("", "expected an object, got null")
			return
		}
		var m wireMessage
		for key := range p.d.Members() {
			p.messageMember(&m, key)
		}
		p.sub = ""
		if p.d.Err() == nil {
			p.addMessage(&m)
		}
	}
	p.index = -1
}

func (p *requestParser) messageMember(m *wireMessage, key []byte) {
	d := p.d
	switch string(key) {
	case "role":
		m.role = d.String()
	case "name":
		m.name = d.String()
	case "content":
		m.content = p.content()
	case "refusal":
		m.refusal = d.String()
	case "tool_call_id":
		m.callID = d.String()
	case "tool_calls":
		p.sub = "tool_calls"
		for j := range d.Elements() {
			p.item = j
			m.calls = append(m.calls, p.toolCall())
		}
	case "function_call":
		if !d.Null() {
			use := new(translate.ToolUse)
			p.functionCall(use, "function_call")
			m.calls = append(m.calls, toolCall{use: use})
		}
	case "reasoning_content", "reasoning":
		if s := d.String(); s != "" {
			m.reasoning = s
		}
	case "reasoning_details":
		p.sub = "reasoning_details"
		for j := range d.Elements() {
			p.item = j
			if t := p.reasoningDetail(); t != nil {
				m.details = append(m.details, t)
			}
		}
	case "images":
		p.sub = "images"
		for j := range d.Elements() {
			p.item = j
			m.media = append(m.media, p.part())
		}
	case "audio":
		if !d.Null() {
			m.audio = d.Raw()
		}
	case "extra_content":
		m.signature = thoughtSignature(d)
	case "prefix":
		m.prefix = d.Bool()
	case "cache_control", "prompt_cache_breakpoint":
		m.cache = p.cacheMark(string(key))
	case "annotations": // an answer's citations, echoed; the model has no use for them
		if raw := d.Raw(); string(raw) != "null" && string(raw) != "[]" {
			p.r.Losses.Add(p.where(string(key)), "citations of earlier answers are not sent back")
		}
	default:
		p.lose(string(key))
	}
	p.sub = ""
}

// content reads a message's content: a string, null or parts.
func (p *requestParser) content() (parts []translate.Part) {
	if p.d.Kind() != jsonx.Array {
		if s := p.d.Borrow(); s != "" {
			return p.onlyText(s)
		}
		return nil
	}
	p.sub = "content"
	for j := range p.d.Elements() {
		p.item = j
		if part := p.part(); part != nil {
			parts = append(parts, part)
		}
	}
	p.sub = ""
	return parts
}

// onlyText returns a text as the one part that it is.
func (p *requestParser) onlyText(s string) []translate.Part {
	if len(p.texts) == 0 {
		p.texts = make([]onlyText, 4)
	}
	t := &p.texts[0]
	p.texts = p.texts[1:]
	t.text.Text, t.list[0] = s, &t.text
	return t.list[:]
}

// toolCall reads one of an assistant message's tool_calls.
func (p *requestParser) toolCall() (c toolCall) {
	use := new(translate.ToolUse)
	c.use = use
	var signature string
	for k := range p.d.Members() {
		switch string(k) {
		case "id":
			use.ID, use.State, c.thinking = translate.UnpackToolID(p.d.String())
		case "type":
			use.Custom = p.d.String() == "custom"
		case "function":
			p.functionCall(use, "function")
		case "custom":
			use.Custom = true
			for k := range p.d.Members() {
				switch string(k) {
				case "name":
					use.Name = p.d.String()
				case "input":
					use.Input = translate.ParseInput(p.d.String(), true)
				default:
					p.lose("custom." + string(k))
				}
			}
		case "extra_content":
			signature = thoughtSignature(p.d)
		case "cache_control":
			use.Cache = p.cacheMark("cache_control")
		case "index": // part of a stream's deltas, which some clients keep
			p.d.Skip()
		default:
			p.lose(string(k))
		}
	}
	if use.Input == nil {
		use.Input = translate.ParseInput("", use.Custom)
	}
	if use.State == nil {
		use.State = translate.OpenState("gemini", signature)
	}
	if use.Name == "" && p.d.Err() == nil {
		p.fail("function.name", "this member is required")
	}
	return c
}

func (p *requestParser) functionCall(use *translate.ToolUse, prefix string) {
	for k := range p.d.Members() {
		switch string(k) {
		case "name":
			use.Name = p.d.String()
		case "arguments":
			if p.d.Kind() == jsonx.Object { // sloppy clients
				use.Input = p.d.Raw()
				break
			}
			use.Input = translate.ParseInput(p.d.String(), false)
		default:
			p.lose(prefix + "." + string(k))
		}
	}
}

// thoughtSignature reads Gemini's own convention for OpenAI-shaped messages,
// extra_content.google.thought_signature.
func thoughtSignature(d *jsonx.Decoder) (sig string) {
	for k := range d.Members() {
		if string(k) != "google" {
			continue
		}
		for k := range d.Members() {
			if string(k) == "thought_signature" {
				sig = d.String()
			}
		}
	}
	return sig
}

// reasoningDetail reads what Inbound's answers have shown as reasoning_details.
func (p *requestParser) reasoningDetail() *translate.Thinking {
	t := new(translate.Thinking)
	var state, format string
	for k := range p.d.Members() {
		switch string(k) {
		case "type":
			t.Redacted = p.d.String() == "reasoning.encrypted"
		case "text", "summary":
			t.Text = p.d.String()
		case "signature", "data":
			if s := p.d.String(); s != "" {
				state = s
			}
		case "format":
			format = p.d.String()
		case "id":
			t.ID = p.d.String()
		case "index":
			p.d.Skip()
		default:
			p.lose(string(k))
		}
	}
	t.State = translate.OpenState("openai", state)
	if t.State != nil && t.State.Origin == "openai" && format != "" {
		t.State.Origin = format // not sealed, so it is as its maker wrote it
	}
	if t.Text == "" && t.State == nil {
		return nil
	}
	return t
}

// addMessage turns what was gathered into a message of the model.
func (p *requestParser) addMessage(m *wireMessage) {
	out := translate.Message{Name: m.name}
	switch m.role {
	case "system", "developer", "user":
		out.Role = translate.Role(m.role)
		out.Parts = append(m.content, m.media...)
	case "assistant":
		out.Role, out.Prefill = translate.Assistant, m.prefix
		out.Parts = p.assistantParts(m)
	case "tool", "function":
		out.Role, out.Name = translate.User, ""
		id, _, _ := translate.UnpackToolID(m.callID)
		if m.role == "function" {
			id = p.legacyID(m.name)
		}
		if id == "" {
			p.fail("tool_call_id", "this member is required: it says which call this answers")
			return
		}
		out.Parts = []translate.Part{&translate.ToolResult{ToolUseID: id, Name: m.name, Parts: m.content, Custom: p.isCustom(id), Cache: m.cache}}
		m.cache = nil
	case "":
		p.fail("role", "this member is required")
		return
	default:
		p.fail("role", "unknown role "+strconv.Quote(m.role))
		return
	}
	if m.role != "assistant" && len(m.calls) > 0 {
		p.r.Losses.Add(p.where("tool_calls"), "only an assistant calls tools")
	}
	if m.cache != nil {
		markLast(out.Parts, m.cache)
	}
	if p.r.Messages == nil {
		p.r.Messages = p.room
	}
	p.r.Messages = append(p.r.Messages, out)
	if out.Role == translate.Assistant {
		p.byID, p.byName = nil, nil
	}
}

// assistantParts returns thinking, text and calls in the order in which a
// model gives them out.
func (p *requestParser) assistantParts(m *wireMessage) (parts []translate.Part) {
	details := m.details
	if len(details) == 0 && m.reasoning != "" && !anyThinking(m.content) {
		details = []*translate.Thinking{{Text: m.reasoning}}
	}
	carried := 0
	for _, c := range m.calls {
		carried += len(c.thinking)
	}
	if carried > 0 && !anyState(details) {
		// What the IDs carry has the text, too; the plain text would double it.
		details = nil
	}
	for _, t := range details {
		parts = append(parts, t)
	}
	parts = append(parts, m.content...)
	if m.signature != "" {
		parts = signText(parts, translate.OpenState("gemini", m.signature))
	}
	if m.refusal != "" {
		parts = append(parts, &translate.Refusal{Text: m.refusal})
	}
	parts = append(parts, m.media...)
	if m.audio != nil {
		parts = append(parts, &translate.Opaque{Format: translate.OpenAI, Type: "audio", Raw: m.audio})
	}
	for i, c := range m.calls {
		if c.use.ID == "" { // function_call has none
			c.use.ID = translate.FitID("call_"+c.use.Name+"_"+strconv.Itoa(len(p.r.Messages))+"_"+strconv.Itoa(i), 40)
		}
		p.custom = p.custom || c.use.Custom
		parts = append(translate.Restore(parts, c.thinking), c.use)
	}
	return parts
}

func anyThinking(parts []translate.Part) bool {
	for _, p := range parts {
		if _, ok := p.(*translate.Thinking); ok {
			return true
		}
	}
	return false
}

func anyState(ts []*translate.Thinking) bool {
	for _, t := range ts {
		if t.State != nil {
			return true
		}
	}
	return false
}

// signText gives the last text its signature.
func signText(parts []translate.Part, s *translate.State) []translate.Part {
	for i := len(parts) - 1; i >= 0; i-- {
		if t, ok := parts[i].(*translate.Text); ok {
			t.State = s
			return parts
		}
	}
	return append(parts, &translate.Text{State: s})
}

func markLast(parts []translate.Part, mark *translate.CacheMark) {
	if len(parts) == 0 {
		return
	}
	switch p := parts[len(parts)-1].(type) {
	case *translate.Text:
		p.Cache = mark
	case *translate.Media:
		p.Cache = mark
	case *translate.ToolUse:
		p.Cache = mark
	}
}

// legacyID returns the ID that assistantParts gave the last call of a
// function_call, which its result names by the function.
func (p *requestParser) legacyID(name string) string {
	p.lookAtCalls()
	if u := p.byName[name]; u != nil {
		return u.ID
	}
	return ""
}

func (p *requestParser) isCustom(id string) bool {
	if !p.custom { // as in nearly all requests
		return false
	}
	p.lookAtCalls()
	u := p.byID[id]
	return u != nil && u.Custom
}

// lookAtCalls finds the calls of the last assistant message, which is where a
// result's call stands.
func (p *requestParser) lookAtCalls() {
	if p.byID != nil {
		return
	}
	p.byID, p.byName = make(map[string]*translate.ToolUse), make(map[string]*translate.ToolUse)
	for i := len(p.r.Messages) - 1; i >= 0; i-- {
		m := &p.r.Messages[i]
		for _, part := range m.Parts {
			if u, ok := part.(*translate.ToolUse); ok {
				if p.byID[u.ID] == nil {
					p.byID[u.ID] = u
				}
				if p.byName[u.Name] == nil {
					p.byName[u.Name] = u
				}
			}
		}
		if m.Role == translate.Assistant {
			return
		}
	}
}
