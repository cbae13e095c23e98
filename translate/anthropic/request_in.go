package anthropic

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseRequest implements translate.Inbound.
func (in Inbound) ParseRequest(body []byte) (*translate.Request, error) {
	d := jsonx.NewDecoder(body)
	d.Bound()
	if k := d.Kind(); k != jsonx.Object && jsonx.Valid(body) {
		return nil, translate.Errorf(translate.InvalidRequest, "the request must be a JSON object, got %s", k)
	}
	r := &translate.Request{Format: translate.Anthropic}
	p := requestReader{blockReader: blockReader{d: d, path: new(path), losses: &r.Losses}, r: r}
	for key := range d.Members() {
		p.member(key)
	}
	switch {
	case d.Err() != nil:
	case !p.sawMessages:
		d.Fail(&translate.MemberError{Path: "messages", Msg: "this member is required"})
	case r.MaxTokens == nil && !in.counting:
		d.Fail(&translate.MemberError{Path: "max_tokens", Msg: "this member is required"})
	}
	if err := d.End(); err != nil {
		return nil, translate.RequestError(body, err)
	}
	p.finish()
	return r, nil
}

type requestReader struct {
	blockReader
	r           *translate.Request
	system      []translate.Part
	effort      string // output_config.effort
	sawMessages bool
}

// finish puts together what stood in several members.
func (p *requestReader) finish() {
	r := p.r
	switch {
	case r.Reasoning.Effort == "":
		r.Reasoning.Effort = p.effort
	case p.effort != "":
		r.Losses.Add("output_config.effort", "thinking is disabled")
	}
	if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == translate.Assistant {
		m := &r.Messages[n-1]
		if k := len(m.Parts); k > 0 {
			_, m.Prefill = m.Parts[k-1].(*translate.Text)
		}
	}
	if len(p.system) > 0 {
		r.Messages = append([]translate.Message{{Role: translate.System, Parts: p.system}}, r.Messages...)
	}
}

func (p *requestReader) member(key []byte) {
	d, r := p.d, p.r
	switch string(key) {
	case "model":
		r.Model = d.String()
	case "messages":
		p.sawMessages = d.Kind() != jsonx.Null
		p.path.push("messages")
		p.messages()
		p.path.pop()
	case "system":
		p.path.push("system")
		p.system = p.content()
		p.path.pop()
	case "stream":
		r.Stream = d.Bool()
	case "max_tokens":
		r.MaxTokens = jsonx.Optional(d, d.Int)
	case "temperature":
		r.Temperature = jsonx.Optional(d, d.Float)
	case "top_p":
		r.TopP = jsonx.Optional(d, d.Float)
	case "top_k":
		r.TopK = jsonx.Optional(d, d.Int)
	case "stop_sequences":
		for range d.Elements() {
			r.Stop = append(r.Stop, d.String())
		}
	case "tools":
		p.path.push("tools")
		for i := range d.Elements() {
			p.path.pushIndex(i)
			p.tool()
			p.path.pop()
		}
		p.path.pop()
	case "tool_choice":
		p.toolChoice()
	case "thinking":
		p.thinkingConfig()
	case "output_config":
		for k := range d.Members() {
			switch string(k) {
			case "effort":
				p.effort = d.String()
			case "format":
				p.outputFormat("output_config.format")
			default:
				p.lose("output_config."+string(k), "unknown")
			}
		}
	case "output_format": // the beta's name for output_config.format
		p.outputFormat("output_format")
	case "metadata":
		for k := range d.Members() {
			if string(k) == "user_id" {
				r.User = d.String()
			} else {
				p.lose("metadata."+string(k), "unknown")
			}
		}
	case "service_tier":
		if r.ServiceTier = d.String(); r.ServiceTier == "standard_only" {
			r.ServiceTier = "default"
		}
	case "cache_control":
		r.Cache = p.cacheMark()
	default:
		if !d.Null() {
			r.Extra = append(r.Extra, translate.Member{Name: string(key), Value: d.Raw()})
		}
	}
}

func (p *requestReader) messages() {
	for i := range p.d.Elements() {
		p.path.pushIndex(i)
		var m translate.Message
		for k := range p.d.Members() {
			switch string(k) {
			case "role":
				m.Role = translate.Role(p.d.String())
			case "content":
				p.path.push("content")
				m.Parts = p.content()
				p.path.pop()
			default:
				p.lose(string(k), "unknown")
			}
		}
		switch m.Role {
		case translate.User, translate.Assistant, translate.System:
		default:
			p.fail("role", "must be user, assistant or system, got "+strconv.Quote(string(m.Role)))
		}
		p.r.Messages = append(p.r.Messages, m)
		p.path.pop()
	}
}

func (p *requestReader) tool() {
	d := p.d
	if typ := typeOf(d); typ != "" && typ != "custom" {
		p.r.Tools = append(p.r.Tools, translate.Tool{Kind: translate.HostedTool, Name: typ, Format: translate.Anthropic, Raw: d.Raw()})
		return
	}
	t := translate.Tool{Kind: translate.FunctionTool}
	for k := range d.Members() {
		switch string(k) {
		case "type":
		case "name":
			t.Name = d.String()
		case "description":
			t.Description = d.String()
		case "input_schema":
			if !d.Null() {
				t.Schema = d.Raw()
			}
		case "strict":
			t.Strict = jsonx.Optional(d, d.Bool)
		case "cache_control":
			t.Cache = p.cacheMark()
		default: // eager_input_streaming, defer_loading, input_examples, allowed_callers
			name := string(k)
			t.Extra = append(t.Extra, translate.Member{Name: name, Value: d.Raw()})
		}
	}
	if t.Name == "" {
		p.fail("name", "this member is required")
	}
	p.r.Tools = append(p.r.Tools, t)
}

func (p *requestReader) toolChoice() {
	d, c := p.d, &p.r.ToolChoice
	var typ, name string
	for k := range d.Members() {
		switch string(k) {
		case "type":
			typ = d.String()
		case "name":
			name = d.String()
		case "disable_parallel_tool_use":
			if v := jsonx.Optional(d, d.Bool); v != nil {
				parallel := !*v
				p.r.ParallelTools = &parallel
			}
		default:
			p.lose("tool_choice."+string(k), "unknown")
		}
	}
	switch typ {
	case "":
	case "auto":
		c.Mode = translate.ToolAuto
	case "none":
		c.Mode = translate.ToolNone
	case "any":
		c.Mode = translate.ToolRequired
	case "tool":
		if name == "" {
			p.fail("tool_choice.name", "this member is required")
		}
		c.Mode, c.Names = translate.ToolRequired, []string{name}
	default:
		p.fail("tool_choice.type", "unknown type "+strconv.Quote(typ))
	}
}

func (p *requestReader) thinkingConfig() {
	d, out := p.d, &p.r.Reasoning
	typ := typeOf(d)
	switch typ {
	case "enabled", "adaptive", "disabled":
	default:
		// between_tools and what may come mean something here alone.
		if !d.Null() {
			p.r.Extra = append(p.r.Extra, translate.Member{Name: "thinking", Value: d.Raw()})
		}
		return
	}
	for k := range d.Members() {
		switch string(k) {
		case "type":
		case "budget_tokens":
			out.Budget = d.Int()
		case "display":
			switch v := d.String(); v {
			case "summarized":
				out.Summary = "auto"
			case "omitted":
				out.Summary = "none"
			default:
				out.Summary = v
			}
		default:
			p.lose("thinking."+string(k), "unknown")
		}
	}
	switch typ {
	case "disabled":
		out.Effort, out.Budget = "none", 0
	case "adaptive":
		out.Budget = -1
	}
}

func (p *requestReader) outputFormat(name string) {
	d, out := p.d, &p.r.Output
	for k := range d.Members() {
		switch string(k) {
		case "type":
			if t := d.String(); t != "json_schema" {
				p.fail(name+".type", "unknown type "+strconv.Quote(t))
			}
			out.Type = translate.OutputSchema
		case "schema":
			out.Schema = d.Raw()
		default:
			p.lose(name+"."+string(k), "unknown")
		}
	}
}
