package responses

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/go-llmproxy/llmproxy/translate"
)

const fullRequest = `{"model":"gpt-x","instructions":"Be brief.","input":[
{"role":"developer","content":"Use tools."},
{"type":"message","role":"user","content":[{"type":"input_text","text":"Look","prompt_cache_breakpoint":{"mode":"explicit","ttl":"30m"}},{"type":"input_image","image_url":"https://x.org/a.png","detail":"low"},{"type":"input_image","image_url":"data:image/png;base64,aGk="},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="},{"type":"input_file","file_id":"file-1"},{"type":"input_new","x":1}]},
{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"},
{"type":"message","id":"msg_1","role":"assistant","status":"completed","phase":"commentary","content":[{"type":"output_text","text":"I look.","annotations":[{"type":"url_citation","url":"https://x.org","title":"X","start_index":0,"end_index":3}]}]},
{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"x\":12345678901234567890}","status":"completed"},
{"type":"custom_tool_call","call_id":"call_2","name":"patch","input":"*** Begin"},
{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},
{"type":"function_call_output","call_id":"call_1","output":"42"},
{"type":"custom_tool_call_output","call_id":"call_2","output":[{"type":"input_text","text":"done"},{"type":"input_image","file_id":"file-2"}]},
{"type":"item_reference","id":"msg_0"},
{"role":"assistant","content":[{"type":"refusal","refusal":"No."}]}],
"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true},{"type":"custom","name":"patch","format":{"type":"grammar","syntax":"lark","definition":"x"}},{"type":"web_search"}],
"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"custom","name":"patch"},{"type":"web_search"}]},
"parallel_tool_calls":false,"max_output_tokens":99,"temperature":0.5,"top_p":0.9,"top_logprobs":2,"include":["message.output_text.logprobs"],
"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true,"description":"d"},"verbosity":"low"},
"reasoning":{"effort":"high","summary":"auto","mode":"pro"},"metadata":{"b":"1","a":"2"},"safety_identifier":"u","prompt_cache_key":"k","service_tier":"flex","store":true,
"previous_response_id":"resp_0","conversation":{"id":"conv_1"},"background":true,"truncation":"auto","stream":true,"max_tool_calls":3}`

const callStream = `data: {"type":"response.created","response":{"id":"resp_1","model":"m","created_at":5}}

data: {"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}

data: {"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"item_id":"rs_1","delta":"one"}

data: {"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"item_id":"rs_1","delta":"two"}

data: {"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],"encrypted_content":"gAAA"}}

data: {"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"c1","name":"f","arguments":""}}

data: {"type":"response.output_item.added","output_index":4,"item":{"type":"function_call","call_id":"c2","name":"f","arguments":""}}

data: {"type":"response.function_call_arguments.delta","output_index":4,"delta":"{\"a\""}

data: {"type":"response.function_call_arguments.delta","output_index":1,"delta":"{}"}

data: {"type":"response.function_call_arguments.delta","output_index":4,"delta":":1}"}

data: {"type":"response.output_item.done","output_index":4,"item":{"type":"function_call","call_id":"c2","name":"f","arguments":"{\"a\":1}"}}

data: {"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}}

data: {"type":"response.output_item.added","output_index":5,"item":{"type":"custom_tool_call","call_id":"c3","name":"g","input":""}}

data: {"type":"response.output_item.done","output_index":5,"item":{"type":"custom_tool_call","call_id":"c3","name":"g","input":"text"}}

data: {"type":"response.completed","response":{"id":"resp_1","status":"completed","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":3}}}}

`

// agentStream is Perplexity's: no content parts, search results beside.
const agentStream = `data: {"type":"response.created","response":{"id":"r"}}

data: {"type":"response.reasoning.started","thought":"x"}

data: {"type":"response.output_item.done","output_index":0,"item":{"type":"search_results","queries":["q"],"results":[{"id":1,"title":"T","url":"https://t.org","snippet":"s"}]}}

data: {"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hi"}

data: {"type":"response.output_item.done","output_index":1,"item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}}

data: {"type":"response.completed","response":{"id":"r","status":"completed","output":[{"type":"search_results","results":[{"title":"T","url":"https://t.org","snippet":"s"}]},{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":5,"output_tokens":1,"input_tokens_details":{"cache_creation_input_tokens":1,"cache_read_input_tokens":2}}}}

`

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(fullRequest))
	f.Add([]byte(`{"model":"m","input":"hi","tool_choice":{"type":"mcp","server_label":"s"},"tools":null,"text":null}`))
	f.Add([]byte(`{"input":[{"type":"function_call","call_id":"a_llmp1_AAAA","name":"f","arguments":""},5]}`))
	f.Add([]byte(`{"input":[{"type":"function_call","id":"0","name":"0"}]}`))
	f.Add([]byte(`{"input":[{"type":"x"},{"role":"assistant","phase":"commentary"},{"type":"y"},{"role":"assistant","phase":{}},{"role":"assistant","phase":1,"content":"a"}]}`))
	f.Add([]byte(`{"input":[],"text":{"format":{"description":"d"}}}`))
	f.Add([]byte(`{"input":[],"text":{"format":{"type":"json_schema"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Inbound{}.ParseRequest(body)
		if err != nil {
			if translate.AsError(err).Kind != translate.InvalidRequest {
				t.Fatal(err)
			}
			return
		}
		out, losses, err := Outbound{}.AppendRequest(nil, r)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		if len(losses) > 0 || !utf8.Valid(body) {
			return
		}
		again, err := Inbound{}.ParseRequest(out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// What the format demands of a schema is filled in; without one, what is
		// said of it means nothing.
		if o := &r.Output; o.Type != translate.OutputSchema {
			*o = translate.Output{Type: o.Type, Modalities: o.Modalities}
		} else {
			if o.Name == "" {
				o.Name = again.Output.Name
			}
			if o.Schema == nil {
				o.Schema = again.Output.Schema
			}
		}
		// Only an assistant refuses.
		for _, m := range r.Messages {
			for i, p := range m.Parts {
				if refusal, ok := p.(*translate.Refusal); ok && m.Role != translate.Assistant {
					m.Parts[i] = &translate.Text{Text: refusal.Text}
				}
			}
		}
		if d := cmp.Diff(r, again, sameRequest, sameJSON); d != "" {
			t.Fatalf("parse∘append∘parse of %s: %s", out, d)
		}
		twice, losses, err := Outbound{}.AppendRequest(nil, again)
		if err != nil || len(losses) > 0 {
			t.Fatalf("%v, %v\n%s", err, losses, out)
		}
		if !bytes.Equal(out, twice) {
			t.Fatalf("written once:  %s\nwritten twice: %s", out, twice)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(`{"id":"resp_1","object":"response","status":"completed","output":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"},{"type":"message","content":[{"type":"output_text","text":"a","annotations":[{"type":"file_citation","filename":"f"}]},{"type":"refusal","refusal":"no"},{"type":"new"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{"},{"type":"mcp_call","id":"m"}]}`))
	f.Add([]byte(`{"status":"failed","error":{"code":"server_error","message":"m"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := Outbound{}.ParseResponse(body)
		if err != nil {
			return
		}
		out, _ := fixed().AppendResponse(nil, nil, resp)
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		w := fixed().NewEventWriter(nil)
		var stream []byte
		for e := range translate.Replay(resp) {
			stream = w.AppendEvent(stream, e)
		}
		checkStream(t, stream)
	})
}

// slow reads as r does, in chunks of the sizes given.
type slow struct {
	r     io.Reader
	sizes []byte
}

func (s *slow) Read(p []byte) (int, error) {
	n := 1
	if len(s.sizes) > 0 {
		n, s.sizes = 1+int(s.sizes[0]), s.sizes[1:]
	}
	return s.r.Read(p[:min(n, len(p))])
}

func FuzzEvents(f *testing.F) {
	for _, s := range []string{callStream, agentStream, deltaFrame} {
		f.Add([]byte(s), []byte{1, 7, 200})
		f.Add(bytes.ReplaceAll([]byte(s), []byte("\n"), []byte("\r\n")), []byte{0, 0, 3})
	}
	f.Fuzz(func(t *testing.T, body, sizes []byte) {
		whole, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(body))))
		if errors.Is(err, translate.ErrGrammar) {
			t.Fatal(err)
		}
		split, serr := translate.Collect(translate.Check(Outbound{}.Events(&slow{bytes.NewReader(body), sizes})))
		if !reflect.DeepEqual(whole, split) || (err == nil) != (serr == nil) {
			t.Fatalf("split differently: %v %v\n%+v\n%+v", err, serr, whole, split)
		}
	})
}
