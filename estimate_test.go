package llmproxy

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/translate"
)

// The text in frames that are not decoded is counted as that in those that are.
func TestTextFinder(t *testing.T) {
	for f, frames := range map[translate.Format]map[string]int{
		translate.OpenAI: {
			`data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}`:                                               5,
			`data: {"choices": [{"index": 0, "delta": {"content": " \"Hi\"\n"}}]}`:                                      6,
			`data: {"choices":[{"delta":{"content":null,"reasoning_content":"Hm"}}]}`:                                   2,
			`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]}`:             5,
			`data: {"choices":[{"delta":{"content":""}}]}`:                                                              0,
			`data: {"choices":[{"delta":{"content":"\u4f60\u597d"}}]}`:                                                  6,
			`data: {"choices":[{"delta":{"content":"cut`:                                                                3,
			`data: {"choices":[{"delta":{"content":"a \"reasoning\": b","reasoning":""}}],"x":"\\"}`:                    16,
			`data: {"choices":[{"delta":{}}]}`:                                                                          0,
			`data: {"choices":[{"delta":{"content":"ends in \\"}}]}`:                                                    9,
			`data: {"choices":[{"delta":{"content":"你好"}}]}`:                                                            6,
			`data: {"choices":[{"delta":{"content":5}}]}`:                                                               0,
			`data: {"choices":[{"delta":{"content":`:                                                                    0,
			`data: {"choices":[{"delta":{"content":"\u`:                                                                 3,
			`data: {"choices":[{"delta":{"refusal":"No."}}],"obfuscation":"xyz"}`:                                       3,
			`data: {"choices":[{"delta":{"content":"{\"a\":{}}"}}]}`:                                                    8,
			`data: {"choices":[{"delta":{"content":"\""}}]}`:                                                            1,
			`data: {"choices":[{"delta":{"content":"` + strings.Repeat("word ", 100) + `"}}],"service_tier":"default"}`: 500,
		},
		translate.Anthropic: {
			"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`:              5,
			"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}`:         2,
			"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"x"}}`: 3,
			"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2lnbmVk"}}`: 0,
		},
		translate.Responses: {
			"event: response.output_text.delta\n" + `data: {"type":"response.output_text.delta","delta":"Hello","obfuscation":"abc"}`: 5,
		},
		translate.Gemini: {
			`data: {"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"}}]}`:                              5,
			`data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"x":"}","y":{"z":"1"}}}}]}}]}`: 23,
		},
	} {
		for frame, want := range frames {
			find := textFinder{keys: contentKeys[f]}
			for range 2 { // the second time where the first found it
				if got := find.len([]byte(frame)); got != want {
					t.Errorf("%s: %d, want %d", frame, got, want)
				}
			}
		}
	}
}

// Counting costs a stream no allocation.
func TestTextFinderAllocates(t *testing.T) {
	frame := []byte(`data: {"choices":[{"index":0,"delta":{"content":"Hello, \"world\""}}]}`)
	find := textFinder{keys: contentKeys[translate.OpenAI]}
	if n := testing.AllocsPerRun(100, func() { find.len(frame) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Frames that are passed over and frames that are decoded give the same count,
// whatever the reads.
func TestRawStreamCountsText(t *testing.T) {
	answer := providertest.Answer{
		Thinking: "Let me see, \"one\" by one.", Text: "First, the tables:\n\t" + strings.Repeat("a row and a row, ", 50) + "ünïcödé — 你好.", Usage: true,
		Tools: []providertest.ToolCall{{ID: "a", Name: "f", Arguments: `{"city":"Lima","note":"{\"x\":1}"}`}, {ID: "b", Name: "g", Arguments: `{"city":"Oslo"}`}},
	}
	for f, path := range map[translate.Format]string{
		translate.OpenAI: "/v1/chat/completions", translate.Responses: "/v1/responses", translate.Anthropic: "/v1/messages", translate.Gemini: "/v1beta/models/m:streamGenerateContent?alt=sse",
	} {
		up := providertest.NewServer(t, providertest.Say(answer))
		resp, err := http.Post(up.URL+path, "application/json", strings.NewReader(`{"model":"m","stream":true}`))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		out := (&target{}).outbound(f)
		var want int64
		for e, err := range out.Events(bytes.NewReader(stream)) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == translate.EventBlockDelta {
				want += int64(len(e.Text))
			}
		}
		x := &exchange{p: &Proxy{config: config{Limits: Limits{Event: 1 << 20, ResponseBody: 1 << 20}}}, w: httptest.NewRecorder(), committed: true}
		a := &attempt{exchange: x, format: f}
		raw := newRawStream(a, nil, bytes.NewReader(stream))
		for e, err := range out.Events(raw) {
			if err != nil {
				t.Fatal(f, err)
			}
			a.observeEvent(e)
			raw.count(e)
		}
		if want < 500 || x.text < want-5 || x.text > want+5 { // an escape is more or less than what it stands for
			t.Errorf("%s: %d bytes of text are counted as %d", f, want, x.text)
		}
	}
}

// Whatever stands in a frame, what is counted is no more than the frame; plain
// text is counted exactly, also behind another frame.
func FuzzTextFinder(f *testing.F) {
	f.Add(`data: {"delta":{"content":"`, "Hello")
	f.Add(`data: {"content":"\u00e9"}`, "a\"b\\")
	f.Add(`"arguments": {"a":{"b":"}"}`, "")
	f.Fuzz(func(t *testing.T, frame, text string) {
		find := textFinder{keys: contentKeys[translate.OpenAI]}
		for _, b := range []string{frame, frame + text, text} {
			if n := find.len([]byte(b)); n < 0 || n > len(find.keys)*len(b) {
				t.Fatalf("%q: %d bytes of text", b, n)
			}
		}
		quoted := strings.ContainsAny(text, "\"\\")
		if n := find.len([]byte(`data: {"choices":[{"delta":{"content":"` + text + `"}}]}`)); !quoted && n != len(text) {
			t.Fatalf("%q: %d bytes of text", text, n)
		}
	})
}
