package openai

import (
	"errors"
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
	raw := p.d.Raw()
	if p.d.Err() != nil {
		return
	}
	// The type decides what everything else means, and may come last.
	head, err := jsonx.Top(raw, "type")
	if err != nil {
		p.fail("", "expected an object that describes a tool")
		return
	}
	typ, _ := jsonx.Unquote(head[0])
	inner := *p
	inner.d = jsonx.NewDecoder(raw)
	switch typ {
	case "function", "":
		inner.functionTool()
	case "custom":
		inner.customTool()
	default:
		p.r.Tools = append(p.r.Tools, translate.Tool{Kind: translate.HostedTool, Name: typ, Format: translate.OpenAI, Raw: raw})
	}
	if err := inner.d.Err(); err != nil {
		var f *translate.MemberError
		if !errors.As(err, &f) {
			f = &translate.MemberError{Path: p.where(jsonx.Path(raw, errorOffset(err))), Msg: err.Error()}
		}
		p.d.Fail(f)
	}
}

func errorOffset(err error) int {
	var typ *jsonx.TypeError
	var syntax *jsonx.SyntaxError
	switch {
	case errors.As(err, &typ):
		return typ.Offset
	case errors.As(err, &syntax):
		return syntax.Offset
	}
	return 0
}

func (p *requestParser) functionTool() {
	t := translate.Tool{Kind: translate.FunctionTool}
	for k := range p.d.Members() {
		switch string(k) {
		case "type":
		case "function":
			for k := range p.d.Members() {
				p.functionMember(&t, string(k), "function.")
			}
		case "cache_control", "prompt_cache_breakpoint":
			t.Cache = p.cacheMark(string(k))
		default: // some clients leave out the inner object
			p.functionMember(&t, string(k), "")
		}
	}
	p.addFunction(t, "function.name")
}

func (p *requestParser) addFunction(t translate.Tool, name string) {
	if t.Name == "" && p.d.Err() == nil {
		p.fail(name, "this member is required")
		return
	}
	p.r.Tools = append(p.r.Tools, t)
}

func (p *requestParser) functionMember(t *translate.Tool, key, prefix string) {
	switch key {
	case "name":
		t.Name = p.d.String()
	case "description":
		t.Description = p.d.String()
	case "parameters":
		t.Schema = p.object()
	case "strict":
		t.Strict = jsonx.Optional(p.d, p.d.Bool)
	default:
		p.lose(prefix + key)
	}
}

func (p *requestParser) customTool() {
	t := translate.Tool{Kind: translate.CustomTool, Format: translate.OpenAI}
	for k := range p.d.Members() {
		switch string(k) {
		case "type":
		case "custom":
			for k := range p.d.Members() {
				switch string(k) {
				case "name":
					t.Name = p.d.String()
				case "description":
					t.Description = p.d.String()
				case "format":
					if !p.d.Null() {
						t.Raw = p.d.Raw()
					}
				default:
					p.lose("custom." + string(k))
				}
			}
		case "cache_control", "prompt_cache_breakpoint":
			t.Cache = p.cacheMark(string(k))
		default:
			p.lose(string(k))
		}
	}
	p.addFunction(t, "custom.name")
}

// functions reads the forerunner of tools.
func (p *requestParser) functions() {
	p.list = "functions"
	for i := range p.d.Elements() {
		p.index = i
		t := translate.Tool{Kind: translate.FunctionTool}
		for k := range p.d.Members() {
			p.functionMember(&t, string(k), "")
		}
		p.addFunction(t, "name")
	}
	p.index = -1
}

// toolChoice reads tool_choice and its forerunner, function_call.
func (p *requestParser) toolChoice(member string) {
	if p.d.Kind() == jsonx.String {
		p.toolMode(member, p.d.String())
		return
	}
	var typ, name, mode string
	var names []string
	for k := range p.d.Members() {
		switch string(k) {
		case "type":
			typ = p.d.String()
		case "name": // flat, as in Responses and Messages
			name = p.d.String()
		case "function", "custom":
			for k := range p.d.Members() {
				if string(k) == "name" {
					name = p.d.String()
				}
			}
		case "allowed_tools":
			mode, names = p.allowedTools()
		default:
			p.lose(member + "." + string(k))
		}
	}
	switch {
	case p.d.Err() != nil:
	case typ == "allowed_tools":
		p.toolMode(member+".allowed_tools.mode", mode)
		p.r.ToolChoice.Names = names
	case name != "":
		p.r.ToolChoice = translate.ToolChoice{Mode: translate.ToolRequired, Names: []string{name}}
	default:
		p.toolMode(member+".type", typ)
	}
}

func (p *requestParser) allowedTools() (mode string, names []string) {
	for k := range p.d.Members() {
		switch string(k) {
		case "mode":
			mode = p.d.String()
		case "tools":
			for range p.d.Elements() {
				names = append(names, p.toolRef())
			}
		}
	}
	return mode, names
}

// toolRef reads {"type":"function","function":{"name":…}}.
func (p *requestParser) toolRef() (name string) {
	for k := range p.d.Members() {
		switch string(k) {
		case "name":
			name = p.d.String()
		case "function", "custom":
			for k := range p.d.Members() {
				if string(k) == "name" {
					name = p.d.String()
				}
			}
		}
	}
	return name
}

func (p *requestParser) toolMode(member, mode string) {
	switch mode {
	case "auto", "none", "required":
		p.r.ToolChoice.Mode = translate.ToolMode(mode)
	case "any": // Mistral's word
		p.r.ToolChoice.Mode = translate.ToolRequired
	default:
		p.fail(member, "unknown tool choice "+strconv.Quote(mode))
	}
}
