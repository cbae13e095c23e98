package responses

import (
	"bytes"
	"encoding/json"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// parsedItem is an output item. Only what its type has is set.
type parsedItem struct {
	typ, id      string
	callID, name string
	args         string        // function_call's arguments, custom_tool_call's input
	parts        []contentItem // of a message
	summary      string
	reasoning    string // reasoning's content
	encrypted    string
	results      []translate.Citation // Perplexity's search_results
	raw          json.RawMessage      // of other types
}

type contentItem struct {
	kind      translate.PartKind // KindText, KindRefusal; KindOpaque
	text      string
	citations []translate.Citation
	logprobs  []byte
	typ       string
	raw       json.RawMessage
}

// thinking returns the reasoning itself where the model shows it (open
// models), else its summary.
func (it *parsedItem) thinking() string {
	if it.reasoning != "" {
		return it.reasoning
	}
	return it.summary
}

func parseItem(d *jsonx.Decoder) (it parsedItem) {
	it.typ = typeOf(d)
	switch it.typ {
	case "message", "reasoning", "function_call", "custom_tool_call", "search_results":
	default:
		begin := *d
		for k := range begin.Members() {
			if string(k) == "id" && begin.Kind() == jsonx.String {
				it.id = begin.String()
			}
		}
		it.raw = bytes.Clone(d.Raw())
		return it
	}
	for k := range d.Members() {
		switch string(k) {
		case "call_id":
			it.callID = d.String()
		case "name":
			it.name = d.String()
		case "arguments", "input":
			if d.Kind() == jsonx.Object { // some servers give the arguments themselves
				it.args = string(d.Raw())
				break
			}
			it.args = d.String()
		case "content":
			if it.typ != "message" {
				it.reasoningMember(d, "content")
				break
			}
			for range d.Elements() {
				it.parts = append(it.parts, parseContent(d))
			}
		case "results":
			it.results = parseResults(d)
		default:
			it.reasoningMember(d, string(k))
		}
	}
	return it
}

// reasoningMember reads a member of a reasoning item; false: it is unknown,
// and has not been read.
func (it *parsedItem) reasoningMember(d *jsonx.Decoder, key string) bool {
	switch key {
	case "type", "status":
		d.Skip()
	case "id":
		it.id = d.String()
	case "encrypted_content":
		it.encrypted = d.String()
	case "summary":
		it.summary = d.Texts(between)
	case "content":
		it.reasoning = d.Texts(between)
	default:
		return false
	}
	return true
}

// between stands between the parts of a summary.
const between = "\n\n"

func parseContent(d *jsonx.Decoder) (c contentItem) {
	switch c.typ = typeOf(d); c.typ {
	case "output_text", "text":
		c.kind = translate.KindText
	case "refusal":
		c.kind = translate.KindRefusal
	default:
		c.kind, c.raw = translate.KindOpaque, bytes.Clone(d.Raw())
		return c
	}
	for k := range d.Members() {
		switch string(k) {
		case "text", "refusal":
			c.text = d.String()
		case "annotations":
			for range d.Elements() {
				if a, ok := parseAnnotation(d); ok {
					c.citations = append(c.citations, a)
				}
			}
		case "logprobs":
			c.logprobs = d.Raw()
		}
	}
	return c
}

// parseAnnotation reads an annotation and keeps it as it is, too: file
// citations have no URL.
func parseAnnotation(d *jsonx.Decoder) (c translate.Citation, ok bool) {
	if d.Kind() != jsonx.Object {
		d.Skip()
		return c, false
	}
	begin := *d
	for k := range d.Members() {
		switch string(k) {
		case "url":
			c.URL = d.String()
		case "title":
			c.Title = d.String()
		case "start_index":
			c.Start = int(d.Int())
		case "end_index":
			c.End = int(d.Int())
		case "filename":
			if c.Title == "" {
				c.Title = d.String()
			}
		}
	}
	c.Format, c.Raw = translate.Responses, bytes.Clone(begin.Raw())
	return c, d.Err() == nil
}

// parseResults reads Perplexity's search results as citations.
func parseResults(d *jsonx.Decoder) (out []translate.Citation) {
	if d.Kind() != jsonx.Array {
		d.Skip()
		return nil
	}
	for range d.Elements() {
		var c translate.Citation
		if d.Kind() != jsonx.Object {
			continue
		}
		for k := range d.Members() {
			switch string(k) {
			case "url":
				c.URL = d.String()
			case "title":
				c.Title = d.String()
			case "snippet":
				c.CitedText = d.String()
			}
		}
		if c.URL != "" {
			out = append(out, c)
		}
	}
	return out
}

// envelope is a response object without its items.
type envelope struct {
	object, id, model, status, tier string
	created                         int64
	output                          []byte
	failure                         []byte // error, unless null
	reason                          string // incomplete_details.reason
	usage                           *translate.Usage
	searches                        int64
}

func parseEnvelope(d *jsonx.Decoder) (env envelope) {
	for k := range d.Members() {
		switch string(k) {
		case "id":
			env.id = d.String()
		case "object":
			env.object = d.String()
		case "model":
			env.model = d.String()
		case "status":
			if d.Kind() == jsonx.String { // in an error's body it may be a number
				env.status = d.String()
			}
		case "service_tier":
			env.tier = d.String()
		case "created_at":
			if d.Kind() == jsonx.Number {
				env.created = int64(d.Float())
			}
		case "output":
			if d.Kind() == jsonx.Array {
				env.output = d.Raw()
			}
		case "error":
			if !d.Null() {
				env.failure = d.Raw()
			}
		case "incomplete_details":
			for k := range d.Members() {
				if string(k) == "reason" {
					env.reason = d.String()
				}
			}
		case "usage":
			env.usage = parseUsage(d)
		case "tool_usage":
			for k := range d.Members() {
				if string(k) != "web_search" {
					continue
				}
				for k := range d.Members() {
					if string(k) == "num_requests" {
						env.searches = d.Int()
					}
				}
			}
		}
	}
	if env.usage != nil && env.searches > 0 {
		env.usage.ServerTools = env.searches
	}
	return env
}

func parseUsage(d *jsonx.Decoder) *translate.Usage {
	if d.Null() {
		return nil
	}
	var in, read, write, out, reasoning, tools int64
	for k := range d.Members() {
		switch string(k) {
		case "input_tokens":
			in = d.Int()
		case "output_tokens":
			out = d.Int()
		case "num_server_side_tools_used": // xAI
			tools = d.Int()
		case "input_tokens_details":
			for k := range d.Members() {
				switch string(k) {
				case "cached_tokens", "cache_read_input_tokens":
					read = d.Int()
				case "cache_write_tokens", "cache_creation_input_tokens":
					write = d.Int()
				}
			}
		case "output_tokens_details":
			for k := range d.Members() {
				if string(k) == "reasoning_tokens" {
					reasoning = d.Int()
				}
			}
		}
	}
	u := translate.InclusiveUsage(in, read, write, out, reasoning)
	u.ServerTools = tools
	return u
}

// finish says why the answer ended; calls tells that it holds tool calls.
func (env *envelope) finish(calls bool) translate.Finish {
	f := translate.Finish{Native: env.status}
	switch env.status {
	case "completed", "":
		f.Reason = translate.FinishStop
		if calls {
			f.Reason = translate.FinishToolUse
		}
	case "incomplete":
		f.Native = env.reason
		switch env.reason {
		case "max_output_tokens", "max_tokens":
			f.Reason = translate.FinishLength
		case "content_filter":
			f.Reason = translate.FinishFiltered
		default:
			f.Reason = translate.FinishOther
		}
	default:
		f.Reason = translate.FinishOther
	}
	return f
}

// err returns the failure that the response reports, if it does.
func (env *envelope) err() *translate.Error {
	switch {
	case env.status == "failed" || env.failure != nil && env.status != "completed" && env.status != "incomplete":
		e := translate.ParseErrorBody(200, nil, bytes.Clone(env.failure))
		if env.failure == nil {
			e.Message, e.Body = "the provider's model failed and did not say why", nil
		}
		return e
	case env.status == "cancelled":
		return translate.Errorf(translate.Upstream, "the provider canceled the response")
	}
	return nil
}
