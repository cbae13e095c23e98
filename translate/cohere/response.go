package cohere

import (
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseResponse implements translate.Outbound. An answer that failed before it
// said anything is an *Error.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) {
	d := jsonx.NewDecoder(body)
	resp := new(translate.Response)
	var m message
	native, failed := "", false
	for key := range d.Members() {
		switch string(key) {
		case "id":
			resp.ID = d.String()
		case "finish_reason":
			native = d.String()
		case "usage":
			resp.Usage = usage(d)
		case "message":
			if failed = d.Kind() == jsonx.String; failed {
				d.Skip() // {"message":"…"} is how Cohere tells a failure
				continue
			}
			m.decode(d)
		case "error":
			failed = !d.Null()
		case "logprobs":
			if !d.Null() {
				resp.Losses.Add("logprobs", "Cohere's are of token numbers")
			}
		}
	}
	if err := d.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	if failed {
		return nil, o.ParseError(200, nil, body)
	}
	m.appendTo(resp)
	var err error
	resp.Finish, err = finish(native, len(m.calls) > 0, len(resp.Parts) > 0)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// message is the message of a whole answer.
type message struct {
	content   []translate.Part // by Cohere's content index; nil where it is unknown
	plan      string
	calls     []call
	citations [][]byte
}

type call struct{ id, name, arguments string }

func (m *message) decode(d *jsonx.Decoder) {
	for key := range d.Members() {
		switch string(key) {
		case "content":
			if d.Kind() == jsonx.String {
				m.content = append(m.content, &translate.Text{Text: d.String()})
				continue
			}
			for range d.Elements() {
				m.content = append(m.content, m.part(d))
			}
		case "tool_plan":
			m.plan = d.String()
		case "tool_calls":
			for range d.Elements() {
				m.calls = append(m.calls, decodeCall(d))
			}
		case "citations":
			for range d.Elements() {
				m.citations = append(m.citations, d.Raw())
			}
		}
	}
}

func (m *message) part(d *jsonx.Decoder) translate.Part {
	raw := d.Raw()
	in := jsonx.NewDecoder(raw)
	typ, text := "", ""
	for key := range in.Members() {
		switch string(key) {
		case "type":
			typ = in.String()
		case "text", "thinking":
			text = in.String()
		}
	}
	if err := in.Err(); err != nil {
		d.Fail(err)
	}
	switch typ {
	case "text", "":
		return &translate.Text{Text: text}
	case "thinking":
		return &translate.Thinking{Text: text}
	}
	return &translate.Opaque{Format: translate.Cohere, Type: typ, Raw: raw}
}

func decodeCall(d *jsonx.Decoder) (c call) {
	for key := range d.Members() {
		switch string(key) {
		case "id":
			c.id = d.String()
		case "function":
			for key := range d.Members() {
				switch string(key) {
				case "name":
					c.name = d.String()
				case "arguments":
					c.arguments = d.String()
				}
			}
		}
	}
	return c
}

// appendTo appends the parts in the order in which a stream has them.
func (m *message) appendTo(resp *translate.Response) {
	for i, raw := range m.citations {
		c, index, ok := citation(raw)
		if index < len(m.content) && ok {
			if t, isText := m.content[index].(*translate.Text); isText {
				t.Citations = append(t.Citations, c)
				continue
			}
		}
		resp.Losses.Add("message.citations["+strconv.Itoa(i)+"]", "cites text that is not part of the answer")
	}
	resp.Parts = append(resp.Parts, m.content...)
	if m.plan != "" {
		resp.Parts = append(resp.Parts, &translate.Thinking{Text: m.plan})
	}
	for _, c := range m.calls {
		if isNull(c.arguments) {
			c.arguments = ""
		}
		resp.Parts = append(resp.Parts, &translate.ToolUse{ID: c.id, Name: c.name, Input: translate.ParseInput(c.arguments, false)})
	}
}

// isNull tells the arguments that Cohere's models give to a tool that takes
// none.
func isNull(arguments string) bool { return strings.TrimSpace(arguments) == "null" }

// citation reads one citation. ok is false for one of a tool plan, which is no
// part of the answer, and for what is no citation. The content index is 0
// where there is none, as the answer's text then is all there is; -1 becomes
// an index beyond all.
func citation(raw []byte) (c translate.Citation, index int, ok bool) {
	d := jsonx.NewDecoder(raw)
	c.Format, c.Raw, ok = translate.Cohere, raw, true
	for key := range d.Members() {
		switch string(key) {
		case "start":
			c.Start = int(d.Int())
		case "end":
			c.End = int(d.Int())
		case "content_index":
			index = int(d.Int())
		case "type":
			ok = d.String() != "PLAN"
		case "sources":
			for range d.Elements() {
				source(d, &c)
			}
		}
	}
	return c, index, ok && index >= 0 && c.Start >= 0 && c.End >= c.Start && d.End() == nil
}

// source takes from a source what other formats have a place for: the first
// title, address and text.
func source(d *jsonx.Decoder, c *translate.Citation) {
	for key := range d.Members() {
		if string(key) != "document" || d.Kind() != jsonx.Object {
			continue
		}
		for key := range d.Members() {
			if d.Kind() != jsonx.String {
				continue
			}
			var dst *string
			switch string(key) {
			case "title":
				dst = &c.Title
			case "url":
				dst = &c.URL
			case "text", "snippet":
				dst = &c.CitedText
			default:
				continue
			}
			if v := d.String(); *dst == "" {
				*dst = v
			}
		}
	}
}

// usage reads the token counts: those that were processed, not those that are
// billed, where both are told.
func usage(d *jsonx.Decoder) *translate.Usage {
	var tokens, billed struct{ in, out int64 }
	var cached int64
	told, counted := false, false
	for key := range d.Members() {
		dst := &tokens
		switch string(key) {
		case "cached_tokens":
			cached = d.Int()
			continue
		case "tokens":
			counted = d.Kind() == jsonx.Object
		case "billed_units":
			dst = &billed
		default:
			continue
		}
		for key := range d.Members() {
			switch string(key) {
			case "input_tokens":
				dst.in, told = d.Int(), true
			case "output_tokens":
				dst.out, told = d.Int(), true
			}
		}
	}
	if !told {
		return nil
	}
	if !counted {
		tokens = billed
	}
	return translate.InclusiveUsage(max(tokens.in, 0), max(cached, 0), 0, max(tokens.out, 0), 0)
}
