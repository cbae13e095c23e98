package crosstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Agent loops: a provider gives out reasoning state with each tool call and
// wants it back in the next turn; the client speaks another format, and echoes
// either all that it was sent or no more than its format demands.

// turn is what a provider answers in one step of the loop.
func turn(f translate.Format, i int) *translate.Response {
	id := fmt.Sprintf("call_%d", i)
	call := &translate.ToolUse{ID: id, Name: "step", Input: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))}
	r := &translate.Response{ID: fmt.Sprintf("resp_%d", i), Model: "m", Finish: translate.Finish{Reason: translate.FinishToolUse}, Usage: &translate.Usage{Input: 1, Output: 1}}
	switch f {
	case translate.Anthropic:
		r.Parts = append(r.Parts, &translate.Thinking{Text: fmt.Sprintf("thought %d", i), State: &translate.State{Origin: "anthropic", Data: fmt.Sprintf("c2lnbmF0dXJl%d", i)}})
		if i%3 == 0 {
			r.Parts = append(r.Parts, &translate.Thinking{Redacted: true, State: &translate.State{Origin: "anthropic", Data: fmt.Sprintf("redacted%d", i)}})
		}
	case translate.Responses:
		r.Parts = append(r.Parts, &translate.Thinking{ID: fmt.Sprintf("rs_%d", i), State: &translate.State{Origin: "openai", Data: fmt.Sprintf("encrypted%d", i)}})
	case translate.Gemini:
		call.State = &translate.State{Origin: "gemini", Data: fmt.Sprintf("c2lnbmF0dXJl%d", 1000+i)}
	}
	r.Parts = append(r.Parts, call)
	if i%2 == 0 { // two calls at once
		second := *call
		second.ID, second.State = id+"b", nil
		r.Parts = append(r.Parts, &second)
	}
	return r
}

// stateOf lists the state that a provider's answers gave out so far, in order.
func stateOf(parts []translate.Part) (out []string) {
	for _, p := range parts {
		switch p := p.(type) {
		case *translate.Thinking:
			if p.State != nil {
				out = append(out, p.State.Data)
			}
		case *translate.ToolUse:
			if p.State != nil {
				out = append(out, p.State.Data)
			}
		}
	}
	return out
}

// pitfall 15, pitfall 16: state survives a ten-turn tool loop through every
// client format, whatever the provider.
func TestToolLoop(t *testing.T) {
	for _, up := range []string{"responses", "anthropic", "gemini"} {
		for _, c := range clients() {
			for _, streamed := range []bool{false, true} {
				for _, plain := range []bool{false, true} {
					if string(c.format) == up {
						continue
					}
					t.Run(fmt.Sprintf("%s to %s, stream %v, plain client %v", c.format, up, streamed, plain), func(t *testing.T) {
						loop(t, c, translate.Format(up), streamed, plain)
					})
				}
			}
		}
	}
}

func loop(t *testing.T, c side, up translate.Format, streamed, plain bool) {
	var provider side
	for _, s := range sides() {
		if s.format == up {
			provider = s
		}
	}
	client := conversation{format: c.format, plain: plain}
	client.user("go")
	var want []string
	for i := 1; i <= 10; i++ {
		r, err := c.in.ParseRequest(client.body())
		if err != nil {
			t.Fatalf("turn %d: %v\n%s", i, err, client.body())
		}
		r.Model = map[translate.Format]string{translate.Anthropic: "claude-sonnet-4-5", translate.Gemini: "gemini-3-pro", translate.Responses: "gpt-5.6"}[up]
		budget := int64(2000)
		r.Reasoning.Budget, r.MaxTokens = budget, &[]int64{16000}[0]
		sent, losses, err := provider.out.AppendRequest(nil, r)
		if err != nil {
			t.Fatalf("turn %d: %v", i, err)
		}
		seen, err := provider.in.ParseRequest(sent)
		if err != nil {
			t.Fatalf("turn %d: the provider cannot read %s: %v", i, sent, err)
		}
		var got []string
		calls, results := 0, 0
		for _, m := range seen.Messages {
			if m.Role == translate.Assistant {
				got = append(got, stateOf(m.Parts)...)
			}
			for _, p := range m.Parts {
				switch p := p.(type) {
				case *translate.ToolUse:
					if calls++; strings.Contains(p.ID, "_llmp1_") {
						t.Errorf("a packed ID went upstream: %s", p.ID)
					}
				case *translate.ToolResult:
					results++
				}
			}
		}
		if !slices.Equal(got, want) || calls != results {
			t.Fatalf("turn %d: the provider got back\n%q, want\n%q (%d calls, %d results; losses %v)\n%s", i, got, want, calls, results, losses, sent)
		}
		answer := turn(up, i)
		want = append(want, stateOf(answer.Parts)...)
		if streamed {
			w := c.in.NewEventWriter(r)
			var stream []byte
			for e := range translate.Replay(answer) {
				stream = w.AppendEvent(stream, e)
			}
			client.stream(t, stream)
		} else {
			body, _ := c.in.AppendResponse(nil, r, answer)
			client.whole(t, body)
		}
	}
}

// conversation is a client that keeps its own history, as SDK users do: JSON
// values that it was sent and sends back.
type conversation struct {
	format translate.Format
	plain  bool // echoes what its format demands and no more
	items  []json.RawMessage
}

func (c *conversation) add(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	c.items = append(c.items, b)
}

type obj = map[string]any

func (c *conversation) user(text string) {
	if c.format == translate.Gemini {
		c.add(obj{"role": "user", "parts": []obj{{"text": text}}})
		return
	}
	c.add(obj{"role": "user", "content": text})
}

func (c *conversation) body() []byte {
	v := obj{"model": "m", "max_tokens": 16000}
	tool := obj{"name": "step", "description": "d"}
	schema := obj{"type": "object", "properties": obj{"n": obj{"type": "integer"}}}
	switch c.format {
	case translate.OpenAI:
		tool["parameters"] = schema
		v["messages"], v["tools"] = c.items, []obj{{"type": "function", "function": tool}}
	case translate.Responses:
		tool["parameters"], tool["type"] = schema, "function"
		v["input"], v["tools"] = c.items, []obj{tool}
		delete(v, "max_tokens")
	case translate.Anthropic:
		tool["input_schema"] = schema
		v["messages"], v["tools"] = c.items, []obj{tool}
	case translate.Gemini:
		tool["parametersJsonSchema"] = schema
		v = obj{"contents": c.items, "tools": []obj{{"functionDeclarations": []obj{tool}}}}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// whole takes an answer into the history, and answers its calls.
func (c *conversation) whole(t *testing.T, body []byte) {
	t.Helper()
	var v struct {
		Choices    []struct{ Message obj }
		Output     []obj
		Content    []obj
		Candidates []struct{ Content obj }
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	switch c.format {
	case translate.OpenAI:
		m := v.Choices[0].Message
		if c.plain {
			m = obj{"role": "assistant", "content": m["content"], "tool_calls": m["tool_calls"]}
		}
		c.add(m)
		for _, call := range m["tool_calls"].([]any) {
			c.add(obj{"role": "tool", "tool_call_id": call.(obj)["id"], "content": "ok"})
		}
	case translate.Responses:
		var results []obj
		for _, item := range v.Output {
			if item["type"] == "function_call" {
				results = append(results, obj{"type": "function_call_output", "call_id": item["call_id"], "output": "ok"})
			}
			c.add(item) // reasoning items must be sent back by this format's rules
		}
		for _, r := range results {
			c.add(r)
		}
	case translate.Anthropic:
		var results []obj
		for _, b := range v.Content {
			if b["type"] == "tool_use" {
				results = append(results, obj{"type": "tool_result", "tool_use_id": b["id"], "content": "ok"})
			}
		}
		c.add(obj{"role": "assistant", "content": v.Content}) // thinking included, by this format's rules
		c.add(obj{"role": "user", "content": results})
	case translate.Gemini:
		content := v.Candidates[0].Content
		var parts, results []any
		for _, p := range content["parts"].([]any) {
			part := p.(obj)
			if c.plain && part["thought"] == true {
				continue // shown to nobody, kept by nobody
			}
			parts = append(parts, part)
			if call, ok := part["functionCall"].(obj); ok {
				results = append(results, obj{"functionResponse": obj{"id": call["id"], "name": call["name"], "response": obj{"output": "ok"}}})
			}
		}
		c.add(obj{"role": "model", "parts": parts})
		c.add(obj{"role": "user", "parts": results})
	}
}

// stream puts a stream together as SDKs do, and takes it as a whole answer.
func (c *conversation) stream(t *testing.T, stream []byte) {
	t.Helper()
	var last []byte
	message := obj{"role": "assistant", "content": nil}
	var calls []any
	var content, parts []any
	var details []any
	for _, frame := range strings.Split(strings.ReplaceAll(string(stream), "\r\n", "\n"), "\n\n") {
		i := strings.Index(frame, "data: ")
		if i < 0 || strings.HasPrefix(frame[i:], "data: [DONE]") {
			continue
		}
		last = []byte(frame[i+6:])
		var v obj
		if err := json.Unmarshal(last, &v); err != nil {
			t.Fatalf("%v: %s", err, last)
		}
		switch c.format {
		case translate.OpenAI:
			for _, ch := range v["choices"].([]any) {
				d := ch.(obj)["delta"].(obj)
				if list, ok := d["reasoning_details"].([]any); ok {
					details = append(details, list...)
				}
				if s, ok := d["reasoning_content"].(string); ok {
					have, _ := message["reasoning_content"].(string)
					message["reasoning_content"] = have + s
				}
				list, _ := d["tool_calls"].([]any)
				for _, x := range list {
					tc := x.(obj)
					n := int(tc["index"].(float64))
					if n == len(calls) {
						calls = append(calls, tc)
						continue
					}
					f := calls[n].(obj)["function"].(obj)
					more, _ := tc["function"].(obj)["arguments"].(string)
					f["arguments"] = f["arguments"].(string) + more
				}
			}
		case translate.Anthropic:
			switch v["type"] {
			case "content_block_start":
				content = append(content, v["content_block"])
			case "content_block_delta":
				b := content[int(v["index"].(float64))].(obj)
				d := v["delta"].(obj)
				for from, to := range map[string]string{"thinking": "thinking", "signature": "signature", "text": "text"} {
					if s, ok := d[from].(string); ok {
						have, _ := b[to].(string)
						b[to] = have + s
					}
				}
				if s, ok := d["partial_json"].(string); ok {
					have, _ := b["json"].(string)
					b["json"] = have + s
				}
			case "content_block_stop":
				b := content[int(v["index"].(float64))].(obj)
				if s, ok := b["json"].(string); ok {
					delete(b, "json")
					if s != "" {
						b["input"] = json.RawMessage(s)
					}
				}
			}
		case translate.Gemini:
			for _, cand := range v["candidates"].([]any) {
				parts = append(parts, cand.(obj)["content"].(obj)["parts"].([]any)...)
			}
		}
	}
	marshal := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	switch c.format {
	case translate.OpenAI:
		message["tool_calls"] = calls
		if details != nil {
			message["reasoning_details"] = details
		}
		c.whole(t, marshal(obj{"choices": []any{obj{"message": message}}}))
	case translate.Responses:
		var v obj
		if err := json.Unmarshal(last, &v); err != nil || v["type"] != "response.completed" {
			t.Fatalf("%v: the last event is %s", err, last)
		}
		c.whole(t, marshal(v["response"]))
	case translate.Anthropic:
		c.whole(t, marshal(obj{"content": content}))
	case translate.Gemini:
		c.whole(t, marshal(obj{"candidates": []any{obj{"content": obj{"parts": parts}}}}))
	}
}

// agentRequest is a request as coding agents send them: many turns, many tools.
func agentRequest(size int) []byte {
	c := conversation{format: translate.OpenAI}
	c.add(obj{"role": "system", "content": strings.Repeat("You are an agent. Be careful with \"quotes\".\n", 100)})
	for i := 0; ; i++ {
		c.user(fmt.Sprintf("step %d: %s", i, strings.Repeat("look at this file <main.go>\n\tand go on. ", 30)))
		c.add(obj{"role": "assistant", "content": nil, "tool_calls": []obj{{"id": fmt.Sprintf("call_%d", i), "type": "function", "function": obj{"name": "read_file", "arguments": `{"path":"main.go","from":1}`}}}})
		c.add(obj{"role": "tool", "tool_call_id": fmt.Sprintf("call_%d", i), "content": strings.Repeat("func main() {\n\tfmt.Println(\"hello\")\n}\n", 60)})
		if b := c.body(); len(b) >= size {
			return b
		}
	}
}

// BenchmarkAgentRequest translates a 225 KB agent request; 100 MB/s is the goal.
func BenchmarkAgentRequest(b *testing.B) {
	body := agentRequest(225 << 10)
	all := sides()
	for _, dir := range []struct{ from, to side }{{all[0], all[2]}, {all[2], all[0]}} {
		in := body
		if dir.from.format == translate.Anthropic {
			r, err := all[0].in.ParseRequest(body)
			if err != nil {
				b.Fatal(err)
			}
			r.Model = "claude-sonnet-4-5"
			if in, _, err = all[2].out.AppendRequest(nil, r); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(string(dir.from.format)+" to "+string(dir.to.format), func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			buf := make([]byte, 0, 512<<10)
			for b.Loop() {
				r, err := dir.from.in.ParseRequest(in)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err = dir.to.out.AppendRequest(buf, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

const events = 1000

// streams are answers of many text deltas in OpenAI's and Anthropic's format.
func stream(s side) []byte {
	w := s.in.NewEventWriter(&translate.Request{})
	var out []byte
	out = w.AppendEvent(out, &translate.Event{Type: translate.EventStart, ID: "x", Model: "m"})
	out = w.AppendEvent(out, &translate.Event{Type: translate.EventBlockStart, Kind: translate.KindText})
	for range events {
		out = w.AppendEvent(out, &translate.Event{Type: translate.EventBlockDelta, Kind: translate.KindText, Text: []byte(" some words")})
	}
	out = w.AppendEvent(out, &translate.Event{Type: translate.EventBlockStop, Kind: translate.KindText})
	return w.AppendEvent(out, &translate.Event{Type: translate.EventStop, Finish: translate.Finish{Reason: translate.FinishStop}, Usage: &translate.Usage{Input: 1, Output: 2}})
}

func translateStream(from, to side, in, buf []byte) error {
	w := to.in.NewEventWriter(&translate.Request{})
	for e, err := range from.out.Events(bytes.NewReader(in)) {
		if err != nil {
			return err
		}
		buf = w.AppendEvent(buf[:0], e)
	}
	return nil
}

// BenchmarkStreamEvent translates a stream; 2 µs an event is the goal.
func BenchmarkStreamEvent(b *testing.B) {
	all := sides()
	for _, dir := range []struct{ from, to side }{{all[0], all[2]}, {all[2], all[0]}} {
		b.Run(string(dir.from.format)+" to "+string(dir.to.format), func(b *testing.B) {
			in, buf := stream(dir.from), make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if err := translateStream(dir.from, dir.to, in, buf); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}

// At most three allocations for an event, OpenAI to Anthropic and back.
func TestStreamAllocations(t *testing.T) {
	all := sides()
	for _, dir := range []struct{ from, to side }{{all[0], all[2]}, {all[2], all[0]}} {
		in, buf := stream(dir.from), make([]byte, 0, 4096)
		if got := testing.AllocsPerRun(10, func() {
			if err := translateStream(dir.from, dir.to, in, buf); err != nil {
				t.Fatal(err)
			}
		}) / events; got > 3 {
			t.Errorf("%s to %s: %.2f allocations an event", dir.from.format, dir.to.format, got)
		}
	}
}
