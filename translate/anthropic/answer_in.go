package anthropic

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseResponse implements translate.Outbound.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) { return o.parse(body, true) }

// Summarize implements translate.Summarizer.
func (o Outbound) Summarize(body []byte) (*translate.Response, error) { return o.parse(body, false) }

// parse reads a whole answer, or without its parts.
func (o *Outbound) parse(body []byte, parts bool) (*translate.Response, error) {
	d := jsonx.NewDecoder(body)
	if d.Kind() != jsonx.Object {
		return nil, translate.Malformed(nil)
	}
	r := new(translate.Response)
	var a answer
	has := false
	for k := range d.Members() {
		switch {
		case string(k) != "content":
			a.member(string(k), d)
		case parts:
			has, a.calls = true, o.content(d, r)
		default:
			has, a.calls = true, callsTool(d)
		}
	}
	if err := d.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	if a.failed || a.typ == "error" {
		return nil, o.ParseError(200, nil, body)
	}
	if !has {
		return nil, translate.Malformed(nil)
	}
	r.ID, r.Model, r.ServiceTier = a.id, a.model, a.usage.tier
	r.Finish, r.Usage = a.finish(), a.usage.usage()
	return r, nil
}

// content reads an answer's parts and reports whether one is a tool call.
func (o *Outbound) content(d *jsonx.Decoder, r *translate.Response) (calls bool) {
	b := blockReader{d: d, path: new(path), losses: &r.Losses, provider: o}
	b.path.push("content")
	r.Parts = b.content()
	for _, p := range r.Parts {
		if _, ok := p.(*translate.ToolUse); ok {
			calls = true
		}
	}
	return calls
}

// callsTool skips an answer's parts and reports whether one is a tool call.
func callsTool(d *jsonx.Decoder) (calls bool) {
	if d.Kind() != jsonx.Array {
		return false
	}
	for range d.Elements() {
		if d.Kind() != jsonx.Object {
			continue
		}
		for k := range d.Members() {
			if string(k) == "type" && d.Kind() == jsonx.String && string(d.StringBytes()) == "tool_use" {
				calls = true
			}
		}
	}
	return calls
}

// answer gathers what an answer says beside its content: a whole one, or the
// events of a stream, later ones over earlier ones.
type answer struct {
	typ, id, model        string
	reason, sequence, why string
	usage                 usage
	failed                bool
	calls                 bool // a tool call was seen
}

// member reads a member of a message or of a message_delta's delta.
func (a *answer) member(key string, d *jsonx.Decoder) {
	set := func(dst *string) {
		if d.Kind() == jsonx.String {
			*dst = d.String()
		}
	}
	switch key {
	case "type":
		set(&a.typ)
	case "id":
		set(&a.id)
	case "model":
		set(&a.model)
	case "stop_reason":
		set(&a.reason)
	case "stop_sequence":
		set(&a.sequence)
	case "stop_details":
		for k := range d.Members() {
			if string(k) == "explanation" {
				set(&a.why)
			}
		}
	case "usage":
		a.usage.read(d)
	case "error":
		a.failed = a.failed || !d.Null()
	}
}

func (a *answer) finish() translate.Finish {
	f := translate.Finish{Reason: finishReason(a.reason), Native: a.reason, StopSequence: a.sequence, Message: a.why}
	if a.calls && (f.Reason == translate.FinishStop || f.Reason == translate.FinishOther) {
		f.Reason = translate.FinishToolUse
	}
	return f
}

// finishReason maps a stop_reason. An unknown word stays unknown.
func finishReason(native string) translate.FinishReason {
	switch native {
	case "end_turn":
		return translate.FinishStop
	case "stop_sequence":
		return translate.FinishStopSequence
	case "max_tokens", "model_context_window_exceeded":
		return translate.FinishLength
	case "tool_use":
		return translate.FinishToolUse
	case "pause_turn":
		return translate.FinishPause
	case "refusal":
		return translate.FinishFiltered
	}
	return translate.FinishOther
}

// usage is the format's counts. In a stream each member's last value counts,
// zero too: message_delta repeats some of them.
type usage struct {
	known                                             bool
	input, cacheRead, cacheWrite, output, think, tool int64
	tier                                              string
}

func (u *usage) read(d *jsonx.Decoder) {
	count := func(dst *int64) {
		if d.Kind() == jsonx.Number {
			*dst, u.known = int64(d.Float()), true
		}
	}
	for k := range d.Members() {
		switch string(k) {
		case "input_tokens":
			count(&u.input)
		case "cache_read_input_tokens":
			count(&u.cacheRead)
		case "cache_creation_input_tokens":
			count(&u.cacheWrite)
		case "output_tokens":
			count(&u.output)
		case "output_tokens_details":
			for k := range d.Members() {
				if string(k) == "thinking_tokens" {
					count(&u.think)
				}
			}
		case "server_tool_use":
			u.tool = 0
			for range d.Members() {
				var n int64
				count(&n)
				u.tool += n
			}
		case "service_tier":
			if d.Kind() == jsonx.String {
				if u.tier = d.String(); u.tier == "standard" {
					u.tier = "default"
				}
			}
		}
	}
}

// usage returns the counts as the model has them. Input excludes
// the cache here, output includes thinking.
func (u *usage) usage() *translate.Usage {
	if !u.known {
		return nil
	}
	return &translate.Usage{Input: u.input, CacheRead: u.cacheRead, CacheWrite: u.cacheWrite,
		Output: max(u.output-u.think, 0), Reasoning: u.think, ServerTools: u.tool}
}
