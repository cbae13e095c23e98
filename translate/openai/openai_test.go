package openai

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-llmproxy/llmproxy/translate"
)

func sseOf(values ...string) string { return "data: " + strings.Join(values, "\n\ndata: ") + "\n\n" }

func collect(stream string) (*translate.Response, error) {
	return translate.Collect(translate.Check(Outbound{newID: fixedID}.Events(strings.NewReader(stream))))
}

func deltaOf(d string) string {
	return `{"id":"c","model":"m","created":1,"choices":[{"index":0,"delta":` + d + `}]}`
}

const (
	doneToolCalls = `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`
	doneStop      = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
)

// pitfall 1: parallel calls, however a provider numbers them.
func TestParallelCalls(t *testing.T) {
	for name, deltas := range map[string][]string{
		"interleaved, with a gap": {
			`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`,
			`{"tool_calls":[{"index":3,"id":"b","function":{"name":"f","arguments":"{\"x\""}}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}},{"index":3,"function":{"arguments":":2}"}}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`,
		},
		"no index, whole": {
			`{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]}`,
			`{"tool_calls":[{"id":"b","function":{"name":"f","arguments":{"x":2}}}]}`,
		},
		"always index 0": {
			`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]}`,
			`{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}]}`,
		},
		"id and name repeated": {
			`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}`,
			`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"1}"}}]}`,
			`{"tool_calls":[{"index":1,"id":"b","function":{"arguments":"{\"x\":"}}]}`,
			`{"tool_calls":[{"index":1,"id":"b","function":{"name":"f","arguments":"2}"}}]}`,
		},
	} {
		var chunks []string
		for _, d := range deltas {
			chunks = append(chunks, deltaOf(d))
		}
		resp, err := collect(sseOf(append(chunks, doneStop, "[DONE]")...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []translate.Part{
			&translate.ToolUse{ID: "a", Name: "f", Input: json.RawMessage(`{"x":1}`)},
			&translate.ToolUse{ID: "b", Name: "f", Input: json.RawMessage(`{"x":2}`)},
		}
		if !reflect.DeepEqual(resp.Parts, want) {
			got, _ := json.Marshal(resp.Parts)
			t.Errorf("%s: %s", name, got)
		}
		if resp.Finish.Reason != translate.FinishToolUse { // pitfall 24
			t.Errorf("%s: finish %+v", name, resp.Finish)
		}
	}
}

func TestEmptyArguments(t *testing.T) {
	resp, err := collect(sseOf(deltaOf(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`), doneToolCalls))
	if err != nil || string(resp.Parts[0].(*translate.ToolUse).Input) != "{}" {
		t.Fatalf("%+v, %v", resp, err)
	}
	out := string(writeStream(t, translate.Replay(resp)))
	if !strings.Contains(out, `"arguments":"{}"`) {
		t.Errorf("written as %s", out)
	}
}

// A call whose arguments are complete ends when the next begins, so that
// formats with blocks in sequence need not wait for the end.
func TestCompleteCallEnds(t *testing.T) {
	stream := sseOf(deltaOf(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"s\":\"}\\\"\"}"}}]}`),
		deltaOf(`{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]}`))
	var types []string
	for e, err := range (Outbound{}).Events(strings.NewReader(stream)) {
		if err != nil {
			break
		}
		types = append(types, e.Type.String())
	}
	want := "start, block start, block delta, block stop, block start, block delta"
	if got := strings.Join(types, ", "); got != want {
		t.Errorf("got %s", got)
	}
}

// pitfall 22, 23: usage on any chunk, the last wins; cached tokens count once.
func TestUsage(t *testing.T) {
	for usage, want := range map[string]translate.Usage{
		`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}`: {Input: 3, CacheRead: 4, CacheWrite: 3, Output: 3, Reasoning: 2},
		`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22,"completion_tokens_details":{"reasoning_tokens":7}}`:                                                                    {Input: 10, Output: 5, Reasoning: 7}, // xAI
		`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":2}}`:                                                                    {Input: 10, Output: 5, Reasoning: 2}, // xAI
		`{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8}`:                                                                                                             {Input: 2, CacheRead: 8, Output: 5},  // DeepSeek
		`{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`:                                                                                                                         {},
	} {
		for _, place := range []string{
			`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":` + usage + `}`,
			`{"choices":[{"delta":{}}],"usage":` + usage + `}`,
			`{"choices":[],"usage":` + usage + `}`,
			`{"choices":[],"x_groq":{"usage":` + usage + `},"usage":null}`,
		} {
			resp, err := collect(sseOf(`{"choices":[],"id":""}`, deltaOf(`{"content":"a"}`)[:len(deltaOf(`{"content":"a"}`))-1]+`,"usage":{"prompt_tokens":99}}`, doneStop, place, "[DONE]"))
			if err != nil || resp.Usage == nil || *resp.Usage != want {
				t.Errorf("%s: %+v, %v", place, resp.Usage, err)
			}
		}
	}
	// The client sees it only if it asked.
	for _, asked := range []bool{false, true} {
		w := Inbound{}.NewEventWriter(&translate.Request{IncludeUsage: asked})
		out := w.AppendEvent(nil, &translate.Event{Type: translate.EventStop, Usage: &translate.Usage{Input: 1}})
		if bytes.Contains(out, []byte("prompt_tokens")) != asked {
			t.Errorf("asked %v: %s", asked, out)
		}
	}
}

// pitfall 2, 5, 32
func TestBrokenStreams(t *testing.T) {
	for name, stream := range map[string]string{
		"nothing":            "",
		"only [DONE]":        "data: [DONE]\n\n",
		"no finish":          sseOf(deltaOf(`{"content":"a"}`)),
		"half a chunk":       sseOf(deltaOf(`{"content":"a"}`)) + "data: {\"choices\":[{",
		"error value":        sseOf(deltaOf(`{"content":"a"}`), `{"error":{"message":"overloaded","code":529}}`, "[DONE]"),
		"error in a choice":  sseOf(`{"choices":[{"index":0,"delta":{},"error":{"message":"m","code":502}}]}`),
		"error as a string":  sseOf(`{"code":"x","error":"m"}`),
		"error in an array":  sseOf(`[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]`),
		"flat error":         sseOf(`{"object":"error","message":"m","type":"t","code":400}`),
		"finish error":       sseOf(deltaOf(`{"content":"a"}`), `{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}`, "[DONE]"),
		"x_groq error":       sseOf(`{"choices":[],"x_groq":{"error":"m"}}`),
		"event: error":       "event: error\n" + sseOf(`{"message":"m"}`),
		"Workers AI":         sseOf(`{"success":false,"errors":[{"code":5007,"message":"m"}]}`),
		"no JSON":            sseOf(`<html>`),
		"a deep nest":        sseOf(strings.Repeat("[", 20000)),
		"null bytes, no end": "data: \x00\n\n",
	} {
		resp, err := collect(stream)
		if e := translate.AsError(err); err == nil || e.Message == "" || e.StatusCode() < 400 {
			t.Errorf("%s: %+v, %v", name, resp, err)
		}
	}
	for name, stream := range map[string]string{
		"no [DONE]":               sseOf(deltaOf(`{"content":"a"}`), doneStop),
		"null error":              sseOf(`{"error":null,"choices":[{"delta":{"content":"a"}}]}`, doneStop),
		"comments, CR, no space":  ": PROCESSING\r\n\r\n" + strings.ReplaceAll(strings.ReplaceAll(sseOf(deltaOf(`{"content":"a"}`), doneStop), "data: ", "data:"), "\n", "\r\n"),
		"a choice without delta":  sseOf(`{"choices":[{"index":0}]}`, deltaOf(`{"content":"a"}`), doneStop),
		"index last, other first": sseOf(`{"choices":[{"delta":{"content":"b"},"index":1},{"delta":{"content":"a"},"index":0}]}`, doneStop),
		"Workers AI's own":        sseOf(`{"response":"a","p":"x"}`, `{"response":"","usage":{"prompt_tokens":1}}`, "[DONE]"),
	} {
		resp, err := translate.Collect(translate.Check(Outbound{}.Events(iotest.OneByteReader(strings.NewReader(stream)))))
		if err != nil || resp.Finish.Reason != translate.FinishStop || !reflect.DeepEqual(resp.Parts, []translate.Part{&translate.Text{Text: "a"}}) {
			t.Errorf("%s: %+v, %v", name, resp, err)
		}
	}
}

// pitfall 24: an unknown reason is shown as cut short, and in its own word.
func TestFinish(t *testing.T) {
	resp, err := collect(sseOf(deltaOf(`{"content":"a"}`), `{"choices":[{"delta":{},"finish_reason":"weird"}]}`))
	if err != nil || resp.Finish != (translate.Finish{Reason: translate.FinishOther, Native: "weird"}) {
		t.Fatalf("%+v, %v", resp, err)
	}
	out, _ := Inbound{}.AppendResponse(nil, &translate.Request{}, resp)
	if !bytes.Contains(out, []byte(`"finish_reason":"length","native_finish_reason":"weird"`)) {
		t.Errorf("%s", out)
	}
}

// pitfall 15, 16: reasoning state survives a client that echoes messages, and
// one that echoes only tool calls.
func TestStateSurvives(t *testing.T) {
	parts := []translate.Part{
		&translate.Thinking{Text: "hm", State: &translate.State{Origin: "anthropic", Data: "sig"}},
		&translate.Thinking{Redacted: true, State: &translate.State{Origin: "anthropic", Data: "enc", Key: "k"}},
		&translate.Thinking{State: &translate.State{Origin: "openai", Data: "empty but signed"}},
		&translate.Text{Text: "t"},
		&translate.ToolUse{ID: "a", Name: "f", Input: json.RawMessage(`{}`), State: &translate.State{Origin: "gemini", Data: "c2ln"}},
		&translate.ToolUse{ID: "b", Name: "f", Input: json.RawMessage(`{"x":1}`)},
	}
	resp := &translate.Response{ID: "i", Model: "m", Created: 1, Parts: parts, Finish: translate.Finish{Reason: translate.FinishToolUse}}
	whole, _ := Inbound{}.AppendResponse(nil, &translate.Request{}, resp)
	var body struct {
		Choices []struct{ Message json.RawMessage }
	}
	if err := json.Unmarshal(whole, &body); err != nil {
		t.Fatal(err)
	}
	full := body.Choices[0].Message
	var plain map[string]json.RawMessage
	if err := json.Unmarshal(full, &plain); err != nil {
		t.Fatal(err)
	}
	delete(plain, "reasoning_content")
	delete(plain, "reasoning_details")
	calls := string(plain["tool_calls"])
	if !strings.Contains(calls, `"extra_content":{"google":{"thought_signature":"c2ln"}}`) {
		t.Errorf("no thought signature in %s", calls)
	}
	echo, _ := json.Marshal(plain)
	var ids []struct{ ID string }
	if err := json.Unmarshal(plain["tool_calls"], &ids); err != nil {
		t.Fatal(err)
	}
	for name, msg := range map[string]string{"full": string(full), "plain": string(echo)} {
		req := `{"model":"m","messages":[` + msg + `,{"role":"tool","tool_call_id":"` + ids[0].ID + `","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"}]}`
		r, err := Inbound{}.ParseRequest([]byte(req))
		if err != nil {
			t.Fatal(name, err)
		}
		got := r.Messages[0].Parts
		if !reflect.DeepEqual(got, parts) {
			a, _ := json.Marshal(got)
			t.Errorf("%s: %s", name, a)
		}
		if id := r.Messages[1].Parts[0].(*translate.ToolResult).ToolUseID; id != "a" {
			t.Errorf("%s: result of %q", name, id)
		}
		// Foreign state goes to nobody.
		out, losses, err := Outbound{}.AppendRequest(nil, r)
		if err != nil || bytes.Contains(out, []byte("sig")) || bytes.Contains(out, []byte("_llmp1_")) || len(losses) < 4 {
			t.Errorf("%s: %s %v %v", name, out, losses, err)
		}
	}
	// A stream gives the same to a client that puts it together.
	stream := string(writeStream(t, translate.Replay(resp)))
	if !strings.Contains(stream, ids[0].ID) || !strings.Contains(stream, `"signature":"`) {
		t.Errorf("stream: %s", stream)
	}
}

// pitfall 17: DeepSeek wants reasoning_content on every assistant turn.
func TestReasoningEcho(t *testing.T) {
	r, err := Inbound{}.ParseRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","reasoning_content":"hm","content":"a"},{"role":"user","content":"q"},{"role":"assistant","content":"b"},{"role":"user","content":"q"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	out, losses, err := Outbound{Dialect: Dialect{ReasoningField: "reasoning_content", EchoReasoning: true}}.AppendRequest(nil, r)
	if err != nil || len(losses) > 0 || !bytes.Contains(out, []byte(`"reasoning_content":"hm"`)) || !bytes.Contains(out, []byte(`"reasoning_content":""`)) {
		t.Errorf("%s %v %v", out, losses, err)
	}
	if out, losses, _ = (Outbound{}).AppendRequest(nil, r); bytes.Contains(out, []byte("reasoning")) || len(losses) != 1 {
		t.Errorf("%s %v", out, losses)
	}
}

// OpenRouter's details come in pieces and go back as they were.
func TestReasoningDetails(t *testing.T) {
	o := Outbound{Origin: "openrouter", Dialect: Dialect{ReasoningField: "reasoning"}}
	stream := sseOf(
		deltaOf(`{"reasoning":"he","reasoning_details":[{"type":"reasoning.text","text":"he","format":"anthropic-claude-v1","index":0}]}`),
		deltaOf(`{"reasoning":"y","reasoning_details":[{"type":"reasoning.text","text":"y","format":"anthropic-claude-v1","index":0}]}`),
		deltaOf(`{"reasoning_details":[{"type":"reasoning.text","signature":"sig","format":"anthropic-claude-v1","index":0}]}`),
		deltaOf(`{"reasoning_details":[{"type":"reasoning.encrypted","data":"enc","id":"rs_1","format":"openai-responses-v1","index":1}]}`),
		deltaOf(`{"content":"a"}`), doneStop)
	resp, err := translate.Collect(translate.Check(o.Events(strings.NewReader(stream))))
	if err != nil || len(resp.Parts) != 3 {
		t.Fatalf("%+v, %v", resp, err)
	}
	out, losses, err := o.AppendRequest(nil, &translate.Request{Messages: []translate.Message{{Role: translate.Assistant, Parts: resp.Parts}}})
	want := `"reasoning_details":[{"type":"reasoning.text","format":"anthropic-claude-v1","index":0,"signature":"sig","text":"hey"},{"type":"reasoning.encrypted","id":"rs_1","format":"openai-responses-v1","index":1,"data":"enc"}]`
	if err != nil || len(losses) > 0 || !bytes.Contains(out, []byte(want)) {
		t.Errorf("%s %v %v", out, losses, err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		err  translate.Error
		want string
	}{
		{translate.Error{Kind: translate.RateLimit, Message: "m", Type: "RESOURCE_EXHAUSTED", Code: "429"}, `{"error":{"message":"m","type":"rate_limit_error","param":null,"code":null}}`},
		{translate.Error{Kind: translate.Overloaded, Message: "m", Type: "overloaded_error"}, `{"error":{"message":"m","type":"service_unavailable_error","param":null,"code":null}}`},
		{translate.Error{Kind: translate.TooLarge, Message: "m", Type: "request_too_large"}, `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"request_too_large"}}`},
		{translate.Error{Kind: translate.InvalidRequest, Message: "m", Type: "invalid_request_error", Code: "context_length_exceeded", Param: "messages"}, `{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`},
	} {
		if got := string(Inbound{}.AppendError(nil, &c.err)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	// pitfall 3: in a stream, too, and before its start.
	if got := string(Inbound{}.NewEventWriter(nil).AppendError(nil, &translate.Error{Message: "m"})); !strings.HasPrefix(got, `data: {"error":{`) || !strings.HasSuffix(got, "}\n\n") {
		t.Errorf("got %q", got)
	}
}

// State comes back through clients, who may have written anything.
func TestForgedState(t *testing.T) {
	for _, data := range []string{`{"a":1}],"model":"dear","x":[{"b":2}`, `{`, `"x"`, `[1]`} {
		r := &translate.Request{Model: "m", Messages: []translate.Message{{Role: translate.Assistant, Parts: []translate.Part{
			&translate.Thinking{Text: "t", State: &translate.State{Origin: "openai", Data: data}},
		}}}}
		out, losses, err := Outbound{}.AppendRequest(nil, r)
		if err != nil || bytes.Contains(out, []byte("reasoning_details")) || len(losses) != 1 {
			t.Errorf("%s: %s %v %v", data, out, losses, err)
		}
	}
}
