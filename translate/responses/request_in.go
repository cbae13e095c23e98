package responses

import (
	"slices"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseRequest implements translate.Inbound.
//
// Instructions become the first system message. Items of the model's turn
// (reasoning, text, calls) gather in one assistant message, and outputs that
// follow one another in one user message. Members of "reasoning" and "text"
// that the model does not know are kept in Extra as "reasoning.mode".
func (in Inbound) ParseRequest(body []byte) (*translate.Request, error) {
	d := jsonx.NewDecoder(body)
	d.Bound()
	if k := d.Kind(); k != jsonx.Object && jsonx.Valid(body) {
		return nil, translate.Errorf(translate.InvalidRequest, "the request must be a JSON object, got %s", k)
	}
	p := requestParser{d: d, r: &translate.Request{Format: translate.Responses}, index: -1, item: -1}
	for key := range d.Members() {
		p.member(string(key))
	}
	if err := d.End(); err != nil {
		return nil, translate.RequestError(body, err)
	}
	if !p.sawInput && p.r.PreviousResponseID == "" && len(p.r.Conversation) == 0 && !p.hasExtra("prompt") {
		e := translate.Errorf(translate.InvalidRequest, "input: this member is required")
		e.Param = "input"
		return nil, e
	}
	if p.instructions != "" {
		p.r.Messages = slices.Insert(p.r.Messages, 0, translate.Message{Role: translate.System, Parts: []translate.Part{&translate.Text{Text: p.instructions}}})
	}
	return p.r, nil
}

// requestParser reads one request. list, index, sub and item tell where it is.
type requestParser struct {
	d *jsonx.Decoder
	r *translate.Request

	list  string // "input", "tools"
	index int
	sub   string // "content", "output", …
	item  int

	instructions string
	sawInput     bool
	safetyID     bool
	turn         turn
	said         bool // the open assistant message holds a message item's content
}

// turn is what the last message in the making gathers.
type turn uint8

const (
	noTurn turn = iota
	assistantTurn
	outputTurn
)

func (p *requestParser) hasExtra(name string) bool {
	return slices.ContainsFunc(p.r.Extra, func(m translate.Member) bool { return m.Name == name })
}

// where names a member of what is being read, as "input[2].content[0].foo".
func (p *requestParser) where(member string) string {
	s := ""
	if p.index >= 0 {
		s = p.list + "[" + strconv.Itoa(p.index) + "]"
		if p.sub != "" {
			s += "." + p.sub
			if p.item >= 0 {
				s += "[" + strconv.Itoa(p.item) + "]"
			}
		}
	}
	if s != "" && member != "" {
		s += "."
	}
	return s + member
}

func (p *requestParser) fail(member, msg string) {
	p.d.Fail(&translate.MemberError{Path: p.where(member), Msg: msg})
}

// lose skips a member that has no place in the model. A null says nothing.
func (p *requestParser) lose(member string) {
	if !p.d.Null() {
		p.r.Losses.Add(p.where(member), "unknown")
		p.d.Skip()
	}
}

// keep skips a member and keeps it for a provider of this format.
func (p *requestParser) keep(name string) {
	if raw := p.d.Raw(); len(raw) > 0 && string(raw) != "null" {
		p.r.Extra = append(p.r.Extra, translate.Member{Name: name, Value: raw})
	}
}

// member reads a member of the top level.
func (p *requestParser) member(key string) {
	d, r := p.d, p.r
	switch key {
	case "model":
		r.Model = d.String()
	case "instructions":
		p.instructions = d.String()
	case "input":
		p.sawInput = d.Kind() != jsonx.Null
		p.input()
	case "stream":
		r.Stream = d.Bool()
	case "stream_options":
		for k := range d.Members() {
			if string(k) == "include_obfuscation" { // padding that hides lengths from eavesdroppers; answers here have none
				d.Skip()
				continue
			}
			p.lose("stream_options." + string(k))
		}
	case "tools":
		p.tools()
	case "tool_choice":
		if !d.Null() {
			p.toolChoice()
		}
	case "parallel_tool_calls":
		r.ParallelTools = jsonx.Optional(d, d.Bool)
	case "max_output_tokens":
		r.MaxTokens = jsonx.Optional(d, d.Int)
	case "temperature":
		r.Temperature = jsonx.Optional(d, d.Float)
	case "top_p":
		r.TopP = jsonx.Optional(d, d.Float)
	case "top_logprobs":
		r.TopLogprobs = jsonx.Optional(d, d.Int)
	case "text":
		p.text()
	case "reasoning":
		p.reasoning()
	case "include":
		for _, what := range p.strings() {
			switch what {
			case includeEncrypted: // reasoning state is shown in any case
			case includeLogprobs:
				yes := true
				r.Logprobs = &yes
			default:
				r.Include = append(r.Include, what)
			}
		}
	case "previous_response_id":
		r.PreviousResponseID = d.String()
	case "conversation":
		if raw := d.Raw(); len(raw) > 0 && string(raw) != "null" {
			r.Conversation = raw
		}
	case "background":
		r.Background = d.Bool()
	case "truncation":
		r.Truncation = d.String()
	case "store":
		r.Store = jsonx.Optional(d, d.Bool)
	case "safety_identifier":
		if u := d.String(); u != "" {
			r.User, p.safetyID = u, true
		}
	case "user":
		if u := d.String(); !p.safetyID {
			r.User = u
		}
	case "prompt_cache_key":
		r.CacheKey = d.String()
	case "metadata":
		p.metadata()
	case "service_tier":
		r.ServiceTier = d.String()
	default:
		p.keep(key)
	}
}

const (
	includeEncrypted = "reasoning.encrypted_content"
	includeLogprobs  = "message.output_text.logprobs"
)

func (p *requestParser) strings() (out []string) {
	for range p.d.Elements() {
		out = append(out, p.d.String())
	}
	return out
}

func (p *requestParser) metadata() {
	for k := range p.d.Members() {
		if p.r.Metadata == nil {
			p.r.Metadata = make(map[string]string)
		}
		name := string(k)
		if p.d.Kind() == jsonx.String {
			p.r.Metadata[name] = p.d.String()
			continue
		}
		p.r.Metadata[name] = string(p.d.Raw()) // numbers, which clients send in spite of the document
	}
}

func (p *requestParser) text() {
	for k := range p.d.Members() {
		switch string(k) {
		case "format":
			p.textFormat()
		case "verbosity":
			p.r.Verbosity = p.d.String()
		default:
			p.keep("text." + string(k))
		}
	}
}

func (p *requestParser) textFormat() {
	d, out := p.d, &p.r.Output
	for k := range d.Members() {
		switch string(k) {
		case "type":
			switch t := d.String(); t {
			case "text", "":
			case "json_object", "json_schema":
				out.Type = translate.OutputType(t)
			default:
				p.fail("text.format.type", "unknown type "+strconv.Quote(t))
			}
		case "name":
			out.Name = d.String()
		case "description":
			out.Description = d.String()
		case "schema":
			out.Schema = p.object()
		case "strict":
			out.Strict = jsonx.Optional(d, d.Bool)
		default:
			p.lose("text.format." + string(k))
		}
	}
}

// object reads an object as it stands; null is nil.
func (p *requestParser) object() []byte {
	switch p.d.Kind() {
	case jsonx.Null:
		p.d.Skip()
		return nil
	case jsonx.Object, jsonx.Bool: // a schema may be a boolean
		return p.d.Raw()
	}
	for range p.d.Members() { // reports the type
	}
	return nil
}

func (p *requestParser) reasoning() {
	d, out := p.d, &p.r.Reasoning
	for k := range d.Members() {
		switch string(k) {
		case "effort":
			out.Effort = d.String()
		case "summary":
			out.Summary = d.String()
		case "generate_summary": // summary's forerunner
			if s := d.String(); out.Summary == "" {
				out.Summary = s
			}
		default:
			p.keep("reasoning." + string(k))
		}
	}
}

// cacheMark reads prompt_cache_breakpoint.
func (p *requestParser) cacheMark() *translate.CacheMark {
	if p.d.Null() {
		return nil
	}
	mark := new(translate.CacheMark)
	for k := range p.d.Members() {
		switch string(k) {
		case "ttl":
			mark.TTL = p.d.String()
		case "mode": // "explicit": there is no other
			p.d.Skip()
		default:
			p.lose("prompt_cache_breakpoint." + string(k))
		}
	}
	return mark
}
