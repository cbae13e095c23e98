package translate_test

import (
	"fmt"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// A request of Anthropic's Messages is sent to a provider that speaks OpenAI's
// Chat, and the answer comes back: what the proxy does, without it.
func Example() {
	var client translate.Inbound = anthropic.Inbound{}
	var provider translate.Outbound = openai.Outbound{}

	request, err := client.ParseRequest([]byte(`{"model":"m","max_tokens":9,"top_k":4,"messages":[{"role":"user","content":"Hello!"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	body, losses, err := provider.AppendRequest(nil, request)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(body))
	fmt.Println(losses)

	answer, err := provider.ParseResponse([]byte(`{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ = client.AppendResponse(nil, request, answer)
	fmt.Println(string(body))
	// Output:
	// {"model":"m","messages":[{"role":"user","content":"Hello!"}],"max_completion_tokens":9}
	// [top_k: not known in Chat Completions]
	// {"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}
}

// A stream is translated event by event.
func ExampleEventWriter() {
	stream := strings.NewReader(`data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi."}}]}

data: {"id":"1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: [DONE]

`)
	var buf []byte
	w := anthropic.Inbound{}.NewEventWriter(&translate.Request{Model: "m", Stream: true})
	for event, err := range (openai.Outbound{}).Events(stream) {
		if err != nil {
			buf = w.AppendError(buf[:0], translate.AsError(err))
		} else {
			buf = w.AppendEvent(buf[:0], event)
		}
		for line := range strings.Lines(string(buf)) {
			if strings.HasPrefix(line, "event: ") {
				fmt.Print(line)
			}
		}
	}
	// Output:
	// event: message_start
	// event: content_block_start
	// event: content_block_delta
	// event: ping
	// event: content_block_stop
	// event: message_delta
	// event: message_stop
}
