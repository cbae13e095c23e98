package openai

import (
	"crypto/rand"
	"strings"
	"unicode/utf8"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendResponse implements translate.Inbound.
func (in Inbound) AppendResponse(dst []byte, req *translate.Request, resp *translate.Response) ([]byte, []translate.Loss) {
	losses := append(translate.Losses(nil), resp.Losses...)
	m := sortParts(resp.Parts, &losses)
	e := jsonx.Encoder{B: append(dst, '{')}
	in.head(&e, "chat.completion", resp.ID, resp.Model, resp.Created, req)
	e.Key("choices").Array().Object().Key("index").Int(0)
	e.Key("message").Object().Key("role").String("assistant").Key("content")
	if m.hasText {
		e.String(m.text)
	} else {
		e.Null()
	}
	e.Key("refusal")
	stringOrNull(&e, m.refusal)
	if m.reasoning != "" {
		e.Key("reasoning_content").String(m.reasoning)
	}
	if len(m.details) > 0 {
		e.Key("reasoning_details").Array()
		for i, t := range m.details {
			reasoningDetail(&e, t, t.Text, i)
		}
		e.EndArray()
	}
	if len(m.citations) > 0 {
		e.Key("annotations").Array()
		for i := range m.citations {
			annotation(&e, &m.citations[i])
		}
		e.EndArray()
	}
	if len(m.images) > 0 {
		e.Key("images").Array()
		for i, img := range m.images {
			image(&e, img, i)
		}
		e.EndArray()
	}
	if m.audio != nil {
		e.Key("audio").Raw(m.audio)
	}
	if m.signature != nil {
		signature(&e, m.signature)
	}
	if len(m.calls) > 0 {
		e.Key("tool_calls").Array()
		for _, c := range m.calls {
			e.Object()
			callHead(&e, c.use.ID, c.use.Name, c.use.InputText(), c.use.Custom, c.use.State, c.thinking)
			e.EndObject()
		}
		e.EndArray()
	}
	e.EndObject()
	e.Key("logprobs").Raw(resp.Logprobs)
	finish(&e, &resp.Finish)
	e.EndObject().EndArray()
	if resp.Usage != nil {
		usage(&e, resp.Usage)
	}
	serviceTier(&e, resp.ServiceTier)
	e.EndObject()
	return e.B, losses
}

// head writes the members that an answer and its chunks begin with.
func (in Inbound) head(e *jsonx.Encoder, object, id, model string, created int64, req *translate.Request) {
	if id == "" {
		id = "chatcmpl-" + rand.Text()
	}
	if model == "" && req != nil {
		model = req.Model
	}
	if created == 0 {
		created = in.clock()
	}
	e.Key("id").String(id).Key("object").String(object).Key("created").Int(created).Key("model").String(model)
}

// wireAnswer is an answer's parts, sorted into a message's members.
type wireAnswer struct {
	text      string
	hasText   bool
	refusal   string
	reasoning string
	details   []*translate.Thinking // with state
	citations []translate.Citation
	images    []*translate.Media
	audio     []byte
	signature *translate.State
	calls     []toolCall
}

func sortParts(parts []translate.Part, losses *translate.Losses) (m wireAnswer) {
	var text, refusal, reasoning []string
	var pending []*translate.Thinking // since the last call
	var counted, runes int            // texts whose length is known, and that of all of them
	for _, p := range parts {
		switch p := p.(type) {
		case *translate.Text:
			m.hasText = true
			from, to := 0, 0
			if len(p.Citations) > 0 { // few answers have any
				for _, t := range text[counted:] {
					runes += utf8.RuneCountInString(t)
				}
				counted, from, to = len(text), runes, runes+utf8.RuneCountInString(p.Text)
			}
			text = append(text, p.Text)
			for _, c := range p.Citations {
				if c.URL == "" {
					losses.Add("choices[0].message.annotations", "only citations of web pages can be shown")
					continue
				}
				c.Bound(from, to)
				m.citations = append(m.citations, c)
			}
			if p.State != nil {
				m.signature = p.State
			}
		case *translate.Thinking:
			if !p.Redacted && p.Text != "" {
				reasoning = append(reasoning, p.Text)
			}
			if p.State != nil {
				m.details = append(m.details, p)
				pending = append(pending, p)
			}
		case *translate.Refusal:
			refusal = append(refusal, p.Text)
		case *translate.ToolUse:
			m.calls = append(m.calls, toolCall{p, pending})
			pending = nil
		case *translate.Media:
			if p.Kind == translate.Image && p.FileID == "" {
				m.images = append(m.images, p)
			} else {
				losses.Add("choices[0].message", "an answer cannot hold "+string(p.Kind))
			}
		case *translate.Opaque:
			if p.Format == translate.OpenAI && p.Type == "audio" {
				m.audio = p.Raw
			} else {
				losses.Add("choices[0].message", "a "+p.Type+" is not known outside the "+string(p.Format)+" format")
			}
		}
	}
	m.text, m.refusal, m.reasoning = strings.Join(text, ""), strings.Join(refusal, ""), strings.Join(reasoning, "\n\n")
	return m
}

func annotation(e *jsonx.Encoder, c *translate.Citation) {
	e.Object().Key("type").String("url_citation").Key("url_citation").Object()
	e.Key("start_index").Int(int64(c.Start)).Key("end_index").Int(int64(c.End)).Key("url").String(c.URL).Key("title").String(c.Title)
	if c.CitedText != "" {
		e.Key("content").String(c.CitedText) // OpenRouter's
	}
	e.EndObject().EndObject()
}

func image(e *jsonx.Encoder, m *translate.Media, i int) {
	url := m.URL
	if m.Data != "" {
		url = m.DataURL()
	}
	e.Object().Key("type").String("image_url").Key("image_url").Object().Key("url").String(url).EndObject().Key("index").Int(int64(i)).EndObject()
}

// reasoningDetail writes thinking in OpenRouter's shape. format names whose
// state it is.
func reasoningDetail(e *jsonx.Encoder, t *translate.Thinking, text string, i int) {
	e.Object()
	if t.Redacted {
		e.Key("type").String("reasoning.encrypted").Key("data").String(t.State.Seal("openai"))
	} else {
		e.Key("type").String("reasoning.text").Key("text").String(text).Key("signature").String(t.State.Seal("openai"))
	}
	if t.ID != "" {
		e.Key("id").String(t.ID)
	}
	e.Key("format").String(t.State.Origin).Key("index").Int(int64(i)).EndObject()
}

// signature writes Gemini's own convention for thought signatures, which its
// clients know to send back.
func signature(e *jsonx.Encoder, s *translate.State) {
	e.Key("extra_content").Object().Key("google").Object().Key("thought_signature").String(s.Seal("gemini")).EndObject().EndObject()
}

// callHead writes the members of a tool call. Its ID carries the reasoning
// state that the call and the thinking before it need, as that is all that a
// plain client is sure to send back.
func callHead(e *jsonx.Encoder, id, name, input string, custom bool, state *translate.State, thinking []*translate.Thinking) {
	e.Key("id").String(translate.PackToolID(id, state, thinking))
	if custom {
		e.Key("type").String("custom").Key("custom").Object().Key("name").String(name).Key("input").String(input).EndObject()
	} else {
		e.Key("type").String("function").Key("function").Object().Key("name").String(name).Key("arguments").String(input).EndObject()
	}
	if state != nil && state.Origin == "gemini" {
		signature(e, state)
	}
}

// finish writes finish_reason. OpenAI has four words; an answer that broke off
// for a reason of another kind is shown as cut short, never as done, and the
// provider's own word stands beside it.
func finish(e *jsonx.Encoder, f *translate.Finish) {
	word := "length"
	switch f.Reason {
	case translate.FinishStop, translate.FinishStopSequence, translate.FinishPause:
		word = "stop"
	case translate.FinishToolUse:
		word = "tool_calls"
	case translate.FinishFiltered:
		word = "content_filter"
	}
	e.Key("finish_reason").String(word)
	if f.Native != "" && f.Native != word {
		e.Key("native_finish_reason").String(f.Native)
	}
}

func usage(e *jsonx.Encoder, u *translate.Usage) {
	e.Key("usage").Object()
	e.Key("prompt_tokens").Int(u.TotalInput()).Key("completion_tokens").Int(u.TotalOutput()).Key("total_tokens").Int(u.Total())
	e.Key("prompt_tokens_details").Object().Key("cached_tokens").Int(u.CacheRead).Key("cache_write_tokens").Int(u.CacheWrite).EndObject()
	e.Key("completion_tokens_details").Object().Key("reasoning_tokens").Int(u.Reasoning).EndObject()
	if u.ServerTools > 0 {
		e.Key("num_search_queries").Int(u.ServerTools) // Perplexity's word
	}
	e.EndObject()
}

// serviceTier writes the tier where it is one of OpenAI's.
func serviceTier(e *jsonx.Encoder, tier string) {
	switch tier {
	case "on_demand", "standard":
		tier = "default"
	case "auto", "default", "flex", "scale", "priority":
	default:
		return
	}
	e.Key("service_tier").String(tier)
}
