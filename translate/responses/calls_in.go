package responses

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// reasoningItem reads a reasoning item.
func (p *requestParser) reasoningItem() {
	it := parsedItem{}
	p.item = -1
	for k := range p.d.Members() {
		if !it.reasoningMember(p.d, string(k)) {
			p.lose(string(k))
		}
	}
	if p.d.Err() != nil {
		return
	}
	t := &translate.Thinking{ID: it.id, Text: it.thinking()}
	if strings.HasPrefix(t.ID, madeUp) {
		t.ID = ""
	}
	t.State = translate.OpenState("openai", it.encrypted)
	if s := t.State; s != nil && s.Origin == redactedOrigin {
		t.Redacted, t.State = true, translate.OpenState("openai", s.Data)
	}
	if t.Text == "" && t.State == nil && t.ID == "" {
		return
	}
	p.gather(assistantTurn, t)
}

const (
	// madeUp starts the IDs of reasoning items whose thinking had none. No
	// provider knows such an ID.
	madeUp = "rs_llmp_"
	// redactedOrigin wraps the state of redacted thinking once more: the
	// format has no word for it, and Anthropic tells it from thinking whose
	// text is empty.
	redactedOrigin = "llmproxy.redacted"
)

// sealThinking returns the encrypted_content of a reasoning item.
func sealThinking(s *translate.State, redacted bool) string {
	if s == nil {
		return ""
	}
	if redacted {
		s = &translate.State{Origin: redactedOrigin, Data: s.Seal("openai")}
	}
	return s.Seal("openai")
}

// call reads function_call and custom_tool_call.
func (p *requestParser) call(custom bool) {
	d := p.d
	use := &translate.ToolUse{Custom: custom}
	var itemID string
	var thinking []*translate.Thinking
	for k := range d.Members() {
		switch string(k) {
		case "type", "status":
			d.Skip()
		case "id":
			itemID = d.String()
		case "call_id":
			use.ID, use.State, thinking = translate.UnpackToolID(d.String())
		case "name":
			use.Name = d.String()
		case "arguments", "input":
			if k := d.Kind(); k == jsonx.Object && !custom { // sloppy clients
				use.Input = d.Raw()
				break
			}
			use.Input = translate.ParseInput(d.String(), custom)
		default:
			p.lose(string(k))
		}
	}
	if d.Err() != nil {
		return
	}
	if use.Input == nil {
		use.Input = translate.ParseInput("", custom)
	}
	if use.ID == "" {
		use.ID = itemID
	}
	if use.ID == "" {
		p.fail("call_id", "this member is required")
		return
	}
	if use.Name == "" {
		p.fail("name", "this member is required")
		return
	}
	p.gather(assistantTurn)
	m := &p.r.Messages[len(p.r.Messages)-1]
	m.Parts = append(translate.Restore(m.Parts, thinking), use)
}

// callOutput reads function_call_output and custom_tool_call_output.
func (p *requestParser) callOutput(custom bool) {
	d := p.d
	res := &translate.ToolResult{Custom: custom}
	for k := range d.Members() {
		switch string(k) {
		case "type", "status", "id":
			d.Skip()
		case "call_id":
			res.ToolUseID, _, _ = translate.UnpackToolID(d.String())
		case "output":
			res.Parts = p.content("output")
		case "prompt_cache_breakpoint":
			res.Cache = p.cacheMark()
		default:
			p.lose(string(k))
		}
	}
	if d.Err() != nil {
		return
	}
	if res.ToolUseID == "" {
		p.fail("call_id", "this member is required: it says which call this answers")
		return
	}
	p.gather(outputTurn, res)
}
