package openai

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseRequest implements translate.Inbound. Besides OpenAI's own members it
// takes the common extensions (top_k, min_p, OpenRouter's reasoning,
// cache_control, reasoning_content).
func (in Inbound) ParseRequest(body []byte) (*translate.Request, error) {
	d := jsonx.NewDecoder(body)
	d.Bound()
	if k := d.Kind(); k != jsonx.Object && jsonx.Valid(body) {
		return nil, translate.Errorf(translate.InvalidRequest, "the request must be a JSON object, got %s", k)
	}
	r := &translate.Request{Format: translate.OpenAI}
	first := new(few)
	p := requestParser{d: d, r: r, room: first.messages[:0], texts: first.texts[:], index: -1}
	for key := range d.Members() {
		p.member(key)
	}
	if err := d.End(); err != nil {
		return nil, translate.RequestError(body, err)
	}
	if !p.sawMessages {
		e := translate.Errorf(translate.InvalidRequest, "messages: this member is required")
		e.Param = "messages"
		return nil, e
	}
	return r, nil
}

// few is memory for the first messages. It is none of the request's own, which
// may outlive them.
type few struct {
	messages [4]translate.Message
	texts    [4]onlyText
}

// onlyText is a text and the list of parts whose one part it is.
type onlyText struct {
	text translate.Text
	list [1]translate.Part
}

// requestParser reads one request. list, index, sub and item tell where it is.
type requestParser struct {
	d     *jsonx.Decoder
	r     *translate.Request
	room  []translate.Message // for messages
	texts []onlyText          // that are not taken

	list        string // "messages", "tools"
	index       int
	sub         string // "content", "tool_calls", …
	item        int
	sawMessages bool

	custom bool // there is a call of a custom tool
	// The calls of the last assistant message, once they are asked for.
	byID, byName map[string]*translate.ToolUse
	safetyID     bool
}

// where names a member of what is being read, as "messages[2].content[0].foo".
func (p *requestParser) where(member string) string {
	if p.index < 0 {
		return member
	}
	s := p.list + "[" + strconv.Itoa(p.index) + "]"
	if p.sub != "" {
		s += "." + p.sub + "[" + strconv.Itoa(p.item) + "]"
	}
	if member != "" {
		s += "." + member
	}
	return s
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

// member reads a member of the top level.
func (p *requestParser) member(key []byte) {
	d, r := p.d, p.r
	switch string(key) {
	case "model":
		r.Model = d.String()
	case "messages":
		p.sawMessages = d.Kind() != jsonx.Null
		p.messages()
	case "stream":
		r.Stream = d.Bool()
	case "stream_options":
		for k := range d.Members() {
			switch string(k) {
			case "include_usage":
				r.IncludeUsage = d.Bool()
			case "include_obfuscation": // padding that hides lengths from eavesdroppers; answers here have none
				d.Skip()
			default:
				p.lose("stream_options." + string(k))
			}
		}
	case "tools":
		p.tools()
	case "functions":
		p.functions()
	case "tool_choice", "function_call":
		if !d.Null() {
			p.toolChoice(string(key))
		}
	case "parallel_tool_calls":
		r.ParallelTools = jsonx.Optional(d, d.Bool)
	case "max_completion_tokens":
		r.MaxTokens = jsonx.Optional(d, d.Int)
	case "max_tokens":
		if n := jsonx.Optional(d, d.Int); r.MaxTokens == nil {
			r.MaxTokens = n
		}
	case "temperature":
		r.Temperature = jsonx.Optional(d, d.Float)
	case "top_p":
		r.TopP = jsonx.Optional(d, d.Float)
	case "top_k":
		r.TopK = jsonx.Optional(d, d.Int)
	case "min_p":
		r.MinP = jsonx.Optional(d, d.Float)
	case "seed":
		r.Seed = jsonx.Optional(d, d.Int)
	case "stop":
		p.stop()
	case "presence_penalty":
		r.PresencePenalty = jsonx.Optional(d, d.Float)
	case "frequency_penalty":
		r.FrequencyPenalty = jsonx.Optional(d, d.Float)
	case "n":
		r.Choices = d.Int()
	case "logprobs":
		r.Logprobs = jsonx.Optional(d, d.Bool)
	case "top_logprobs":
		r.TopLogprobs = jsonx.Optional(d, d.Int)
	case "logit_bias":
		if !d.Null() {
			r.LogitBias = d.Raw()
		}
	case "response_format":
		p.responseFormat()
	case "modalities":
		r.Output.Modalities = p.strings()
	case "reasoning_effort":
		r.Reasoning.Effort = d.String()
	case "reasoning":
		p.reasoning()
	case "verbosity":
		r.Verbosity = d.String()
	case "safety_identifier":
		r.User, p.safetyID = d.String(), true
	case "user":
		if u := d.String(); !p.safetyID || r.User == "" {
			r.User = u
		}
	case "prompt_cache_key":
		r.CacheKey = d.String()
	case "cache_control":
		r.Cache = p.cacheMark("cache_control")
	case "metadata":
		p.metadata()
	case "service_tier":
		r.ServiceTier = d.String()
	case "store":
		r.Store = jsonx.Optional(d, d.Bool)
	case "web_search_options":
		// OpenAI's search models search without a tool; elsewhere it is one.
		if !d.Null() {
			r.Tools = append(r.Tools, translate.Tool{Kind: translate.HostedTool, Name: string(key), Format: translate.OpenAI, Raw: d.Raw()})
		}
	default:
		if raw := d.Raw(); len(raw) > 0 {
			r.Extra = append(r.Extra, translate.Member{Name: string(key), Value: raw})
		}
	}
}

func (p *requestParser) stop() {
	if p.d.Kind() == jsonx.String {
		p.r.Stop = []string{p.d.String()}
		return
	}
	p.r.Stop = p.strings()
}

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

func (p *requestParser) responseFormat() {
	d, out := p.d, &p.r.Output
	for k := range d.Members() {
		switch string(k) {
		case "type":
			switch t := d.String(); t {
			case "text", "":
			case "json_object", "json_schema":
				out.Type = translate.OutputType(t)
			default:
				p.fail("response_format.type", "unknown type "+strconv.Quote(t))
			}
		case "json_schema":
			for k := range d.Members() {
				switch string(k) {
				case "name":
					out.Name = d.String()
				case "description":
					out.Description = d.String()
				case "schema":
					out.Schema = p.object()
				case "strict":
					out.Strict = jsonx.Optional(d, d.Bool)
				default:
					p.lose("response_format.json_schema." + string(k))
				}
			}
		case "schema": // llama.cpp's and Together's place for it
			out.Schema = p.object()
		default:
			p.lose("response_format." + string(k))
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

// reasoning reads OpenRouter's reasoning object.
func (p *requestParser) reasoning() {
	d, out := p.d, &p.r.Reasoning
	for k := range d.Members() {
		switch string(k) {
		case "effort":
			if e := d.String(); e != "" {
				out.Effort = e
			}
		case "max_tokens":
			if n := jsonx.Optional(d, d.Int); n != nil && *n > 0 {
				out.Budget = *n
			}
		case "enabled":
			if v := jsonx.Optional(d, d.Bool); v != nil && !*v {
				out.Effort = "none"
			} else if v != nil && out.Budget == 0 {
				out.Budget = -1
			}
		case "exclude":
			if d.Bool() {
				out.Summary = "none"
			}
		case "summary":
			out.Summary = d.String()
		default:
			p.lose("reasoning." + string(k))
		}
	}
	if out.Effort != "" && out.Budget < 0 {
		out.Budget = 0 // the effort says more than "enabled"
	}
}

// cacheMark reads prompt_cache_breakpoint and cache_control.
func (p *requestParser) cacheMark(name string) *translate.CacheMark {
	if p.d.Null() {
		return nil
	}
	mark := new(translate.CacheMark)
	for k := range p.d.Members() {
		switch string(k) {
		case "ttl":
			mark.TTL = p.d.String()
		case "type", "mode": // "ephemeral", "explicit": there are no others
			p.d.Skip()
		default:
			p.lose(name + "." + string(k))
		}
	}
	return mark
}

// dataOrURL sorts a URL as OpenAI's formats have it into a part.
func dataOrURL(m *translate.Media, url string) {
	mime, data, ok := translate.ParseDataURL(url)
	if !ok {
		m.URL = url
		return
	}
	m.MIMEType, m.Data = mime, data
}
