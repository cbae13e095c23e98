package responses

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// agentRequest is what a coding agent sends late in its work, about 225 KB.
func agentRequest() []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"gpt-x","instructions":"You are an agent.","stream":true,"store":false,"include":["reasoning.encrypted_content"],"tools":[`)
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"function","name":"tool_%d","description":%q,"strict":false,"parameters":{"type":"object","properties":{"path":{"type":"string","description":"where"},"n":{"type":"integer"}},"required":["path"]}}`, i, strings.Repeat("Reads things. ", 30))
	}
	b.WriteString(`],"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Fix the bug."}]}`)
	output := strings.Repeat("\tif err != nil {\n\t\treturn fmt.Errorf(\"reading %s: %w\", name, err)\n\t}\n", 55)
	for i := range 44 {
		fmt.Fprintf(&b, `,{"type":"reasoning","id":"rs_%d","summary":[{"type":"summary_text","text":"Looking on."}],"encrypted_content":%q}`, i, strings.Repeat("gAAAAA", 60))
		fmt.Fprintf(&b, `,{"type":"function_call","call_id":"call_%d","name":"tool_1","arguments":"{\"path\":\"a/b.go\",\"n\":%d}"}`, i, i)
		fmt.Fprintf(&b, `,{"type":"function_call_output","call_id":"call_%d","output":%q}`, i, output)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkRequest(b *testing.B) {
	body := agentRequest()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		r, err := Inbound{}.ParseRequest(body)
		if err != nil {
			b.Fatal(err)
		}
		if dst, _, err = (Outbound{}).AppendRequest(dst[:0], r); err != nil {
			b.Fatal(err)
		}
	}
}

const deltaFrame = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"item_id\":\"msg_0aa2e166c23173450068efb10075ec819383\",\"output_index\":0,\"content_index\":0,\"delta\":\"Greetings, you\",\"logprobs\":[],\"obfuscation\":\"Hg1jJWX\"}\n\n"

// deltas reads as a stream of n deltas and then ends it.
type deltas struct {
	n    int
	head string
	rest string
}

func (d *deltas) Read(p []byte) (int, error) {
	if d.rest == "" {
		switch {
		case d.head != "":
			d.rest, d.head = d.head, ""
		case d.n > 0:
			d.n--
			d.rest = deltaFrame
		case d.n == 0:
			d.n--
			d.rest = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"}}\n\n"
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func relay(n int) error {
	w := fixed().NewEventWriter(nil)
	var dst []byte
	for e, err := range (Outbound{}).Events(&deltas{n: n, head: "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n"}) {
		if err != nil {
			return err
		}
		dst = w.AppendEvent(dst[:0], e)
	}
	return nil
}

func BenchmarkEvent(b *testing.B) {
	b.ReportAllocs()
	if err := relay(b.N); err != nil {
		b.Fatal(err)
	}
}

func TestBudgets(t *testing.T) {
	const n = 2000
	per := func(n int) float64 { return testing.AllocsPerRun(5, func() { _ = relay(n) }) }
	if got := (per(2*n) - per(n)) / n; got > 3 {
		t.Errorf("%.2f allocations an event", got)
	}
}
