package crosstest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/bedrock"
	"github.com/go-llmproxy/llmproxy/translate/cohere"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

var sizeOut = map[string]translate.Outbound{"openai": openai.Outbound{}, "anthropic": anthropic.Outbound{}, "gemini": gemini.Outbound{}, "bedrock": bedrock.Outbound{}, "cohere": cohere.Outbound{}, "responses": responses.Outbound{}, "gemini by OpenAPI": gemini.Outbound{OpenAPISchema: true}}
var sizeIn = map[string]translate.Inbound{"openai": openai.Inbound{}, "anthropic": anthropic.Inbound{}, "gemini": gemini.Inbound{}, "responses": responses.Inbound{}}

// repeat joins what f makes of 0 to n-1.
func repeat(n int, sep string, f func(i int) string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(f(i))
	}
	return b.String()
}

// linear fails where the cost of work that has n elements grows with its square.
// Work that is soon done at 20,000 is not looked at.
func linear(t *testing.T, what string, work func(n int) func()) {
	t.Helper()
	if raced {
		t.Skip("what is measured here would be the race detector's cost")
	}
	cost := func(n int) time.Duration {
		do := work(n)
		before := spent()
		do()
		return spent() - before
	}
	for try := 0; ; try++ {
		many := cost(20_000)
		if many < 100*time.Millisecond {
			return
		}
		few := cost(2000)
		if many < 40*few { // 10 where it is linear, 100 where it is square
			return
		}
		if try == 2 {
			t.Errorf("%s: 2,000 take %v, 20,000 take %v", what, few, many)
			return
		}
	}
}

// once keeps what f makes for each n.
func once(f func(n int) map[string][2]string) func(n int) map[string][2]string {
	made := map[int]map[string][2]string{}
	return func(n int) map[string][2]string {
		if made[n] == nil {
			made[n] = f(n)
		}
		return made[n]
	}
}

// longRequests are requests with n of something, by what that is.
func longRequests(n int) map[string][2]string {
	calls := repeat(n, ",", func(i int) string {
		return fmt.Sprintf(`{"id":"c%d","type":"function","function":{"name":"f%d","arguments":"{}"}}`, i, i)
	})
	results := repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"role":"tool","tool_call_id":"c%d","content":"r"}`, i) })
	mixed := repeat(n, ",", func(i int) string {
		return fmt.Sprintf(`{"role":"assistant","tool_calls":[{"id":"c%d","type":"function","function":{"name":"f","arguments":"[1]"}}]},{"role":"tool","tool_call_id":"c%d","content":"r"}`, i, i)
	})
	schema := func(s string) [2]string {
		return [2]string{"openai", `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object",` + s + `}}}]}`}
	}
	names := repeat(n, ",", func(i int) string { return fmt.Sprintf(`"p%d"`, i) })
	members := func(value string) string {
		return repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`"p%d":%s`, i, strings.NewReplacer("#", fmt.Sprint(i), "@", "#").Replace(value))
		})
	}
	return map[string][2]string{
		"o schema words":    schema(members("1")),
		"o schema required": schema(`"properties":{` + members("{}") + `},"required":[` + names + `]`),
		"o schema all": schema(`"allOf":[` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"properties":{"p%d":{"type":"string"}},"required":["p%d"]}`, i, i)
		}) + `]`),
		"o schema refs":  schema(`"$defs":{` + members(`{"type":"string"}`) + `},"properties":{` + members(`{"$ref":"@/$defs/p#"}`) + `}`),
		"o schema chain": schema(`"$defs":{` + repeat(n, ",", func(i int) string { return fmt.Sprintf(`"p%d":{"allOf":[{"$ref":"#/$defs/p%d"}]}`, i, i+1) }) + `},"allOf":[{"$ref":"#/$defs/p0"}]`),
		"o schema name":  schema(`"properties":{"` + strings.Repeat("n", 10*n) + `":{` + members("1") + `}}`),
		"o schema deep":  schema(`"properties":` + strings.Repeat(`{"p":{"properties":`, min(n/8, 4000)) + `{"p":{` + members("1") + `}}` + strings.Repeat(`}}`, min(n/8, 4000))),

		"o calls":    {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[` + calls + `]},` + results + `]}`},
		"o mixed":    {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},` + mixed + `]}`},
		"o custom":   {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"x","type":"custom","custom":{"name":"y","input":"z"}},` + calls + `]},` + results + `]}`},
		"o function": {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[` + calls + `]},` + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"role":"function","name":"f%d","content":"r"}`, i) }) + `]}`},
		"o images": {"openai", `{"model":"m","messages":[{"role":"user","content":[` + repeat(n, ",", func(i int) string {
			return `{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"high"}}`
		}) + `]}]}`},
		"o extra": {"openai", `{"model":"m",` + repeat(min(n, 9000), ",", func(i int) string { return fmt.Sprintf(`"x%d":1`, i) }) + `,"messages":[{"role":"user","content":"x"}]}`},
		"o tools": {"openai", `{"model":"m","tools":[` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"type":"function","function":{"name":"f%d","strict":true,"parameters":{"type":"object"}}}`, i)
		}) + `],"messages":[{"role":"user","content":"x"}]}`},
		"o choice":  {"openai", `{"model":"m","tools":[` + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"type":"function","function":{"name":"f%d"}}`, i) }) + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[` + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"type":"function","function":{"name":"f%d"}}`, i) }) + `]}},"messages":[{"role":"user","content":"x"}]}`},
		"o systems": {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},` + repeat(n, ",", func(i int) string { return `{"role":"system","content":"s"}` }) + `]}`},
		"o details": {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"a","reasoning_details":[` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"type":"reasoning.text","text":"t%d","signature":"s%d","index":%d}`, i, i, i)
		}) + `]}]}`},
		"o thinking": {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":[` + repeat(n, ",", func(i int) string {
			return `{"type":"text","text":"` + strings.Repeat("t", 200) + `"}`
		}) + `]}]}]}`},
		"o carried": {"openai", `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[` + repeat(n, ",", func(i int) string {
			id := translate.PackToolID(fmt.Sprint("c", i), nil, []*translate.Thinking{{Text: "t", State: &translate.State{Origin: "anthropic", Data: fmt.Sprint("d", i)}}})
			return fmt.Sprintf(`{"id":%q,"type":"function","function":{"name":"f","arguments":"{}"}}`, id)
		}) + `]}]}`},
		"a blocks": {"anthropic", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[` + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"type":"tool_use","id":"c%d","name":"f","input":{}}`, i) }) + `]},{"role":"user","content":[` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"type":"tool_result","tool_use_id":"c%d","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"url","url":"http://x/y"}}]}`, i)
		}) + `]}]}`},
		"a think": {"anthropic", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"type":"thinking","thinking":"t","signature":"s%d"},{"type":"tool_use","id":"c%d","name":"f","input":{}}`, i, i)
		}) + `]}]}`},
		"a docs": {"anthropic", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[` + repeat(n, ",", func(i int) string {
			return `{"type":"document","title":"t","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"},"citations":{"enabled":true},"cache_control":{"type":"ephemeral"}}`
		}) + `]}]}`},
		"g calls": {"gemini", `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[` + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"functionCall":{"id":"c%d","name":"f%d","args":{}}}`, i, i) }) + `]},{"role":"user","parts":[` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"functionResponse":{"id":"c%d","name":"f%d","response":{}}}`, i, i)
		}) + `]}]}`},
		"g reversed": {"gemini", `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[` + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"functionCall":{"id":"c%d","name":"f","args":{}}}`, i) }) + `]},{"role":"user","parts":[` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"functionResponse":{"id":"c%d","name":"f","response":{}}}`, n-1-i)
		}) + `]}]}`},
		"g noid": {"gemini", `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[` + repeat(n, ",", func(i int) string { return `{"functionCall":{"name":"f","args":{}}}` }) + `]},{"role":"user","parts":[` + repeat(n, ",", func(i int) string { return `{"functionResponse":{"name":"f","response":{}}}` }) + `]}]}`},
		"r calls": {"responses", `{"model":"m","input":[{"role":"user","content":"x"},` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"type":"reasoning","id":"rs%d","summary":[],"encrypted_content":"e%d"},{"type":"function_call","call_id":"c%d","name":"f","arguments":"{}"}`, i, i, i)
		}) + `,` + repeat(n, ",", func(i int) string {
			return fmt.Sprintf(`{"type":"function_call_output","call_id":"c%d","output":"r"}`, i)
		}) + `]}`},
		"r summary": {"responses", `{"model":"m","input":[{"role":"user","content":"x"},{"type":"reasoning","id":"rs","encrypted_content":"e","summary":[` + repeat(n, ",", func(i int) string {
			return `{"type":"summary_text","text":"` + strings.Repeat("t", 200) + `"}`
		}) + `]}]}`},
		"r msgs": {"responses", `{"model":"m","input":[` + repeat(n, ",", func(i int) string {
			return `{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_file","file_id":"f"}]}`
		}) + `]}`},
	}
}

// What a request costs grows with its length, whatever it is made of.
func TestLongRequests(t *testing.T) {
	longRequests := once(longRequests)
	for name, r := range longRequests(1) {
		in := sizeIn[r[0]]
		linear(t, name, func(n int) func() {
			body := []byte(longRequests(n)[name][1])
			return func() { _, _ = in.ParseRequest(body) }
		})
		for format, out := range sizeOut {
			linear(t, name+" for "+format, func(n int) func() {
				req, err := in.ParseRequest([]byte(longRequests(n)[name][1]))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return func() { _, _, _ = out.AppendRequest(nil, req) }
			})
		}
	}
}

// A request may be made of so many things, and no more: each takes far more memory
// than its two or three bytes.
func TestManyElements(t *testing.T) {
	for format, body := range map[string]string{
		"openai":    `{"model":"m","messages":[{"role":"user","content":[#]}]}`,
		"anthropic": `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}],"stop_sequences":[#]}`,
		"gemini":    `{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"stopSequences":[#]}}`,
		"responses": `{"model":"m","input":"x","modalities":[#],"include":[#]}`,
	} {
		for n, ok := range map[int]bool{jsonx.MaxElements/2 - 10: true, jsonx.MaxElements + 1: false} {
			_, err := sizeIn[format].ParseRequest([]byte(strings.ReplaceAll(body, "#", repeat(n, ",", func(int) string { return `"a"` }))))
			if e := translate.AsError(err); (err == nil) != ok || err != nil && (e.Kind != translate.InvalidRequest || !errors.Is(err, jsonx.ErrTooMany)) {
				t.Errorf("%s of %d: %v", format, n, err)
			}
		}
	}
	// What is passed on as it stands is not counted.
	numbers := repeat(jsonx.MaxElements+1, ",", func(int) string { return "1" })
	for format, body := range map[string]string{
		"openai":    `{"model":"m","messages":[{"role":"user","content":"x"}],"x":[` + numbers + `]}`,
		"anthropic": `{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"i","name":"f","input":{"x":[` + numbers + `]}}]}]}`,
	} {
		if _, err := sizeIn[format].ParseRequest([]byte(body)); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// longStreams are answers with n of something, by what that is.
func longStreams(n int) map[string][2]string {
	return map[string][2]string{
		"o calls": {"openai", repeat(n, "", func(i int) string {
			return fmt.Sprintf("data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n", i, i)
		}) + "data: [DONE]\n\n"},
		"o calls whole": {"openai", repeat(n, "", func(i int) string {
			return fmt.Sprintf("data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n", i, i)
		}) + "data: [DONE]\n\n"},
		"o unknown": {"openai", repeat(n, "", func(i int) string {
			return fmt.Sprintf("data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"x%d\":1}}]}\n\n", i)
		}) + "data: [DONE]\n\n"},
		"o details": {"openai", repeat(n, "", func(i int) string {
			return "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"index\":0,\"data\":\"" + strings.Repeat("s", 200) + "\"}]}}]}\n\n"
		}) + "data: [DONE]\n\n"},
		"o search": {"openai", repeat(n/8, "", func(i int) string {
			return fmt.Sprintf("data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"citations\":[\"u%d\"],\"search_results\":[{\"url\":\"u%d\",\"title\":\"\"}]}\n\n", i, i)
		}) + "data: [DONE]\n\n"},
		"o sources": {"openai", "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"citations\":[" + repeat(2*n, ",", func(i int) string { return fmt.Sprintf(`"u%d"`, i) }) + "],\"search_results\":[" + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"url":"u%d","title":"t"}`, i) }) + "]}\n\ndata: [DONE]\n\n"},
		"r sources": {"responses", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"type\":\"search_results\",\"results\":[" + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"url":"u%d","title":"t"}`, i) }) + "]}]}}\n\n"},
		"o choices": {"openai", "data: {\"id\":\"i\",\"choices\":[" + repeat(n, ",", func(i int) string { return fmt.Sprintf(`{"index":%d,"delta":{"content":"a"}}`, i) }) + "]}\n\ndata: [DONE]\n\n"},
		"a open": {"anthropic", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"role\":\"assistant\",\"content\":[]}}\n\n" + repeat(n, "", func(i int) string {
			return fmt.Sprintf("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%d,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n", i, i)
		}) + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
		"a opaque": {"anthropic", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"role\":\"assistant\",\"content\":[]}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"zz\",\"x\":\"" + strings.Repeat("y", 100000) + "\"}}\n\n" + repeat(n, "", func(i int) string {
			return "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"compaction_delta\",\"content\":\"a\"}}\n\n"
		}) + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
		"a sig": {"anthropic", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"role\":\"assistant\",\"content\":[]}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n" + repeat(n, "", func(i int) string {
			return "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"" + strings.Repeat("s", 200) + "\"}}\n\n"
		}) + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
		"g parts": {"gemini", repeat(n, "", func(i int) string {
			return fmt.Sprintf("data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f%d\",\"args\":{}}},{\"text\":\"a\",\"thoughtSignature\":\"c2ln\"}]}}],\"responseId\":\"r\"}\n\n", i)
		}) + "data: {\"candidates\":[{\"content\":{\"parts\":[]},\"finishReason\":\"STOP\"}]}\n\n"},
		"g pieces": {"gemini", repeat(n, "", func(i int) string {
			return fmt.Sprintf("data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"partialArgs\":[{\"jsonPath\":\"$.a%d\",\"numberValue\":1},{\"jsonPath\":\"$.b\",\"stringValue\":\"%s\"}],\"willContinue\":true}}]}}],\"responseId\":\"r\"}\n\n", i, strings.Repeat("s", 200))
		}) + "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{}}]},\"finishReason\":\"STOP\"}]}\n\n"},
		"r items": {"responses", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n" + repeat(n, "", func(i int) string {
			return fmt.Sprintf("event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":%d,\"item\":{\"type\":\"function_call\",\"call_id\":\"c%d\",\"name\":\"f\",\"arguments\":\"\"}}\n\nevent: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":%d,\"delta\":\"{\"}\n\n", i, i, i)
		}) + "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[]}}\n\n"},
		"c calls": {"cohere", "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"i\"}\n\n" + repeat(n, "", func(i int) string {
			return fmt.Sprintf("event: tool-call-start\ndata: {\"type\":\"tool-call-start\",\"index\":%d,\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"c%d\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}}}}\n\n", i, i)
		}) + "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}}\n\n"},
	}
}

// And so does what a stream costs.
func TestLongStreams(t *testing.T) {
	longStreams := once(longStreams)
	for name, s := range longStreams(1) {
		read := func(n int) (events []translate.Event) {
			for e, err := range sizeOut[s[0]].Events(strings.NewReader(longStreams(n)[name][1])) {
				if err != nil {
					break // more blocks are open than may be
				}
				kept := *e
				kept.Text = bytes.Clone(e.Text)
				events = append(events, kept)
			}
			return events
		}
		linear(t, name, func(n int) func() { return func() { read(n) } })
		for format, in := range sizeIn {
			linear(t, name+" for "+format, func(n int) func() {
				events := read(n)
				return func() {
					w := in.NewEventWriter(&translate.Request{Model: "m"})
					var buf []byte
					for i := range events {
						buf = w.AppendEvent(buf[:0], &events[i])
					}
				}
			})
		}
	}
}
