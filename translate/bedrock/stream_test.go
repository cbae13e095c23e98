package bedrock

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/translate"
)

func collect(b []byte) (*translate.Response, error) {
	return translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(b))))
}

// frames writes events, given as type and payload in turn.
func frames(events ...string) (b []byte) {
	for i := 0; i < len(events); i += 2 {
		b = eventstream.AppendEvent(b, events[i], []byte(events[i+1]))
	}
	return b
}

var opening = []string{"messageStart", `{"role":"assistant","p":"abc"}`}

func streamOf(events ...string) []byte {
	return frames(append(append([]string{}, opening...), events...)...)
}

const usageJSON = `{"usage":{"inputTokens":10,"outputTokens":5,"cacheReadInputTokens":3},"metrics":{}}`

// The same answer, whole and streamed.
func TestStreamEqualsBody(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		stream []byte
	}{
		// pitfall 16
		"thinking": {
			`{"output":{"message":{"content":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"sig"}}},{"reasoningContent":{"redactedContent":"enc"}},{"citationsContent":{"content":[{"text":"ab"}],"citations":[{"title":"t"}]}},{"image":{"format":"png","source":{"bytes":"aGk="}}}]}},"stopReason":"end_turn","usage":{"inputTokens":10,"outputTokens":5,"cacheReadInputTokens":3}}`,
			streamOf("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"h"}}}`, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"m"}}}`, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig"}}}`, "contentBlockStop", `{"contentBlockIndex":0}`,
				"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"enc"}}}`, "contentBlockStop", `{"contentBlockIndex":1}`,
				"contentBlockDelta", `{"contentBlockIndex":2,"delta":{"citation":{"title":"t"}}}`, "contentBlockDelta", `{"contentBlockIndex":2,"delta":{"text":"ab"}}`, "contentBlockStop", `{"contentBlockIndex":2}`,
				"contentBlockStart", `{"contentBlockIndex":3,"start":{"image":{"format":"png"}}}`, "contentBlockDelta", `{"contentBlockIndex":3,"delta":{"image":{"source":{"bytes":"aGk="}}}}`, "contentBlockStop", `{"contentBlockIndex":3}`,
				"messageStop", `{"stopReason":"end_turn"}`, "metadata", usageJSON),
		},
		// pitfall 1: interleaved calls, an index gap, the same tool twice, no arguments
		"parallel calls": {
			`{"output":{"message":{"content":[{"toolUse":{"toolUseId":"x","name":"f","input":{"a":1}}},{"toolUse":{"toolUseId":"y","name":"f","input":{"a":2}}},{"toolUse":{"toolUseId":"z","name":"g","input":{}}}]}},"stopReason":"tool_use"}`,
			streamOf("contentBlockStart", `{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"x","name":"f"}}}`, "contentBlockStart", `{"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"y","name":"f"}}}`,
				"contentBlockDelta", `{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\""}}}`, "contentBlockDelta", `{"contentBlockIndex":4,"delta":{"toolUse":{"input":"{\"a\":2}"}}}`, "contentBlockDelta", `{"contentBlockIndex":1,"delta":{"toolUse":{"input":":1}"}}}`,
				"contentBlockStop", `{"contentBlockIndex":1}`, "contentBlockStop", `{"contentBlockIndex":4}`, "contentBlockStart", `{"contentBlockIndex":5,"start":{"toolUse":{"toolUseId":"z","name":"g"}}}`, "messageStop", `{"stopReason":"tool_use"}`),
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
		})
	}
}

// pitfall 2 and 5
func TestStreamFailures(t *testing.T) {
	content := streamOf("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"a"}}`)
	stopped := streamOf("messageStop", `{"stopReason":"end_turn"}`)
	flipped := bytes.Clone(content)
	flipped[len(flipped)-6] ^= 1
	for name, c := range map[string]struct {
		stream    []byte
		kind      translate.ErrorKind
		status    int
		message   string
		truncated bool
	}{
		"empty":             {nil, translate.Upstream, 502, "complete", true},
		"no stop":           {content, translate.Upstream, 502, "complete", true},
		"partial frame":     {append(bytes.Clone(stopped), 0, 0, 0), translate.Upstream, 502, "complete", true},
		"checksum":          {flipped, translate.Upstream, 502, "understood", false},
		"throttled":         {eventstream.AppendException(bytes.Clone(content), "throttlingException", []byte(`{"message":"slow down"}`)), translate.RateLimit, 429, "slow down", false},
		"throttled at once": {eventstream.AppendException(nil, "throttlingException", []byte(`{"message":"slow down"}`)), translate.RateLimit, 429, "slow down", false},
		"after stop":        {eventstream.AppendException(bytes.Clone(stopped), "internalServerException", []byte(`{"message":"oh"}`)), translate.Upstream, 500, "oh", false},
		"model":             {eventstream.AppendException(nil, "modelStreamErrorException", []byte(`{"message":"oh","originalStatusCode":500}`)), translate.Upstream, 502, "oh", false},
		"invalid":           {eventstream.AppendException(nil, "validationException", []byte(`{"message":"oh"}`)), translate.InvalidRequest, 400, "oh", false},
		"unavailable":       {eventstream.AppendException(nil, "serviceUnavailableException", nil), translate.Overloaded, 503, "", false},
		"transport":         {eventstream.AppendFrame(nil, nil, eventstream.StringHeader(":message-type", "error"), eventstream.StringHeader(":error-code", "InternalFailure"), eventstream.StringHeader(":error-message", "broken")), translate.Upstream, 500, "broken", false},
		"no JSON":           {streamOf("contentBlockDelta", `{"contentBlockIndex"`), translate.Upstream, 502, "understood", false},
		"unstarted call":    {streamOf("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}`), translate.Upstream, 502, "understood", false},
	} {
		_, err := collect(c.stream)
		if e := translate.AsError(err); err == nil || e.Kind != c.kind || e.StatusCode() != c.status || !strings.Contains(e.Message, c.message) || translate.IsTruncated(err) != c.truncated {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The stream may end without metadata, and has no usage then.
	if r, err := collect(stopped); err != nil || r.Usage != nil || r.Finish.Reason != translate.FinishStop {
		t.Errorf("%+v %v", r, err)
	}
}

func TestReaderLeaves(t *testing.T) {
	b := streamOf("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"a"}}`, "messageStop", `{}`, "metadata", usageJSON)
	for n := 1; n < 6; n++ {
		left := n
		for range (Outbound{}).Events(bytes.NewReader(b)) {
			if left--; left == 0 {
				break
			}
		}
	}
}

func TestRecordedStreams(t *testing.T) {
	for _, file := range recordings(t, "stream-*/response.eventstream") {
		b, _ := os.ReadFile(file)
		whole, err := collect(b)
		if err != nil || len(whole.Parts) == 0 || whole.Usage == nil || whole.Usage.Output == 0 || whole.Finish.Reason == translate.FinishOther {
			t.Fatalf("%s: %+v %v", file, whole, err)
		}
		if strings.Contains(file, "thinking") {
			if th, ok := whole.Parts[0].(*translate.Thinking); !ok || th.Text == "" || th.State == nil || th.State.Origin != "anthropic" {
				t.Errorf("%s: no signed thinking first: %+v", file, whole.Parts[0])
			}
		}
		split, err := translate.Collect(translate.Check(Outbound{}.Events(iotest.HalfReader(bytes.NewReader(b)))))
		if err != nil || cmp.Diff(whole, split) != "" {
			t.Errorf("%s: the cuts between reads matter: %v", file, err)
		}
		for cut := 0; cut < len(b); cut += 1 + len(b)/197 {
			if r, err := collect(b[:cut]); err == nil && r.Finish.Native == "" {
				t.Errorf("%s: cut at %d it is whole", file, cut)
			} else if err == nil && !bytes.Contains(b[:cut], []byte("stopReason")) {
				t.Errorf("%s: cut at %d it has stopped", file, cut)
			}
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("contentBlockStart", `{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"x","name":"f"}}}`, "contentBlockDelta", `{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}`)
	f.Add("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"h","signature":"s"}}}`, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"x","citation":{"title":"t"}}}`)
	f.Add("contentBlockStart", `{"start":{"image":{"format":"png"}}}`, "contentBlockDelta", `{"delta":{"image":{"source":{"bytes":"aGk="}}}}`)
	f.Add("messageStop", `{"stopReason":"end_turn"}`, "metadata", usageJSON)
	f.Fuzz(func(t *testing.T, type1, payload1, type2, payload2 string) {
		if len(type1) > 1000 || len(type2) > 1000 {
			return
		}
		b := streamOf(type1, payload1, type2, payload2, type1, payload1, "messageStop", `{"stopReason":"end_turn"}`, "metadata", usageJSON)
		one, err := collect(b)
		two, err2 := translate.Collect(translate.Check(Outbound{}.Events(iotest.HalfReader(bytes.NewReader(b)))))
		if err != nil && strings.Contains(err.Error(), "events out of order") || (err == nil) != (err2 == nil) || cmp.Diff(one, two) != "" {
			t.Fatal(err, err2, cmp.Diff(one, two))
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(`{"output":{"message":{"content":[{"text":"a"},{"toolUse":{"toolUseId":"x","name":"f","input":{}}},{"citationsContent":{"content":[{"text":"b"}],"citations":[{"location":{"web":{"url":"u"}}}]}},{"image":{"format":"png","source":{"bytes":"aGk="}}}]}},"stopReason":"x","usage":{"inputTokens":1}}`))
	f.Add([]byte(`{"message":"x","__type":"y#z"}`))
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

func manyDeltas(n int) []byte {
	b := streamOf()
	for range n {
		b = eventstream.AppendEvent(b, "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"text":" algorithms"},"p":"abcdefghijklmnopqrstuvw"}`))
	}
	return append(b, frames("messageStop", `{"stopReason":"end_turn"}`, "metadata", usageJSON)...)
}

// A delta may allocate its text, and little else.
func TestAllocs(t *testing.T) {
	const n = 1000
	b := manyDeltas(n)
	got := testing.AllocsPerRun(10, func() {
		for _, err := range (Outbound{}).Events(bytes.NewReader(b)) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}) / n
	if got > 3 {
		t.Errorf("%.1f allocations a delta", got)
	}
}

func BenchmarkEvents(b *testing.B) {
	const n = 1000
	stream := manyDeltas(n)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range (Outbound{}).Events(bytes.NewReader(stream)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}

func BenchmarkAppendRequest(b *testing.B) {
	r := translate.Request{Model: sonnet45, Tools: []translate.Tool{weather}}
	for range 20 {
		r.Messages = append(r.Messages, user(txt(strings.Repeat("some words of a \"user\"\n", 250))),
			assistant(&translate.ToolUse{ID: "a", Name: "weather", Input: []byte(`{"x":"` + strings.Repeat("arguments ", 50) + `"}`)}),
			user(&translate.ToolResult{ToolUseID: "a", Parts: []translate.Part{txt(strings.Repeat("what a tool\thas found\n", 250))}}))
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = Outbound{}.AppendRequest(buf[:0], &r)
	}
	b.SetBytes(int64(len(buf)))
}
