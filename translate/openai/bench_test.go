package openai

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// agentRequest is a coding agent's request of 225 KB: tools, and a long loop
// of calls and results.
func agentRequest() []byte {
	var e jsonx.Encoder
	e.Object().Key("model").String("m").Key("stream").Bool(true).Key("messages").Array()
	e.Object().Key("role").String("system").Key("content").String(strings.Repeat("You are a careful agent.\n", 400)).EndObject()
	for i := 0; len(e.B) < 200<<10; i++ {
		id := "call_" + strconv.Itoa(i)
		e.Object().Key("role").String("assistant").Key("content").Null().Key("tool_calls").Array().Object()
		e.Key("id").String(id).Key("type").String("function").Key("function").Object().Key("name").String("read")
		e.Key("arguments").String(`{"path":"internal/a.go","limit":200}`).EndObject().EndObject().EndArray().EndObject()
		e.Object().Key("role").String("tool").Key("tool_call_id").String(id).Key("content").String(strings.Repeat("\tif err != nil {\n\t\treturn \"x\", err\n\t}\n", 60)).EndObject()
	}
	e.EndArray().Key("tools").Array()
	for i := range 40 {
		e.Object().Key("type").String("function").Key("function").Object().Key("name").String("tool_" + strconv.Itoa(i))
		e.Key("description").String(strings.Repeat("does things ", 20)).Key("parameters").Raw([]byte(`{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer"}},"required":["path"]}`)).EndObject().EndObject()
	}
	e.EndArray().EndObject()
	return e.B
}

func BenchmarkTranslateRequest(b *testing.B) {
	body := agentRequest()
	var buf []byte
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Inbound{}.ParseRequest(body)
		if err != nil {
			b.Fatal(err)
		}
		if buf, _, err = (Outbound{}).AppendRequest(buf[:0], r); err != nil {
			b.Fatal(err)
		}
	}
}

const chunkHead = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":`

func streamOf(n int, deltas ...string) []byte {
	var b bytes.Buffer
	for i := range n {
		b.WriteString("data: " + chunkHead + deltas[i%len(deltas)] + `,"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n")
	}
	b.WriteString("data: " + chunkHead + `{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	return b.Bytes()
}

func transcode(tb testing.TB, stream []byte, buf []byte) {
	w := Inbound{}.NewEventWriter(&translate.Request{})
	for e, err := range (Outbound{}).Events(bytes.NewReader(stream)) {
		if err != nil {
			tb.Fatal(err)
		}
		buf = w.AppendEvent(buf[:0], e)
	}
}

func BenchmarkStreamEvent(b *testing.B) {
	for name, delta := range map[string]string{
		"text": `{"content":"Hello"}`,
		"tool": `{"tool_calls":[{"index":0,"function":{"arguments":"\"path\""}}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			const n = 1000
			stream := streamOf(n, delta)
			if name == "tool" {
				stream = append(streamOf(1, `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`)[:0:0], streamOf(1, `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`)...)
				stream = append(stream[:bytes.Index(stream, []byte("\n\n"))+2], streamOf(n, delta)...)
			}
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				transcode(b, stream, buf)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		})
	}
}

// TestStreamAllocations holds the budget of 3 allocations for an event.
func TestStreamAllocations(t *testing.T) {
	const n = 1000
	buf := make([]byte, 0, 4096)
	for _, delta := range []string{`{"content":"Hello"}`, `{"reasoning_content":"Hm"}`, `{"content":"a \"quoted\" word"}`} {
		stream := streamOf(n, delta)
		if got := testing.AllocsPerRun(5, func() { transcode(t, stream, buf) }) / n; got > 3 {
			t.Errorf("%s: %.1f allocations an event", delta, got)
		}
	}
}
