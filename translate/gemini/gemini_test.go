package gemini

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-llmproxy/llmproxy/translate"
)

const agentLoop = `{"systemInstruction":{"parts":[{"text":"be brief"}]},"contents":[
{"role":"user","parts":[{"text":"weather?"},{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},
{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"dA=="},{"functionCall":{"id":"a1","name":"f","args":{"x":1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"g","args":{}}}]},
{"role":"user","parts":[{"functionResponse":{"name":"g","response":{"output":"rain"}}},{"functionResponse":{"id":"a1","name":"f","response":{"temp":12345678901234567890}}}]}],
"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","properties":{"x":{"type":"INTEGER","nullable":true}},"required":["x"]}},{"name":"g"}]},{"googleSearch":{}}],
"tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f"]}},
"generationConfig":{"temperature":0.5,"topK":40,"maxOutputTokens":100,"stopSequences":["x"],"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"LOW"},"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},"mediaResolution":"LOW"},
"safetySettings":[{"category":"A","threshold":"B"}],"cachedContent":"c/1"}`

func parse(t *testing.T, body string) *translate.Request {
	t.Helper()
	r, err := Inbound{}.ParseRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Model = "gemini-3-pro"
	return r
}

// What is parsed, written and parsed again is the same.
func TestRoundTrip(t *testing.T) {
	r := parse(t, agentLoop)
	out, losses, err := Outbound{}.AppendRequest(nil, r)
	if err != nil || !json.Valid(out) {
		t.Fatalf("%v %s", err, out)
	}
	if len(losses) != 0 {
		t.Errorf("losses: %v", losses)
	}
	again := parse(t, string(out))
	// Results come back in the order of their calls.
	r.Messages[3].Parts[0], r.Messages[3].Parts[1] = r.Messages[3].Parts[1], r.Messages[3].Parts[0]
	if d := cmp.Diff(r, again); d != "" {
		t.Errorf("%s\n%s", d, out)
	}
	u := r.Messages[2].Parts[1].(*translate.ToolUse)
	if u.State == nil || u.State.Data != "c2ln" || u.State.Origin != "gemini" || r.Messages[3].Parts[1].(*translate.ToolResult).ToolUseID != "call_1" {
		t.Errorf("%+v", u)
	}
}

// pitfall 15: signatures go back where they came from, and the documented
// value stands on the first call of a step that has none.
func TestSignatures(t *testing.T) {
	call := func(id string, s *translate.State) translate.Part {
		return &translate.ToolUse{ID: id, Name: "f", Input: []byte(`{}`), State: s}
	}
	r := &translate.Request{Model: "gemini-3-pro", Messages: []translate.Message{
		{Role: translate.User, Parts: []translate.Part{&translate.Text{Text: "q"}}},
		{Role: translate.Assistant, Parts: []translate.Part{call("1", nil), call("2", nil)}},
		{Role: translate.User, Parts: []translate.Part{&translate.ToolResult{ToolUseID: "2"}, &translate.ToolResult{ToolUseID: "1"}}},
		{Role: translate.Assistant, Parts: []translate.Part{call("3", &translate.State{Origin: "gemini", Data: "c2ln"}), call("4", &translate.State{Origin: "anthropic", Data: "x"})}},
	}}
	out, losses, err := Outbound{}.AppendRequest(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	s := string(out)
	if strings.Count(s, skipValidation) != 1 || strings.Count(s, `"thoughtSignature":"c2ln"`) != 1 || strings.Contains(s, `"x"`) || len(losses) != 1 {
		t.Errorf("%s %v", s, losses)
	}
	if strings.Index(s, `"functionResponse":{"id":"1"`) > strings.Index(s, `"functionResponse":{"id":"2"`) {
		t.Errorf("results are not in their calls' order: %s", s)
	}
	r.Model = "gemini-2.5-flash"
	if out, _, _ = (Outbound{}).AppendRequest(nil, r); strings.Contains(string(out), skipValidation) {
		t.Errorf("2.5 knows no such value: %s", out)
	}
	if out, _, _ = (Outbound{Vertex: true}).AppendRequest(nil, r); strings.Contains(string(out), `"id"`) {
		t.Errorf("Vertex AI takes no IDs: %s", out)
	}
}

// State of other providers reaches a Gemini client and comes back.
func TestForeignStateThroughGeminiClients(t *testing.T) {
	sig := &translate.State{Origin: "anthropic", Data: "sig", Key: "k1"}
	resp := &translate.Response{ID: "r", Parts: []translate.Part{&translate.Thinking{Text: "hm", State: sig}, &translate.ToolUse{ID: "toolu_1", Name: "f", Input: []byte(`{"x":1}`)}}, Finish: translate.Finish{Reason: translate.FinishToolUse}}
	body, _ := Inbound{}.AppendResponse(nil, &translate.Request{}, resp)
	var v struct {
		Candidates []struct{ Content json.RawMessage }
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"echoing": string(v.Candidates[0].Content),
		"plain":   `{"role":"model","parts":[` + string(v.Candidates[0].Content[bytes.Index(v.Candidates[0].Content, []byte(`{"functionCall"`)):]),
	} {
		r := parse(t, `{"contents":[`+content+`]}`)
		parts := r.Messages[0].Parts
		if len(parts) != 2 {
			t.Fatalf("%s: %d parts from %s", name, len(parts), content)
		}
		th, ok := parts[0].(*translate.Thinking)
		if !ok || th.Text != "hm" || *th.State != *sig || parts[1].(*translate.ToolUse).ID != "toolu_1" {
			t.Errorf("%s: %+v", name, parts[0])
		}
	}
}

const streamed = `data: {"candidates":[{"content":{"role":"model","parts":[{"text":"plan","thought":true}]},"index":0}],"usageMetadata":{"promptTokenCount":4,"thoughtsTokenCount":6,"totalTokenCount":10},"modelVersion":"gemini-x","responseId":"r1"}

data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"id":"a1","name":"f","args":{"x":1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"f","args":{}}}]},"index":0}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":8,"thoughtsTokenCount":6,"totalTokenCount":18}}

data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":8,"thoughtsTokenCount":6,"totalTokenCount":18}}

`

// pitfall 1, pitfall 22, pitfall 23, pitfall 24.
// Google's SDK keeps a streamed answer chunk by chunk. Split calls would be
// refused elsewhere as calls without results, split thoughts as others than the
// model's.
func TestStreamedHistory(t *testing.T) {
	id := translate.PackToolID("a", nil, []*translate.Thinking{{Text: "Hm, so.", State: &translate.State{Origin: "anthropic", Data: "s"}}})
	r := parse(t, `{"contents":[{"role":"user","parts":[{"text":"q"}]},
		{"parts":[{"thought":true,"text":"Hm, "}],"role":"model"},{"parts":[{"thought":true,"text":"so."}],"role":"model"},
		{"parts":[{"text":"I "}],"role":"model"},{"parts":[{"text":"will."}],"role":"model"},
		{"parts":[{"functionCall":{"id":"`+id+`","name":"f"}}],"role":"model"},{"parts":[{"functionCall":{"id":"b","name":"f"}}],"role":"model"},
		{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"1"}}},{"functionResponse":{"name":"f","response":{"output":"2"}}}]}]}`)
	want := []translate.Part{
		&translate.Thinking{Text: "Hm, so.", State: &translate.State{Origin: "anthropic", Data: "s"}}, &translate.Text{Text: "I will."},
		&translate.ToolUse{ID: "a", Name: "f", Input: []byte("{}")}, &translate.ToolUse{ID: "b", Name: "f", Input: []byte("{}")},
	}
	if len(r.Messages) != 3 || !reflect.DeepEqual(r.Messages[1].Parts, want) {
		b, _ := json.Marshal(r.Messages)
		t.Errorf("%s", b)
	}
}

func TestStream(t *testing.T) {
	crlf := strings.ReplaceAll(streamed, "\n", "\r\n")
	array := "[" + strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(streamed, "data: ", ""), "\n\n", ",\n"), ",\n") + "]"
	for name, in := range map[string]string{"sse": streamed, "crlf": crlf, "array": array} {
		for split, r := range map[string]io.Reader{"whole": strings.NewReader(in), "bytes": iotest.OneByteReader(strings.NewReader(in))} {
			got, err := translate.Collect(translate.Check(Outbound{}.Events(r)))
			want := &translate.Response{ID: "r1", Model: "gemini-x", Parts: []translate.Part{
				&translate.Thinking{Text: "plan"}, &translate.ToolUse{ID: "a1", Name: "f", Input: []byte(`{"x":1}`), State: &translate.State{Origin: "gemini", Data: "c2ln"}},
				&translate.ToolUse{ID: "call_r1_2", Name: "f", Input: []byte(`{}`)},
			}, Finish: translate.Finish{Reason: translate.FinishToolUse, Native: "STOP"}, Usage: &translate.Usage{Input: 4, Output: 8, Reasoning: 6}}
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s %s: %v %s", name, split, err, d)
			}
		}
	}
}

// pitfall 2: a stream that is cut is an error.
func TestCut(t *testing.T) {
	end := strings.Index(streamed, `"finishReason"`)
	for i := 0; i < end; i += 37 {
		if _, err := translate.Collect(Outbound{}.Events(strings.NewReader(streamed[:i]))); err == nil {
			t.Fatalf("cut at %d: no error", i)
		}
	}
}

// pitfall 5, pitfall 37.
func TestFailures(t *testing.T) {
	_, err := translate.Collect(Outbound{}.Events(strings.NewReader(`data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}` + "\n\n")))
	if e := translate.AsError(err); e.Kind != translate.Overloaded || e.Status != 503 || e.Message != "The model is overloaded." {
		t.Errorf("%+v", e)
	}
	for _, whole := range []bool{true, false} {
		const blocked = `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}`
		var r *translate.Response
		if r, err = (Outbound{}).ParseResponse([]byte(blocked)); !whole {
			r, err = translate.Collect(translate.Check(Outbound{}.Events(strings.NewReader("data: " + blocked + "\n\n"))))
		}
		if err != nil || r.Finish.Reason != translate.FinishFiltered || r.Finish.Native != "PROHIBITED_CONTENT" || r.Finish.Message == "" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	e := Outbound{}.ParseError(400, http.Header{}, []byte(`{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`))
	if e.Kind != translate.Authentication {
		t.Errorf("%+v", e)
	}
	for kind, word := range map[translate.ErrorKind]string{translate.RateLimit: "RESOURCE_EXHAUSTED", translate.Overloaded: "UNAVAILABLE", translate.NotFound: "NOT_FOUND", translate.Upstream: "INTERNAL"} {
		if b := string(Inbound{}.AppendError(nil, translate.Errorf(kind, "m"))); !strings.Contains(b, `"status":"`+word+`"`) || !strings.Contains(b, `"message":"m"`) {
			t.Errorf("%s: %s", kind, b)
		}
	}
	// A Duration of Protocol Buffers is in seconds; Go's own words are not read.
	for d, want := range map[time.Duration]string{90 * time.Second: "90s", 1500 * time.Millisecond: "1.5s", 7*time.Second - 3: "7s"} {
		if b := string(Inbound{}.AppendError(nil, &translate.Error{Kind: translate.RateLimit, RetryAfter: d})); !strings.Contains(b, `"retryDelay":"`+want+`"`) {
			t.Errorf("%v: %s", d, b)
		}
	}
}

// pitfall 19.
func TestSchemas(t *testing.T) {
	for _, c := range []struct {
		openAPI  bool
		in, want string
		losses   int
	}{
		{false, `{"$schema":"x","type":["string","null"],"const":"a"}`, `{"type":["string","null"],"enum":["a"]}`, 0},
		{false, `{"type":"object","properties":{"a":{"$ref":"#/definitions/A"}},"definitions":{"A":{"type":"string"}},"additionalProperties":false,"propertyNames":{}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}},"additionalProperties":false}`, 1},
		{true, `{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"type":["integer","null"]},"c":{"const":5},"d":{"oneOf":[{"type":"string"},{"type":"number"}]}},"$defs":{"A":{"type":"string","pattern":"x"}},"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":"string","pattern":"x"},"b":{"type":"integer","nullable":true},"c":{},"d":{"anyOf":[{"type":"string"},{"type":"number"}]}}}`, 2},
		{true, `{"anyOf":[{"$ref":"#/$defs/A"},{"type":"null"}],"description":"d","$defs":{"A":{"type":"string","enum":["x",null]}}}`, `{"description":"d","nullable":true,"type":"string","enum":["x"]}`, 0},
		{false, `{"allOf":[{"properties":{"a":{}},"required":["a"]},{"$ref":"#/$defs/B"}],"$defs":{"B":{"properties":{"b":{}},"required":["b"]}}}`,
			`{"properties":{"a":{},"b":{}},"required":["a","b"],"$defs":{"B":{"properties":{"b":{}},"required":["b"]}}}`, 0},
		{true, `{"type":"object","properties":{"a":{"type":"string"}},"required":["a","b"]}`, `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, 1},
		{true, `{"allOf":[{"type":"object","properties":{"z":{"type":"string"}}}],"not":{}}`, `{"type":"object","properties":{"z":{"type":"string"}}}`, 1},
	} {
		var losses translate.Losses
		l := lowering{losses: &losses, openAPI: c.openAPI, root: []byte(c.in)}
		got, err := l.lower([]byte(c.in), "p")
		if err != nil || string(got) != c.want || len(losses) != c.losses {
			t.Errorf("%s:\n got %s %v %v\nwant %s", c.in, got, losses, err, c.want)
		}
	}
	l := lowering{losses: new(translate.Losses), openAPI: true, root: []byte(`{"$ref":"#"}`)}
	if _, err := l.lower(l.root, ""); err == nil {
		t.Error("a schema that refers to itself was taken")
	}
}

func TestThinkingConfig(t *testing.T) {
	for _, c := range []struct {
		model string
		r     translate.Reasoning
		want  string
	}{
		{"gemini-3-pro", translate.Reasoning{}, `{"includeThoughts":true}`},
		{"gemini-3-pro", translate.Reasoning{Effort: "none", Summary: "none"}, `{"includeThoughts":false,"thinkingLevel":"low"}`},
		{"gemini-3.5-flash", translate.Reasoning{Effort: "minimal"}, `{"includeThoughts":true,"thinkingLevel":"minimal"}`},
		{"gemini-3.5-flash", translate.Reasoning{Budget: 9000}, `{"includeThoughts":true,"thinkingLevel":"high"}`},
		{"gemini-2.5-flash", translate.Reasoning{Effort: "none"}, `{"includeThoughts":true,"thinkingBudget":0}`},
		{"gemini-2.5-pro", translate.Reasoning{Effort: "none"}, `{"includeThoughts":true,"thinkingBudget":128}`},
		{"gemini-2.5-flash", translate.Reasoning{Budget: -1}, `{"includeThoughts":true,"thinkingBudget":-1}`},
		{"gemini-2.0-flash", translate.Reasoning{Effort: "high"}, ``},
	} {
		out, _, err := Outbound{}.AppendRequest(nil, &translate.Request{Model: c.model, Reasoning: c.r})
		var v struct {
			GenerationConfig struct{ ThinkingConfig json.RawMessage }
		}
		if json.Unmarshal(out, &v); err != nil || string(v.GenerationConfig.ThinkingConfig) != c.want {
			t.Errorf("%s %+v: %s, %v", c.model, c.r, out, err)
		}
	}
}

// pitfall 36: what cannot be sent is refused, by name.
func TestRefusals(t *testing.T) {
	for want, r := range map[string]*translate.Request{
		"messages[0].content[0]": {Messages: []translate.Message{{Role: translate.User, Parts: []translate.Part{&translate.Media{Kind: translate.Image, URL: "https://x/y.png"}}}}},
		"tools[0]":               {Tools: []translate.Tool{{Kind: translate.HostedTool, Name: "web_search", Format: translate.Anthropic}}},
		"n":                      {Choices: 2},
		"previous_response_id":   {PreviousResponseID: "x"},
		"background":             {Background: true},
	} {
		_, _, err := Outbound{}.AppendRequest(nil, r)
		if e := translate.AsError(err); err == nil || e.Kind != translate.InvalidRequest || e.Param != want {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, body := range []string{``, `{`, `[]`, `{}`, `{"contents":[{"role":"bot"}]}`, `{"contents":[{"parts":[{}]}]}`, `{"contents":5}`, `{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"X"}}}`} {
		if _, err := (Inbound{}).ParseRequest([]byte(body)); err == nil || translate.AsError(err).Kind != translate.InvalidRequest {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestCount(t *testing.T) {
	r := parse(t, agentLoop)
	out, _, err := Outbound{}.AppendCountRequest(nil, r)
	if err != nil || !strings.HasPrefix(string(out), `{"generateContentRequest":{`) || !strings.Contains(string(out), `"model":"models/gemini-3-pro"`) {
		t.Errorf("%s %v", out, err)
	}
	if again, err := (Inbound{}).ParseCountRequest(out); err != nil || len(again.Messages) != len(r.Messages) || again.Model != "gemini-3-pro" {
		t.Errorf("%+v %v", again, err)
	}
	if n, err := (Outbound{}).ParseCountResponse(Inbound{}.AppendCountResponse(nil, 42)); n != 42 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

func TestPartialArguments(t *testing.T) {
	in := `data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"cw=="}]}}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.city","stringValue":"Lon","willContinue":true}],"willContinue":true}}]}}]}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.city","stringValue":"don"},{"jsonPath":"$.list[0]","numberValue":5}]}}]},"finishReason":"STOP"}]}

`
	r, err := translate.Collect(translate.Check(Outbound{}.Events(strings.NewReader(in))))
	if err != nil || len(r.Parts) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	if u := r.Parts[0].(*translate.ToolUse); string(u.Input) != `{"city":"London","list":[5]}` || u.State == nil {
		t.Errorf("%+v", u)
	}
}

func recordings(t *testing.T, each func(t *testing.T, dir string)) {
	t.Helper()
	root := "../../../shared/recordings"
	if _, err := os.Stat(root); err != nil {
		t.Skip("no recordings at " + root)
	}
	n := 0
	for _, format := range []string{"gemini", "vertex-gemini"} {
		dirs, _ := filepath.Glob(filepath.Join(root, format, "*"))
		for _, dir := range dirs {
			n++
			t.Run(filepath.Base(dir), func(t *testing.T) { each(t, dir) })
		}
	}
	if n < 16 {
		t.Errorf("%d recordings only", n)
	}
}

func TestRecordings(t *testing.T) {
	recordings(t, func(t *testing.T, dir string) {
		var meta struct {
			Status int
			Model  string
		}
		b, _ := os.ReadFile(filepath.Join(dir, "meta.json"))
		if err := json.Unmarshal(b, &meta); err != nil {
			t.Fatal(err)
		}
		if body, err := os.ReadFile(filepath.Join(dir, "request.json")); err == nil && meta.Status == 200 {
			r, err := Inbound{}.ParseRequest(body)
			if err != nil {
				t.Fatalf("request: %v", err)
			}
			r.Model = meta.Model
			out, _, err := Outbound{}.AppendRequest(nil, r)
			if err != nil {
				t.Fatalf("request: %v", err)
			}
			again, err := Inbound{}.ParseRequest(out)
			if err != nil {
				t.Fatal(err)
			}
			again.Model, again.Losses, r.Losses = r.Model, nil, nil
			if d := cmp.Diff(r, again); d != "" {
				t.Errorf("request: %s", d)
			}
		}
		if body, err := os.ReadFile(filepath.Join(dir, "response.json")); err == nil {
			resp, err := Outbound{}.ParseResponse(body)
			if meta.Status != 200 {
				if e := (Outbound{}).ParseError(meta.Status, http.Header{}, body); e.Message == "" || e.Type == "" || err == nil {
					t.Errorf("error: %+v, %v", e, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			answers(t, resp)
		}
		if body, err := os.ReadFile(filepath.Join(dir, "response.sse")); err == nil {
			resp, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(body))))
			if err != nil {
				t.Fatal(err)
			}
			answers(t, resp)
			end := bytes.Index(body, []byte(`"finishReason"`))
			for i := 1; i < 30; i++ {
				if _, err := translate.Collect(Outbound{}.Events(bytes.NewReader(body[:end*i/30]))); err == nil {
					t.Errorf("cut at %d: no error", end*i/30)
				}
			}
		}
	})
}

// answers checks that an answer survives this format, whole and as a stream.
func answers(t *testing.T, resp *translate.Response) {
	t.Helper()
	if len(resp.Parts) == 0 && resp.Finish.Reason != translate.FinishFiltered || resp.Usage == nil || resp.Finish.Reason == "" {
		t.Errorf("poor answer: %+v", resp)
	}
	whole, _ := Inbound{}.AppendResponse(nil, &translate.Request{}, resp)
	var stream, array []byte
	w, aw := (Inbound{}).NewEventWriter(&translate.Request{}), (Inbound{JSONArray: true}).NewEventWriter(&translate.Request{})
	for e := range translate.Replay(resp) {
		e2 := e
		stream, array = w.AppendEvent(stream, e), aw.AppendEvent(array, e2)
	}
	if !json.Valid(array) {
		t.Errorf("the array is not JSON: %s", array)
	}
	got1, err1 := Outbound{}.ParseResponse(whole)
	got2, err2 := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(stream))))
	got3, err3 := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(array))))
	resp.Created, resp.Losses = 0, nil
	for i, got := range []*translate.Response{got1, got2, got3} {
		if err := []error{err1, err2, err3}[i]; err != nil {
			t.Fatal(i, err)
		}
		got.Losses = nil
		opts := cmp.Options{cmp.FilterPath(func(p cmp.Path) bool {
			name := p.Last().String()
			return name == ".CitedText" || name == ".Message" || name == ".Citations"
		}, cmp.Ignore()), cmp.Transformer("compact", func(raw json.RawMessage) string {
			var b bytes.Buffer
			_ = json.Compact(&b, raw)
			return b.String()
		})}
		if d := cmp.Diff(resp, got, opts); d != "" {
			t.Errorf("%d: %s", i, d)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(agentLoop))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Inbound{}.ParseRequest(b)
		if err != nil {
			return
		}
		for _, m := range []string{"gemini-3-pro", "gemini-2.5-pro", "gemma-3"} {
			r.Model = m
			if out, _, err := (Outbound{}).AppendRequest(nil, r); err == nil && !json.Valid(out) {
				t.Fatalf("%s -> %s", b, out)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(streamed), uint8(3))
	f.Add([]byte(`[{"candidates":[{"finishReason":"STOP"}]}]`), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, n uint8) {
		whole, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(b))))
		split, err2 := translate.Collect(translate.Check(Outbound{}.Events(iotest.HalfReader(bytes.NewReader(b)))))
		if (err == nil) != (err2 == nil) || err == nil && !cmp.Equal(whole, split) {
			t.Fatalf("%v %v %s", err, err2, cmp.Diff(whole, split))
		}
		Outbound{}.ParseResponse(b)
	})
}

func BenchmarkRequest(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"contents":[`)
	for i := 0; body.Len() < 225<<10; i++ {
		if i > 0 {
			body.WriteByte(',')
		}
		body.WriteString(`{"role":"user","parts":[{"text":"` + strings.Repeat(`some text that is \"quoted\",\n and goes on. `, 20) + `"},{"functionResponse":{"name":"f","response":{"output":"` + strings.Repeat("x", 300) + `"}}}]}`)
	}
	body.WriteString(`]}`)
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Inbound{}.ParseRequest(body.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := (Outbound{}).AppendRequest(nil, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	const n = 1000
	in := []byte(strings.Repeat(`data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Hello there"}]},"index":0}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":8,"totalTokenCount":18},"modelVersion":"gemini-x","responseId":"r1"}`+"\r\n\r\n", n) + `data: {"candidates":[{"finishReason":"STOP"}]}` + "\r\n\r\n")
	b.ReportAllocs()
	buf := make([]byte, 0, 4096)
	for b.Loop() {
		w := Inbound{}.NewEventWriter(nil)
		for e, err := range (Outbound{}).Events(bytes.NewReader(in)) {
			if err != nil {
				b.Fatal(err)
			}
			buf = w.AppendEvent(buf[:0], e)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

// An enumeration's media type is sent once.
func TestEnumOutput(t *testing.T) {
	r, err := Inbound{}.ParseRequest([]byte(`{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING","enum":["A","B"]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := Outbound{}.AppendRequest(nil, r)
	if n := strings.Count(string(b), "responseMimeType"); err != nil || n != 1 || !strings.Contains(string(b), `"responseMimeType":"text/x.enum"`) {
		t.Errorf("%s, %v", b, err)
	}
}
