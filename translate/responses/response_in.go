package responses

import (
	"errors"
	"io"
	"iter"
	"net/http"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseResponse implements translate.Outbound.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) {
	in := jsonx.NewDecoder(body)
	env := parseEnvelope(in)
	if err := in.End(); err != nil {
		return nil, translate.Malformed(err)
	}
	if err := env.err(); err != nil {
		err.Body = body
		return nil, err
	}
	if env.output == nil && env.object != "response" {
		return nil, translate.Malformed(errors.New("a response without output"))
	}
	d := decoder{origin: o.origin()}
	resp, err := translate.Collect(func(yield func(*translate.Event, error) bool) {
		d.yield = yield
		d.finish(&env)
	})
	if err != nil {
		return nil, err
	}
	if d.logprobs != nil {
		var e jsonx.Encoder
		e.Object().Key("content").Array()
		e.B = append(e.B, d.logprobs...)
		resp.Logprobs = e.EndArray().EndObject().B
	}
	if len(d.results) > 0 {
		resp.Losses.Add("output", "search results that no text follows")
	}
	return resp, nil
}

// ParseError implements translate.Outbound.
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	return translate.ParseErrorBody(status, h, body)
}

// Events implements translate.Outbound.
func (o Outbound) Events(body io.Reader) iter.Seq2[*translate.Event, error] {
	return func(yield func(*translate.Event, error) bool) {
		d := decoder{origin: o.origin(), yield: yield}
		scan := sse.NewScanner(body, 0)
		defer scan.Release()
		var f frame
		for !d.over {
			ev, err := scan.Next()
			if err != nil {
				d.fail(translate.Truncated(err))
				return
			}
			if err := f.parse(ev); err != nil {
				d.fail(translate.Malformed(err))
				return
			}
			d.frame(&f)
			if len(d.blocks) > translate.MaxOpenBlocks {
				d.fail(translate.Malformed(nil))
				return
			}
		}
	}
}

// frame is a stream's event. Its slices are valid until the next one.
type frame struct {
	d                        jsonx.Decoder
	data, typ                []byte
	response, item, part     []byte
	annotation, results      []byte
	itemID                   []byte
	delta, done              string // done: text, refusal, arguments, input
	output, content, summary int
	failure                  bool // a member "error" that is not null
	logprobs                 bool // some are given
}

var doneMarker = "[DONE]"

func (f *frame) parse(ev *sse.Event) error {
	*f = frame{data: ev.Data, typ: ev.Name, output: -1}
	if string(ev.Data) == doneMarker { // the format has none, but some servers send it
		f.typ = nil
		return nil
	}
	d := &f.d
	d.Reset(ev.Data)
	for k := range d.Members() {
		switch string(k) {
		case "type":
			if d.Kind() == jsonx.String {
				f.typ = d.StringBytes()
			}
		case "response":
			f.response = d.Raw()
		case "item":
			f.item = d.Raw()
		case "part":
			f.part = d.Raw()
		case "annotation":
			f.annotation = d.Raw()
		case "results":
			f.results = d.Raw()
		case "item_id":
			f.itemID = d.StringBytes()
		case "delta":
			if d.Kind() == jsonx.String { // audio and others have objects
				f.delta = d.String()
			}
		case "text", "refusal", "arguments", "input":
			if d.Kind() == jsonx.String {
				f.done = d.String()
			}
		case "output_index":
			f.output = int(d.Int())
		case "content_index":
			f.content = int(d.Int())
		case "summary_index":
			f.summary = int(d.Int())
		case "logprobs":
			if d.Kind() == jsonx.Array {
				for range d.Elements() {
					f.logprobs = true
				}
			}
		case "error":
			f.failure = !d.Null()
		}
	}
	return d.End()
}

func (d *decoder) frame(f *frame) {
	if f.failure {
		d.fail(translate.ParseErrorBody(http.StatusOK, nil, append([]byte(nil), f.data...)))
		return
	}
	if f.output < 0 {
		f.output = d.last
	}
	switch string(f.typ) {
	case "response.created", "response.in_progress", "response.queued":
		if !d.started {
			env := d.envelope(f)
			d.start(&env)
			return
		}
	case "response.output_item.added":
		if it, ok := d.item(f); ok {
			d.addItem(f.output, &it)
		}
		return
	case "response.output_text.delta":
		if f.logprobs && d.losses == nil {
			d.losses.Add("output[0].content[0].logprobs", "log probabilities are not translated in streams")
		}
		d.textDelta(f.output, f.content, translate.KindText, f.delta)
		return
	case "response.refusal.delta":
		d.textDelta(f.output, f.content, translate.KindRefusal, f.delta)
		return
	case "response.output_text.done":
		d.wholeText(f, translate.KindText)
		return
	case "response.refusal.done":
		d.wholeText(f, translate.KindRefusal)
		return
	case "response.output_text.annotation.added":
		d.annotation(f)
		return
	case "response.content_part.done":
		in := jsonx.NewDecoder(f.part)
		if c := parseContent(in); in.Err() == nil && c.kind != translate.KindOpaque {
			d.finishPart(f.output, f.content, &c)
		}
		return
	case "response.reasoning_summary_text.delta":
		d.thinkingDelta(f.output, f.summary, false, f.itemID, f.delta)
		return
	case "response.reasoning_text.delta":
		d.thinkingDelta(f.output, f.content, true, f.itemID, f.delta)
		return
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		if b := d.find(f.output, 0, translate.KindToolUse); b != nil {
			d.delta(b, f.delta)
		}
		return
	case "response.function_call_arguments.done", "response.custom_tool_call_input.done":
		if b := d.find(f.output, 0, translate.KindToolUse); b != nil && !b.text {
			d.delta(b, f.done)
		}
		return
	case "response.output_item.done":
		if it, ok := d.item(f); ok {
			d.finishItem(f.output, &it)
		}
		return
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		d.terminal(f)
		return
	case "error":
		d.fail(translate.ParseErrorBody(http.StatusOK, nil, append([]byte(nil), f.data...)))
		return
	case "response.reasoning.search_results": // Perplexity
		d.addResults(parseResults(jsonx.NewDecoder(f.results)))
	}
	// Steps of hosted tools, repeated starts, and whatever comes new: the
	// provider is alive.
	if d.started {
		d.emit(translate.Event{Type: translate.EventPing})
	}
}

func (d *decoder) envelope(f *frame) envelope {
	in := jsonx.NewDecoder(f.response)
	env := parseEnvelope(in)
	if len(f.response) > 0 && in.Err() != nil {
		d.fail(translate.Malformed(in.Err()))
	}
	return env
}

func (d *decoder) item(f *frame) (parsedItem, bool) {
	in := jsonx.NewDecoder(f.item)
	it := parseItem(in)
	if err := in.Err(); err != nil {
		d.fail(translate.Malformed(err))
		return it, false
	}
	return it, true
}

func (d *decoder) wholeText(f *frame, kind translate.PartKind) {
	if d.find(f.output, f.content, kind) == nil {
		d.textDelta(f.output, f.content, kind, f.done)
	}
}

func (d *decoder) annotation(f *frame) {
	c, ok := parseAnnotation(jsonx.NewDecoder(f.annotation))
	if !ok {
		return
	}
	b := d.find(f.output, f.content, translate.KindText)
	if b == nil {
		b = d.open(f.output, f.content, translate.Event{Kind: translate.KindText})
	}
	d.cite(b, &c)
}

func (d *decoder) terminal(f *frame) {
	env := d.envelope(f)
	if d.over {
		return
	}
	switch typ := string(f.typ[len("response."):]); typ {
	case "incomplete", "failed", "cancelled":
		env.status = typ
	default:
		if env.status == "" || env.status == "in_progress" {
			env.status = typ
		}
	}
	if err := env.err(); err != nil {
		d.start(&env)
		d.fail(err)
		return
	}
	d.finish(&env)
}
