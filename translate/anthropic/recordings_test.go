package anthropic

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

func recordings(t testing.TB, name string) []string {
	var out []string
	for _, dir := range []string{"anthropic-messages", "vertex-anthropic"} {
		found, _ := filepath.Glob(filepath.Join("../../../shared/recordings", dir, "*", name))
		out = append(out, found...)
	}
	if len(out) == 0 {
		t.Skip("the recordings are not here")
	}
	return out
}

func read(t testing.TB, file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encodeStream(t *testing.T, r *translate.Response) []byte {
	w := Inbound{}.NewEventWriter(&translate.Request{})
	var out []byte
	for e, err := range translate.Replay(r) {
		if err != nil {
			t.Fatal(err)
		}
		out = w.AppendEvent(out, e)
	}
	return out
}

func collect(b []byte) (*translate.Response, error) {
	return translate.Collect(translate.Check(Outbound{}.Events(bytes.NewReader(b))))
}

func TestRecordedRequests(t *testing.T) {
	for _, file := range recordings(t, "request.json") {
		body := read(t, file)
		r, err := Inbound{}.ParseRequest(body)
		if strings.Contains(file, "http-400") {
			if err == nil || !strings.Contains(err.Error(), "messages[0]") {
				t.Errorf("%s: %v", file, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		again, _, err := Outbound{}.AppendRequest(nil, r)
		if err != nil || !jsonx.Valid(again) {
			t.Errorf("%s: %v\n%s", file, err, again)
			continue
		}
		r2, err := Inbound{}.ParseRequest(again)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		r.Losses, r2.Losses = nil, nil
		if !reflect.DeepEqual(r, r2) {
			t.Errorf("%s: parse, append, parse differ:\n%s", file, again)
		}
	}
}

func TestRecordedAnswers(t *testing.T) {
	for _, file := range recordings(t, "response.json") {
		if strings.Contains(file, "http-400") {
			if _, err := (Outbound{}).ParseResponse(read(t, file)); err == nil {
				t.Errorf("%s: an error read as an answer", file)
			}
			continue
		}
		r, err := Outbound{}.ParseResponse(read(t, file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		out, losses := Inbound{}.AppendResponse(nil, nil, r)
		if !jsonx.Valid(out) || len(losses) > 0 || len(r.Parts) == 0 {
			t.Errorf("%s: %v %s", file, losses, out)
		}
		r2, err := Outbound{}.ParseResponse(out)
		if err != nil || !reflect.DeepEqual(r, r2) {
			t.Errorf("%s: parse, append, parse differ: %v\n%s", file, err, out)
		}
		r3, err := collect(encodeStream(t, r))
		if err != nil || !equal(r, r3) {
			t.Errorf("%s: the stream form differs: %v\n%s", file, err, encodeStream(t, r))
		}
	}
}

// equal compares answers as the whole form writes them.
func equal(a, b *translate.Response) bool {
	x, _ := Inbound{}.AppendResponse(nil, nil, a)
	y, _ := Inbound{}.AppendResponse(nil, nil, b)
	return bytes.Equal(x, y)
}

func TestRecordedStreams(t *testing.T) {
	for _, file := range recordings(t, "response.sse") {
		body := read(t, file)
		r, err := collect(body)
		if err != nil || len(r.Parts) == 0 || r.Usage == nil || r.Finish.Reason == translate.FinishOther {
			t.Errorf("%s: %v %+v", file, err, r)
			continue
		}
		whole, _ := Inbound{}.AppendResponse(nil, nil, r)
		r2, err := Outbound{}.ParseResponse(whole)
		if err != nil || !equal(r, r2) {
			t.Errorf("%s: the whole form differs: %v\n%s", file, err, whole)
		}
		if r3, err := collect(encodeStream(t, r)); err != nil || !equal(r, r3) {
			t.Errorf("%s: re-encoded stream differs: %v", file, err)
		}
		end := bytes.LastIndex(body, []byte("event: message_stop"))
		for cut := 0; cut <= end; cut += 1 + end/23 { // pitfall 2
			if _, err := collect(body[:cut]); err == nil {
				t.Errorf("%s: cut at %d gives a clean end", file, cut)
			}
		}
	}
}

func TestStreamFailsInBand(t *testing.T) { // pitfall 5
	_, err := collect([]byte("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"))
	if e := translate.AsError(err); e.Kind != translate.Overloaded || e.Status != 529 {
		t.Errorf("got %+v", e)
	}
}

const sample = `{"model":"claude-sonnet-4-5","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],` +
	`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"x"},{"type":"tool_use","id":"i","name":"n","input":{"a":1}}]},` +
	`{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"}],"is_error":true}]}],"tools":[{"name":"n","input_schema":{"type":"object"}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}}`

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Inbound{}.ParseRequest(b)
		if err != nil {
			return
		}
		if out, _, err := (Outbound{}).AppendRequest(nil, r); err == nil && !jsonx.Valid(out) {
			t.Errorf("%q gives %q", b, out)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(`{"type":"message","id":"m","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"i","name":"n","input":{}}],"stop_reason":"end_turn","usage":{"input_tokens":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := (Outbound{}).ParseResponse(b); err == nil {
			if out, _ := (Inbound{}).AppendResponse(nil, nil, r); !jsonx.Valid(out) {
				t.Errorf("%q gives %q", b, out)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := collect(b); err != nil && strings.Contains(err.Error(), translate.ErrGrammar.Error()) {
			t.Errorf("%q: %v", b, err)
		}
	})
}

func agentRequest() []byte {
	e := jsonx.Encoder{B: []byte(sample[:len(sample)-1])}
	e.B = bytes.Replace(e.B, []byte(`"a"}`), append(append([]byte(`"`), strings.Repeat(`some text that is \"quoted\" now and then,\n and goes on for a while. `, 3200)...), `"}`...), 1)
	return append(e.B, '}')
}

func BenchmarkTranslateRequest(b *testing.B) {
	body := agentRequest()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var buf []byte
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

var textDelta = []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"some words"}  }`)

func deltaStep(tb testing.TB) func() {
	s := streamReader{}
	w := Inbound{}.NewEventWriter(nil)
	var buf []byte
	step := func(data []byte) {
		if err := s.frame(data); err != nil {
			tb.Fatal(err)
		}
		for i := range s.queue {
			buf = w.AppendEvent(buf[:0], &s.queue[i])
		}
	}
	step([]byte(`{"type":"message_start","message":{"id":"m"}}`))
	step([]byte(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`))
	return func() { step(textDelta) }
}

func BenchmarkStreamEvent(b *testing.B) {
	b.ReportAllocs()
	step := deltaStep(b)
	for b.Loop() {
		step()
	}
}

func TestStreamEventAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(200, deltaStep(t)); n > 3 {
		t.Errorf("%v allocations per event", n)
	}
}
