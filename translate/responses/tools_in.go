package responses

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

func (p *requestParser) tools() {
	p.list = "tools"
	for i := range p.d.Elements() {
		p.index = i
		p.tool()
	}
	p.index = -1
}

func (p *requestParser) tool() {
	t := translate.Tool{}
	switch typ := typeOf(p.d); typ {
	case "function", "":
		t.Kind = translate.FunctionTool
	case "custom":
		t.Kind, t.Format = translate.CustomTool, translate.Responses
	default:
		p.r.Tools = append(p.r.Tools, translate.Tool{Kind: translate.HostedTool, Name: typ, Format: translate.Responses, Raw: p.d.Raw()})
		return
	}
	for k := range p.d.Members() {
		switch key := string(k); {
		case key == "type":
			p.d.Skip()
		case key == "function" && t.Name == "" && p.d.Kind() == jsonx.Object: // Chat's shape, which clients mix up
			for k := range p.d.Members() {
				p.toolMember(&t, string(k))
			}
		default:
			p.toolMember(&t, key)
		}
	}
	if p.d.Err() != nil {
		return
	}
	if t.Name == "" {
		p.fail("name", "this member is required")
		return
	}
	p.r.Tools = append(p.r.Tools, t)
}

func (p *requestParser) toolMember(t *translate.Tool, key string) {
	switch key {
	case "name":
		t.Name = p.d.String()
	case "description":
		t.Description = p.d.String()
	case "parameters":
		t.Schema = p.object()
	case "strict":
		t.Strict = jsonx.Optional(p.d, p.d.Bool)
	case "format":
		if raw := p.d.Raw(); string(raw) != "null" {
			t.Raw = raw
		}
	case "prompt_cache_breakpoint":
		t.Cache = p.cacheMark()
	default:
		p.lose(key)
	}
}

// toolChoice reads tool_choice. What names more than a tool (an MCP server's)
// stays as it is, for a provider of this format.
func (p *requestParser) toolChoice() {
	d, c := p.d, &p.r.ToolChoice
	if d.Kind() == jsonx.String {
		p.toolMode("tool_choice", d.String())
		return
	}
	begin := *d
	var typ, name, mode string
	var names []string
	whole := false
	for k := range d.Members() {
		switch string(k) {
		case "type":
			typ = d.String()
		case "name":
			name = d.String()
		case "function", "custom": // Chat's shape
			for k := range d.Members() {
				if string(k) == "name" {
					name = d.String()
				}
			}
		case "mode":
			mode = d.String()
		case "tools":
			for range d.Elements() {
				var n string
				for k := range d.Members() {
					switch string(k) {
					case "name":
						n = d.String()
					case "type":
						if t := d.String(); n == "" && t != "function" && t != "custom" {
							n = t
						}
					default:
						whole = true
					}
				}
				names = append(names, n)
			}
		default:
			whole = true
		}
	}
	switch {
	case d.Err() != nil:
	case whole || typ == "mcp":
		p.r.Extra = append(p.r.Extra, translate.Member{Name: "tool_choice", Value: begin.Raw()})
	case typ == "allowed_tools":
		p.toolMode("tool_choice.mode", mode)
		c.Names = names
	case (typ == "function" || typ == "custom") && name == "":
		p.fail("tool_choice.name", "this member is required")
	case name != "":
		*c = translate.ToolChoice{Mode: translate.ToolRequired, Names: []string{name}}
	case typ == "auto" || typ == "none" || typ == "required":
		p.toolMode("tool_choice.type", typ)
	case typ == "":
		p.fail("tool_choice.type", "this member is required")
	default: // a hosted tool, which has no name but its type
		*c = translate.ToolChoice{Mode: translate.ToolRequired, Names: []string{typ}}
	}
}

func (p *requestParser) toolMode(member, mode string) {
	switch mode {
	case "auto", "none", "required":
		p.r.ToolChoice.Mode = translate.ToolMode(mode)
	default:
		p.fail(member, "unknown tool choice "+strconv.Quote(mode))
	}
}
