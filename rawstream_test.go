package llmproxy

import (
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-llmproxy/llmproxy/translate"
)

func TestFrameEnds(t *testing.T) {
	for in, want := range map[string][2]int{
		"": {0, 0}, "data: 1\n": {0, 8}, "data: 1\n\n": {9, 9}, "a\n\nb\n\nc": {6, 3}, "a\r\n\r\nb\r\n\r\nc\r\n": {10, 5}, "a\r\rb": {3, 4}, "\n\n": {2, 2}, "a\n\r\n": {4, 4},
	} {
		if got := lastFrameEnd([]byte(in)); got != want[0] {
			t.Errorf("lastFrameEnd(%q) = %d, want %d", in, got, want[0])
		}
		if got := firstFrameEnd([]byte(in)); got != want[1] {
			t.Errorf("firstFrameEnd(%q) = %d, want %d", in, got, want[1])
		}
	}
}

// Whatever the reads, the client gets every byte, in whole frames, and the
// decoder every frame that is not skimmed.
func TestRawStream(t *testing.T) {
	const in = "data: {\"a\":1}\n\ndata: {\"error\":1}\n\n: x\n\ndata: {\"b\":1}\r\n\r\ndata: {\"finish_reason\": \"stop\"}\n\ndata: [DONE]\n\nrest"
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(in), "bytes": iotest.OneByteReader(strings.NewReader(in)), "halves": iotest.HalfReader(strings.NewReader(in))} {
		w := httptest.NewRecorder()
		x := &exchange{p: &Proxy{config: config{Limits: Limits{Event: 100}}}, w: w}
		x.committed = true
		raw := &rawStream{a: &attempt{exchange: x}, r: r, skim: skimmer(translate.OpenAI)}
		decoded, err := io.ReadAll(raw)
		if err != nil || raw.drain() != nil || w.Body.String() != in || !raw.partial {
			t.Errorf("%s: %v, client got %q", name, err, w.Body)
		}
		if want := "data: {\"error\":1}\n\n: x\n\ndata: {\"finish_reason\": \"stop\"}\n\ndata: [DONE]\n\nrest"; string(decoded) != want {
			t.Errorf("%s: decoder got %q, want %q", name, decoded, want)
		}
	}
}

// What is known of the last stream's frames passes content and nothing else, be it
// of a stream of another format.
func TestRawStreamAfterAnother(t *testing.T) {
	const content = "data: {\"id\":\"%\",\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n"
	const delta = "event: content_block_delta\ndata: {\"text\":\"a\"}\n\n"
	for i, c := range []struct {
		format  translate.Format
		content string
		rest    string
	}{
		{translate.OpenAI, content, "data: {\"id\":\"%\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"},
		{translate.OpenAI, content, "data: {\"id\":\"%\",\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n"},
		{translate.OpenAI, content, "data: {\"id\":\"%\",\"choices\":[],\"usage\":{\"x\":1}}\n\ndata: {\"error\":{}}\n\ndata: [DONE]\n\n"},
		{translate.Anthropic, delta, content},
		{translate.OpenAI, content, delta},
		{translate.Anthropic, delta, "event: content_block_stop\ndata: {\"text\":\"a\"}\n\n"},
	} {
		id := func(s string) string { return strings.ReplaceAll(s, "%", strconv.Itoa(i)) }
		in := id(strings.Repeat(c.content, 3) + c.rest + c.content)
		w := httptest.NewRecorder()
		x := &exchange{p: &Proxy{config: config{Limits: Limits{Event: 1000}}}, w: w}
		x.committed = true
		raw := newRawStream(&attempt{exchange: x, format: c.format}, nil, strings.NewReader(in))
		decoded, err := io.ReadAll(raw)
		if err != nil || string(decoded) != id(c.rest) || w.Body.String() != in || x.text != 4 {
			t.Errorf("%d: %v, %d bytes of text, the client got %q, the decoder %q", i, err, x.text, w.Body, decoded)
		}
		raw.release()
	}
}

// What comes with the error that ends a stream reaches the client and the decoder
// before it. A net/http body reads so, where the last of several chunks is cut.
func TestRawStreamCutInOneRead(t *testing.T) {
	const in = "data: {\"a\":1}\n\ndata: {\"error\":1}\n\n"
	r := iotest.DataErrReader(io.MultiReader(strings.NewReader(in+"data: {"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	w := httptest.NewRecorder()
	x := &exchange{p: &Proxy{config: config{Limits: Limits{Event: 100}}}, w: w}
	x.committed = true
	raw := newRawStream(&attempt{exchange: x, format: translate.OpenAI}, nil, r)
	defer raw.release()
	decoded, err := io.ReadAll(raw)
	if err != io.ErrUnexpectedEOF || string(decoded) != "data: {\"error\":1}\n\n" || w.Body.String() != in {
		t.Errorf("%v: the decoder has %q, the client %q", err, decoded, w.Body)
	}
}

func TestSkimmer(t *testing.T) {
	for f, frames := range map[translate.Format]map[string]bool{
		translate.OpenAI: {
			`data: {"choices":[{"delta":{"content":"\"usage\":1 \"error\""},"finish_reason":null}],"usage":null}`: true,
			`data: {"choices":[],"usage":{"x":1}}`:         false,
			`data: {"choices":[{"finish_reason":"stop"}]}`: false,
			`data: {"x_groq":{"usage": {}}}`:               false,
			`data: [DONE]`:                                 false,
			"event: error\ndata: {}":                       false,
			`data: {"error":{}}`:                           false,
		},
		translate.Anthropic: {"event: content_block_delta\ndata: {}": true, "event: message_delta\ndata: {}": false, "event: content_block_stop\ndata: {}": false, "data: {}": false},
		translate.Responses: {"event: response.output_text.delta\ndata: {}": true, "event: response.completed\ndata: {\"x\":\".delta\"}": false, "event: error\ndata: {}": false},
		translate.Gemini:    {`data: {"candidates":[{"content":{}}],"usageMetadata":{}}`: true, `data: {"candidates":[{"finishReason":"STOP"}]}`: false, `data: {"error":{}}`: false},
	} {
		skim := skimmer(f)
		for frame, want := range frames {
			if got := skim([]byte(frame + "\n\n")); got != want {
				t.Errorf("%s: %q: %v", f, frame, got)
			}
		}
	}
}
