package responses

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-llmproxy/llmproxy/translate"
)

func ptr[T any](v T) *T { return &v }

func TestRequestRoundTrip(t *testing.T) {
	r, err := Inbound{}.ParseRequest([]byte(fullRequest))
	if err != nil || len(r.Losses) > 0 {
		t.Fatal(err, r.Losses)
	}
	var roles []string
	for _, m := range r.Messages {
		roles = append(roles, string(m.Role))
	}
	if got, want := strings.Join(roles, " "), "system developer user assistant user assistant"; got != want {
		t.Errorf("roles %q", got)
	}
	out, losses, err := Outbound{}.AppendRequest(nil, r)
	if err != nil || len(losses) > 0 {
		t.Fatal(err, losses)
	}
	again, err := Inbound{}.ParseRequest(out)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, again, sameRequest, sameJSON); d != "" {
		t.Error(d)
	}
	if !bytes.Contains(out, []byte(`"{\"x\":12345678901234567890}"`)) {
		t.Error("the arguments have changed")
	}
}

// pitfall 15, pitfall 16
func TestStateTravels(t *testing.T) {
	resp := &translate.Response{ID: "m1", Parts: []translate.Part{
		&translate.Thinking{Text: "hm", State: &translate.State{Origin: "anthropic", Data: "sig", Key: "k1"}},
		&translate.Thinking{Redacted: true, State: &translate.State{Origin: "anthropic", Data: "hidden"}},
		&translate.Thinking{State: &translate.State{Origin: "anthropic", Data: "only"}},
		&translate.Thinking{ID: "rs_9", State: &translate.State{Origin: "openai", Data: "gAAA"}},
		&translate.ToolUse{ID: "t1", Name: "f", Input: []byte(`{}`), State: &translate.State{Origin: "gemini", Data: "sig2"}},
	}, Finish: translate.Finish{Reason: translate.FinishToolUse}}
	body, losses := fixed().AppendResponse(nil, nil, resp)
	if len(losses) > 0 {
		t.Fatal(losses)
	}
	var answer struct {
		Output []json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	var call struct {
		CallID string `json:"call_id"`
	}
	_ = json.Unmarshal(answer.Output[len(answer.Output)-1], &call)
	result, _ := json.Marshal(map[string]string{"type": "function_call_output", "call_id": call.CallID, "output": "1"})
	input, _ := json.Marshal(append(answer.Output, result))
	r, err := Inbound{}.ParseRequest([]byte(`{"model":"m","input":` + string(input) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(resp.Parts, r.Messages[0].Parts, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if id := r.Messages[1].Parts[0].(*translate.ToolResult).ToolUseID; id != "t1" {
		t.Errorf("the result is of %q", id)
	}
	// OpenAI is sent its own state, right before the call, and no one else's.
	r.Format = translate.OpenAI
	out, losses, err := Outbound{}.AppendRequest(nil, r)
	if err != nil || len(losses) != 4 {
		t.Fatal(err, losses)
	}
	if want := `{"type":"reasoning","id":"rs_9","summary":[],"encrypted_content":"gAAA"},{"type":"function_call","call_id":"t1"`; !bytes.Contains(out, []byte(want)) {
		t.Errorf("%s", out)
	}
}

func TestForeignRequest(t *testing.T) {
	r := &translate.Request{Format: translate.OpenAI, Model: "m", MaxTokens: ptr[int64](5), Temperature: ptr(3.0), Seed: ptr[int64](1), Stop: []string{"x"},
		Messages: []translate.Message{
			{Role: translate.System, Parts: []translate.Part{&translate.Text{Text: "s"}}},
			{Role: translate.User, Parts: []translate.Part{&translate.Text{Text: "u"}, &translate.Media{Kind: translate.File, Data: "aGk="}}},
		},
		Tools: []translate.Tool{{Kind: translate.FunctionTool, Name: "f", Schema: []byte(`{}`)},
			{Kind: translate.CustomTool, Name: "c", Format: translate.OpenAI, Raw: []byte(`{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}`)}},
		ToolChoice: translate.ToolChoice{Mode: translate.ToolRequired, Names: []string{"c"}},
		Output:     translate.Output{Type: translate.OutputSchema, Name: "n", Schema: []byte(`{}`)},
	}
	out, losses, err := Outbound{}.AppendRequest(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"m","instructions":"s","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"u"},{"type":"input_file","file_data":"data:application/pdf;base64,aGk=","filename":"document.pdf"}]}],` +
		`"tools":[{"type":"function","name":"f","parameters":{},"strict":false},{"type":"custom","name":"c","format":{"syntax":"lark","definition":"x","type":"grammar"}}],"tool_choice":{"type":"custom","name":"c"},` +
		`"max_output_tokens":16,"temperature":2,"text":{"format":{"type":"json_schema","name":"n","schema":{}}},"include":["reasoning.encrypted_content"],"store":false}`
	if d := cmp.Diff(want, string(out)); d != "" {
		t.Error(d)
	}
	var paths []string
	for _, l := range losses {
		paths = append(paths, l.Path)
	}
	if got := strings.Join(paths, " "); got != "max_tokens temperature seed stop" {
		t.Errorf("losses %s", got)
	}
	out, _, _ = Outbound{Dialect: Dialect{ResponseFormat: true, NoEncryptedReasoning: true, NoStore: true}}.AppendRequest(nil, r)
	if !bytes.HasSuffix(out, []byte(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}`)) {
		t.Errorf("%s", out)
	}
}

// pitfall 36
func TestRefusals(t *testing.T) {
	user := func(p translate.Part) *translate.Request {
		return &translate.Request{Format: translate.Gemini, Messages: []translate.Message{{Role: translate.User, Parts: []translate.Part{p}}}}
	}
	for param, r := range map[string]*translate.Request{
		"n":                    {Choices: 2},
		"modalities":           {Output: translate.Output{Modalities: []string{"audio"}}},
		"tools[0]":             {Tools: []translate.Tool{{Kind: translate.HostedTool, Name: "googleSearch", Format: translate.Gemini}}},
		"tools[0].name":        {Tools: []translate.Tool{{Kind: translate.FunctionTool, Name: "a.b"}}},
		"contents[0].parts[0]": user(&translate.Media{Kind: translate.Audio, Data: "aGk="}),
	} {
		_, _, err := Outbound{}.AppendRequest(nil, r)
		if e := translate.AsError(err); err == nil || e.Kind != translate.InvalidRequest || e.Param != param {
			t.Errorf("%s: %v", param, err)
		}
	}
	if _, _, err := (Outbound{}).AppendRequest(nil, user(&translate.Media{Kind: translate.Image, FileID: "f", Format: translate.Gemini})); err == nil {
		t.Error("another provider's file is sent")
	}
}

func TestBadRequests(t *testing.T) {
	for body, param := range map[string]string{
		`[]`:                          "",
		`{"model":"m"}`:               "input",
		`{"input":5}`:                 "input",
		`{"input":[{"role":"x"}]}`:    "input[0].role",
		`{"input":[{"content":"x"}]}`: "input[0].role",
		`{"input":[{"role":"user","content":[{"type":"input_image"}]}]}`: "input[0].content[0].image_url",
		`{"input":[{"type":"function_call","name":"f"}]}`:                "input[0].call_id",
		`{"input":"x","tools":[{"type":"function"}]}`:                    "tools[0].name",
		`{"input":"x","tool_choice":"maybe"}`:                            "tool_choice",
		`{"input":"x","temperature":"hot"}`:                              "temperature",
		`{"input":"x",`:                                                  "",
	} {
		_, err := Inbound{}.ParseRequest([]byte(body))
		if e := translate.AsError(err); err == nil || e.Kind != translate.InvalidRequest || e.Param != param {
			t.Errorf("%s: %q %v", body, e.Param, err)
		}
	}
}

// pitfall 1, pitfall 23
func TestInterleavedCalls(t *testing.T) {
	resp, err := translate.Collect(translate.Check(Outbound{Origin: "xai"}.Events(strings.NewReader(callStream))))
	if err != nil {
		t.Fatal(err)
	}
	want := &translate.Response{ID: "resp_1", Model: "m", Created: 5, Parts: []translate.Part{
		&translate.Thinking{ID: "rs_1", Text: "one\n\ntwo", State: &translate.State{Origin: "xai", Data: "gAAA"}},
		&translate.ToolUse{ID: "c1", Name: "f", Input: []byte(`{}`)},
		&translate.ToolUse{ID: "c2", Name: "f", Input: []byte(`{"a":1}`)},
		&translate.ToolUse{ID: "c3", Name: "g", Input: []byte(`"text"`), Custom: true},
	}, Finish: translate.Finish{Reason: translate.FinishToolUse, Native: "completed"}, Usage: &translate.Usage{Input: 3, CacheRead: 4, CacheWrite: 2, Output: 4, Reasoning: 3}}
	if d := cmp.Diff(want, resp); d != "" {
		t.Error(d)
	}
	w := fixed().NewEventWriter(nil)
	var stream []byte
	for e := range (Outbound{}).Events(strings.NewReader(callStream)) {
		stream = w.AppendEvent(stream, e)
	}
	checkStream(t, stream)
}

func TestSearchResultsBecomeCitations(t *testing.T) {
	resp, err := translate.Collect(translate.Check(Outbound{}.Events(strings.NewReader(agentStream))))
	if err != nil {
		t.Fatal(err)
	}
	want := []translate.Part{&translate.Text{Text: "Hi", Citations: []translate.Citation{{URL: "https://t.org", Title: "T", CitedText: "s"}}}}
	if d := cmp.Diff(want, resp.Parts); d != "" {
		t.Error(d)
	}
	if resp.Usage.Input != 2 || resp.Usage.CacheRead != 2 || resp.Usage.CacheWrite != 1 {
		t.Errorf("%+v", resp.Usage)
	}
}

// pitfall 3: OpenAI sends an error, which SDKs raise, and then
// response.failed, which Codex waits for.
func TestStreamFails(t *testing.T) {
	for _, started := range []bool{false, true} {
		w := fixed().NewEventWriter(&translate.Request{Model: "m"})
		var out []byte
		id := "resp_fixed"
		if started {
			id = "resp_x"
			out = w.AppendEvent(out, &translate.Event{Type: translate.EventStart, ID: "x"})
			out = w.AppendEvent(out, &translate.Event{Type: translate.EventBlockStart, Kind: translate.KindText})
			out = w.AppendEvent(out, &translate.Event{Type: translate.EventBlockDelta, Kind: translate.KindText, Text: []byte("a")})
		}
		out = w.AppendError(out, &translate.Error{Kind: translate.Overloaded, Type: "overloaded_error", Message: "Overloaded"})
		out = w.AppendEvent(out, &translate.Event{Type: translate.EventStop})
		at := bytes.Index(out, []byte("event: response.failed\n"))
		if at < 0 || !bytes.Contains(out[:at], []byte("event: error\n")) || bytes.Contains(out, []byte("response.completed")) {
			t.Fatalf("%s", out)
		}
		for _, want := range []string{`"id":"` + id + `"`, `"status":"failed"`, `"error":{"code":"server_is_overloaded","message":"Overloaded"}`} {
			if !bytes.Contains(out[at:], []byte(want)) {
				t.Errorf("no %s in %s", want, out[at:])
			}
		}
		_, err := translate.Collect(Outbound{}.Events(bytes.NewReader(out)))
		if e := translate.AsError(err); e.Message != "Overloaded" || e.Kind != translate.Overloaded {
			t.Errorf("read back as %+v", e)
		}
	}
}

// pitfall 24
func TestFinish(t *testing.T) {
	for _, c := range []struct{ status, reason, want string }{
		{"completed", "", "stop"}, {"incomplete", "max_output_tokens", "length"}, {"incomplete", "content_filter", "filtered"}, {"incomplete", "steered", "other"},
	} {
		body := `{"id":"r","object":"response","status":"` + c.status + `","incomplete_details":{"reason":"` + c.reason + `"},"output":[]}`
		resp, err := Outbound{}.ParseResponse([]byte(body))
		if err != nil || string(resp.Finish.Reason) != c.want {
			t.Fatalf("%+v: %v %+v", c, err, resp)
		}
		out, _ := fixed().AppendResponse(nil, nil, resp)
		if !bytes.Contains(out, []byte(`"status":"`+c.status+`"`)) || c.reason != "" && !bytes.Contains(out, []byte(`{"reason":"`+c.reason+`"}`)) {
			t.Errorf("%s", out)
		}
	}
}
