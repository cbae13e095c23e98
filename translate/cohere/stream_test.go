package cohere

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/go-llmproxy/llmproxy/translate"
)

func collect(s string) (*translate.Response, error) {
	return translate.Collect(translate.Check(Outbound{}.Events(strings.NewReader(s))))
}

// sseOf writes each value as one event.
func sseOf(values ...string) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString("data: " + v + "\n\n")
	}
	return b.String()
}

const (
	msgStart = `{"type":"message-start","id":"i","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`
	msgEnd   = `{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":10,"output_tokens":2},"cached_tokens":4}}}`
	callEnd  = `{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}`
)

func callStart(index, id, name string) string {
	return `{"type":"tool-call-start","index":` + index + `,"delta":{"message":{"tool_calls":{"id":"` + id + `","type":"function","function":{"name":"` + name + `","arguments":""}}}}}`
}

func args(index, text string) string {
	return `{"type":"tool-call-delta","index":` + index + `,"delta":{"message":{"tool_calls":{"function":{"arguments":"` + text + `"}}}}}`
}

// The same answer, whole and streamed.
func TestStreamEqualsBody(t *testing.T) {
	for name, c := range map[string]struct{ body, stream string }{
		"text, cited after its end": {
			`{"id":"i","finish_reason":"COMPLETE","message":{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"ab"}],"citations":[{"start":0,"end":2,"text":"ab","content_index":1}]},"usage":{"tokens":{"input_tokens":10,"output_tokens":2},"cached_tokens":4}}`,
			sseOf(msgStart, `{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}`, `{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"hm"}}}}`, `{"type":"content-end","index":0}`,
				`{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}`, `{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"a"}}}}`, `{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"b"}}}}`, `{"type":"content-end","index":1}`,
				`{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":2,"text":"ab","content_index":1}}}}`, `{"type":"citation-end","index":0}`, msgEnd, `[DONE]`),
		},
		// pitfall 1: interleaved calls, an index gap, the same tool twice
		"parallel calls": {
			`{"id":"i","finish_reason":"TOOL_CALL","message":{"tool_plan":"I will","tool_calls":[{"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"y","function":{"name":"f","arguments":"{\"a\":2}"}},{"id":"z","function":{"name":"g","arguments":"null"}},{"id":"w","function":{"name":"g","arguments":""}}]}}`,
			sseOf(msgStart, `{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I"}}}`, `{"type":"tool-plan-delta","delta":{"message":{"tool_plan":" will"}}}`,
				callStart("0", "x", "f"), callStart("3", "y", "f"), args("0", `{\"a\"`), args("3", `{\"a\":`), args("0", `:1}`), `{"type":"tool-call-end","index":0}`, args("3", `2}`), `{"type":"tool-call-end","index":3}`,
				callStart("4", "z", "g"), args("4", "nu"), args("4", "ll"), `{"type":"tool-call-end","index":4}`, callStart("5", "w", "g"), callEnd),
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := Outbound{}.ParseResponse([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(c.stream)
			if err != nil || cmp.Diff(want, got) != "" {
				t.Error(err, cmp.Diff(want, got))
			}
			named := strings.ReplaceAll(c.stream, "data: {\"type\":\"content-delta\",", "event:content-delta\r\ndata:{")
			got, err = collect(named)
			if err != nil || cmp.Diff(want, got) != "" {
				t.Error("typed by the event line:", err, cmp.Diff(want, got))
			}
		})
	}
}

// pitfall 2 and 5
func TestStreamFailures(t *testing.T) {
	content := `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}`
	for name, c := range map[string]struct {
		stream string
		kind   translate.ErrorKind
		text   string
	}{
		"empty":          {"", translate.Upstream, "complete"},
		"cut":            {sseOf(msgStart, content), translate.Upstream, "complete"},
		"done too early": {sseOf(msgStart, content, "[DONE]"), translate.Upstream, "complete"},
		"error":          {sseOf(msgStart, content, `{"type":"message-end","delta":{"finish_reason":"ERROR","error":"boom"}}`), translate.Upstream, "boom"},
		"error, empty":   {sseOf(msgStart, `{"type":"message-end","delta":{"finish_reason":"ERROR"}}`), translate.Upstream, "failed to answer"},
		"timeout":        {sseOf(msgStart, content, `{"type":"message-end","delta":{"finish_reason":"TIMEOUT","error":"slow"}}`), translate.Timeout, "slow"},
		"flat":           {sseOf(`{"message":"trial limit: too_many_requests","id":"x"}`), translate.Upstream, "trial limit"},
		"in band":        {sseOf(msgStart, `{"error":{"message":"busy","code":429}}`), translate.RateLimit, "busy"},
		"no JSON":        {sseOf(msgStart, `{"type":`), translate.Upstream, "understood"},
		"unstarted call": {sseOf(msgStart, args("0", "x")), translate.Upstream, "understood"},
		"wrong kind":     {sseOf(msgStart, `{"type":"content-delta","index":"x"}`), translate.Upstream, "understood"},
	} {
		_, err := collect(c.stream)
		if e := translate.AsError(err); err == nil || e.Kind != c.kind || !strings.Contains(e.Message, c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r, err := collect(sseOf(msgStart, content, `{"type":"message-end","delta":{"finish_reason":"ERROR"}}`)); err != nil || r.Finish.Reason != translate.FinishError {
		t.Errorf("%+v %v", r, err)
	}
}

func TestReaderLeaves(t *testing.T) {
	stream := sseOf(msgStart, callStart("0", "x", "f"), args("0", "{}"), callEnd)
	for n := 1; n < 6; n++ {
		left := n
		for range (Outbound{}).Events(strings.NewReader(stream)) {
			if left--; left == 0 {
				break
			}
		}
	}
}

func TestRecordedStreams(t *testing.T) {
	for _, file := range recordings(t, "cohere-v2/stream-*/response.sse") {
		b, _ := os.ReadFile(file)
		whole, err := collect(string(b))
		if err != nil || len(whole.Parts) == 0 || whole.Usage == nil || whole.ID == "" {
			t.Fatalf("%s: %+v %v", file, whole, err)
		}
		split, err := translate.Collect(translate.Check(Outbound{}.Events(iotest.OneByteReader(bytes.NewReader(b)))))
		if err != nil || cmp.Diff(whole, split) != "" {
			t.Errorf("%s: the cuts between reads matter: %v", file, err)
		}
		terminal := bytes.Index(b, []byte(`"type":"message-end"`))
		for cut := 0; cut < terminal; cut += 1 + len(b)/97 {
			if _, err := collect(string(b[:cut])); err == nil {
				t.Errorf("%s: cut at %d it is whole", file, cut)
			}
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(sseOf(msgStart, callStart("0", "x", "f"), args("0", "nu"), callEnd)))
	f.Add([]byte(sseOf(msgStart, `{"type":"content-delta","delta":{"message":{"content":{"text":"a"}}}}`, `{"type":"citation-start","delta":{"message":{"citations":{"start":0,"end":1}}}}`, msgEnd)))
	f.Add([]byte(sseOf(`{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"x"}}}`, `{"message":"x"}`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(b))))
		two, err2 := translate.Collect(translate.Check(Outbound{}.Events(iotest.HalfReader(bytes.NewReader(b)))))
		if errorsGrammar(err) || (err == nil) != (err2 == nil) || cmp.Diff(one, two) != "" {
			t.Fatal(err, err2, cmp.Diff(one, two))
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(`{"id":"i","finish_reason":"TOOL_CALL","message":{"tool_plan":"p","content":[{"type":"text","text":"a"}],"citations":[{"start":0,"end":1,"sources":[{"document":{"url":"u"}}]}],"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{"}}]},"usage":{"tokens":{"input_tokens":1}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Outbound{}.ParseResponse(b)
		if (r == nil) == (err == nil) {
			t.Fatal(r, err)
		}
		if r == nil {
			return
		}
		if _, err := translate.Collect(translate.Check(translate.Replay(r))); err != nil {
			t.Fatal(err)
		}
	})
}

func errorsGrammar(err error) bool {
	return err != nil && strings.Contains(err.Error(), "events out of order")
}

// A delta may allocate its text, and little else.
func TestAllocs(t *testing.T) {
	n := 1000
	stream := sseOf(msgStart) + strings.Repeat(sseOf(`{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" word"}}}}`), n) + sseOf(msgEnd)
	got := testing.AllocsPerRun(10, func() {
		for _, err := range (Outbound{}).Events(strings.NewReader(stream)) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}) / float64(n)
	if got > 3 {
		t.Errorf("%.1f allocations a delta", got)
	}
}

func BenchmarkEvents(b *testing.B) {
	n := 1000
	stream := sseOf(msgStart) + strings.Repeat(sseOf(`{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" word"}}}}`), n) + sseOf(msgEnd)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range (Outbound{}).Events(strings.NewReader(stream)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}

func BenchmarkAppendRequest(b *testing.B) {
	r := translate.Request{Model: "m", Tools: []translate.Tool{weather}}
	for range 20 {
		r.Messages = append(r.Messages, user(text(strings.Repeat("some words of a \"user\"\n", 250))),
			assistant(&translate.ToolUse{ID: "a", Name: "weather", Input: []byte(`{"x":"` + strings.Repeat("arguments ", 50) + `"}`)}),
			user(&translate.ToolResult{ToolUseID: "a", Parts: []translate.Part{text(strings.Repeat("what a tool\thas found\n", 250))}}))
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = Outbound{}.AppendRequest(buf[:0], &r)
	}
	b.SetBytes(int64(len(buf)))
}
