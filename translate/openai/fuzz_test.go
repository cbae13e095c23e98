package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{
		user(`"hi"`), user(`[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"novel":1,"type":"x"}]`),
		`{"messages":[{"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.text","text":"a","signature":"b"}],"tool_calls":[{"id":"a_llmp1_AAAA","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto"}`,
		`{"messages":[{"role":"assistant","function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"1"}],"functions":[{"name":"f"}],"function_call":{"name":"f"},"stop":["a"],"reasoning":{"effort":"low"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Inbound{}.ParseRequest(body)
		if err != nil {
			var e *translate.Error
			if !errors.As(err, &e) || e.Kind != translate.InvalidRequest {
				t.Fatalf("error %v", err)
			}
			return
		}
		for _, d := range []Dialect{{}, {MergeSystem: true, StringContent: true, ToolIDLength: 9, ReasoningField: "content", EchoReasoning: true, CacheMark: "cache_control", ReasoningObject: true, FilterTools: true}} {
			out, _, err := Outbound{Origin: "mistral", Dialect: d}.AppendRequest(nil, r)
			if err == nil && !json.Valid(out) {
				t.Fatalf("no JSON: %s", out)
			}
			again, _, _ := Outbound{Origin: "mistral", Dialect: d}.AppendRequest(nil, r)
			if err == nil && !bytes.Equal(out, again) {
				t.Fatal("not the same bytes twice")
			}
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"h"}],"signature":"s"},{"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}],"tool_calls":[{"function":{"name":"f","arguments":{}}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`))
	f.Add([]byte(`{"choices":[{"message":{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}],"annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":1,"end_index":2}}],"images":[{"image_url":{"url":"data:image/png;base64,AA=="}}],"audio":{"transcript":"t"},"refusal":"r","function_call":{"name":"f","arguments":"x"}}}],"citations":["u"],"search_results":[{"url":"u","title":"t"}]}`))
	f.Add([]byte(`{"result":{"response":{"a":1},"tool_calls":[{"name":"f","arguments":{}}]},"success":true,"errors":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := Outbound{newID: fixedID}.ParseResponse(body)
		if err != nil {
			translate.AsError(err).StatusCode()
			return
		}
		out, _ := Inbound{now: func() int64 { return 1 }}.AppendResponse(nil, &translate.Request{Model: "m"}, resp)
		if !json.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		writeStream(t, translate.Check(translate.Replay(resp)))
	})
}

// splitReader reads in pieces of the given lengths.
type splitReader struct {
	b, lengths []byte
}

func (r *splitReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := len(r.b)
	if len(r.lengths) > 0 {
		n = min(n, int(r.lengths[0])%16+1)
		r.lengths = append(r.lengths[1:], r.lengths[0])
	}
	n = copy(p, r.b[:n])
	r.b = r.b[n:]
	return n, nil
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(sseOf(deltaOf(`{"role":"assistant","content":"a"}`), deltaOf(`{"reasoning":"b"}`), doneStop, `{"choices":[],"usage":{"prompt_tokens":1}}`, "[DONE]")), []byte{3, 1})
	f.Add([]byte(sseOf(deltaOf(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"id":"b","function":{"arguments":"x"}}]}`), deltaOf(`{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`), doneToolCalls)), []byte{7})
	f.Add([]byte(sseOf(deltaOf(`{"reasoning_details":[{"type":"reasoning.text","text":"t","index":0},{"type":"reasoning.summary","summary":"s","index":0}],"extra_content":{"google":{"thought_signature":"x"}}}`), `{"error":"m"}`)), []byte{})
	f.Fuzz(func(t *testing.T, stream, lengths []byte) {
		o := Outbound{newID: fixedID}
		whole, err := translate.Collect(translate.Check(o.Events(bytes.NewReader(stream))))
		if errors.Is(err, translate.ErrGrammar) {
			t.Fatal(err)
		}
		split, err2 := translate.Collect(translate.Check(o.Events(&splitReader{stream, bytes.Clone(lengths)})))
		if (err == nil) != (err2 == nil) || !reflect.DeepEqual(whole, split) {
			t.Fatalf("%+v, %v\n%+v, %v", whole, err, split, err2)
		}
		if err == nil {
			writeStream(t, o.Events(bytes.NewReader(stream)))
		}
	})
}
