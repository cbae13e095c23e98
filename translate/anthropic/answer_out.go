package anthropic

import (
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendResponse implements translate.Inbound.
func (in Inbound) AppendResponse(dst []byte, req *translate.Request, resp *translate.Response) ([]byte, []translate.Loss) {
	a := answerWriter{losses: append(translate.Losses(nil), resp.Losses...)}
	e := jsonx.Encoder{B: append(dst, '{')}
	a.head(&e, req, resp.ID, resp.Model)
	e.Key("content").Array()
	for i, p := range resp.Parts {
		a.part(&e, p, "content["+strconv.Itoa(i)+"]")
	}
	e.EndArray()
	a.finish(&e, &resp.Finish)
	if len(resp.Logprobs) > 0 {
		a.losses.Add("logprobs", "the anthropic format has no such member")
	}
	e.Key("usage")
	writeUsage(&e, resp.Usage, resp.ServiceTier)
	return e.EndObject().B, a.losses
}

// answerWriter writes what whole answers and streams have in common.
type answerWriter struct{ losses translate.Losses }

func (a *answerWriter) head(e *jsonx.Encoder, req *translate.Request, id, model string) {
	switch {
	case id == "":
		id = "msg_" + rand.Text()
	case !strings.HasPrefix(id, "msg_"):
		id = "msg_" + id
	}
	if model == "" && req != nil {
		model = req.Model
	}
	e.Key("id").String(id).Key("type").String("message").Key("role").String("assistant").Key("model").String(model)
}

func (a *answerWriter) part(e *jsonx.Encoder, p translate.Part, at string) {
	switch p := p.(type) {
	case *translate.Text:
		if p.Text == "" && len(p.Citations) == 0 {
			return // a client would send it back, and blank text is refused
		}
		e.Object().Key("type").String("text").Key("text").String(p.Text)
		a.citations(e, p.Citations, at)
		e.EndObject()
		if p.State != nil {
			a.losses.Add(at, "the anthropic format has no place for the state of text")
		}
	case *translate.Refusal:
		if p.Text != "" {
			e.Object().Key("type").String("text").Key("text").String(p.Text).EndObject()
		}
	case *translate.Thinking:
		switch {
		case p.Redacted && p.State != nil:
			e.Object().Key("type").String("redacted_thinking").Key("data").String(p.State.Seal(Origin)).EndObject()
		case p.Redacted || p.Text == "" && p.State == nil:
		default:
			e.Object().Key("type").String("thinking").Key("thinking").String(p.Text).Key("signature").String(signature(p.State)).EndObject()
		}
	case *translate.ToolUse:
		input, ok := p.InputObject()
		if !ok {
			a.losses.Add(at+".input", "the arguments are no object; they are shown as its member input")
		}
		e.Object().Key("type").String("tool_use").Key("id").String(toolID(p.ID, p.State)).Key("name").String(p.Name).Key("input").Raw(input).EndObject()
	case *translate.Opaque:
		if p.Format == translate.Anthropic {
			e.Raw(p.Raw)
			return
		}
		a.losses.Add(at, "a part of type "+strconv.Quote(p.Type)+" is known to the "+string(p.Format)+" format only")
	case *translate.Media:
		a.losses.Add(at, "the anthropic format's answers hold no media")
	case *translate.ToolResult:
		a.losses.Add(at, "the anthropic format's answers hold no tool results")
	}
}

// signature returns what stands in a thinking block's signature.
func signature(s *translate.State) string {
	if s == nil {
		s = &translate.State{Origin: unsignedOrigin}
	}
	return s.Seal(Origin)
}

// toolID returns a tool call's ID as a client is shown it.
func toolID(id string, s *translate.State) string {
	return translate.PackToolID(translate.FitID(id, maxToolID), s, nil)
}

func (a *answerWriter) citations(e *jsonx.Encoder, cites []translate.Citation, at string) {
	begun := false
	for i := range cites {
		if cites[i].Format != translate.Anthropic && cites[i].URL == "" {
			a.losses.Add(at+".citations["+strconv.Itoa(i)+"]", "the anthropic format has no such citation")
			continue
		}
		if !begun {
			e.Key("citations").Array()
			begun = true
		}
		writeCitation(e, &cites[i])
	}
	if begun {
		e.EndArray()
	}
}

func writeCitation(e *jsonx.Encoder, c *translate.Citation) {
	if c.Format == translate.Anthropic {
		e.Raw(c.Raw)
		return
	}
	e.Object().Key("type").String("web_search_result_location").Key("url").String(c.URL).Key("title").String(c.Title).
		Key("cited_text").String(c.CitedText).Key("encrypted_index").String("").EndObject()
}

// finish writes stop_reason and what belongs to it. A reason that the format
// has no word for is shown in stop_details.
func (a *answerWriter) finish(e *jsonx.Encoder, f *translate.Finish) {
	why := f.Message
	reason := "end_turn"
	switch f.Reason {
	case translate.FinishStop:
	case translate.FinishStopSequence:
		reason = "stop_sequence"
	case translate.FinishLength:
		reason = "max_tokens"
	case translate.FinishToolUse:
		reason = "tool_use"
	case translate.FinishPause:
		reason = "pause_turn"
	case translate.FinishFiltered:
		reason = "refusal"
	default:
		a.losses.Add("stop_reason", "the anthropic format has no word for "+strconv.Quote(f.Native))
		if why == "" {
			why = f.Native
		}
	}
	if f.Native != "" && finishReason(f.Native) == f.Reason && f.Reason != translate.FinishOther {
		reason = f.Native
	}
	e.Key("stop_reason").String(reason).Key("stop_sequence")
	if f.StopSequence != "" {
		e.String(f.StopSequence)
	} else {
		e.Null()
	}
	if why != "" {
		typ := reason
		if reason == "end_turn" {
			typ = "other"
		}
		e.Key("stop_details").Object().Key("type").String(typ).Key("explanation").String(why).EndObject()
	}
}

// writeUsage writes the counts, zeros where the provider told none: clients
// demand the members.
func writeUsage(e *jsonx.Encoder, u *translate.Usage, tier string) {
	if u == nil {
		u = new(translate.Usage)
	}
	e.Object().Key("input_tokens").Int(u.Input).
		Key("cache_creation_input_tokens").Int(u.CacheWrite).Key("cache_read_input_tokens").Int(u.CacheRead).
		Key("output_tokens").Int(u.TotalOutput())
	if u.Reasoning > 0 {
		e.Key("output_tokens_details").Object().Key("thinking_tokens").Int(u.Reasoning).EndObject()
	}
	if u.ServerTools > 0 {
		e.Key("server_tool_use").Object().Key("web_search_requests").Int(u.ServerTools).EndObject()
	}
	if tier != "" {
		if tier == "default" {
			tier = "standard"
		}
		e.Key("service_tier").String(tier)
	}
	e.EndObject()
}
