package crosstest

import (
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// What a stream holds and nobody translates is told at its end, once.
func TestStreamLosses(t *testing.T) {
	for name, c := range map[string]struct {
		from         translate.Format
		stream, path string
	}{
		"log probabilities, Chat": {translate.OpenAI, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1}]}}]}` + "\n\n" +
			`data: {"id":"c","choices":[{"index":0,"delta":{"content":"b"},"logprobs":{"content":[{"token":"b","logprob":-1}]}}]}` + "\n\n" +
			`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n", "choices[0].logprobs"},
		"audio, Chat": {translate.OpenAI, `data: {"id":"c","choices":[{"index":0,"delta":{"audio":{"data":"AAAA","transcript":"a"}}}]}` + "\n\n" +
			`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n", "choices[0].delta.audio"},
		"a second answer, Chat": {translate.OpenAI, `data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}` + "\n\n" +
			`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n", "choices[1]"},
		"log probabilities, Responses": {translate.Responses, `data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a","logprobs":[{"token":"a","logprob":-1}]}` + "\n\n" +
			`data: {"type":"response.completed","response":{"id":"r","object":"response","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]}]}}` + "\n\n", "output[0].content[0].logprobs"},
		"a second candidate": {translate.Gemini, `data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},{"content":{"parts":[{"text":"b"}]}}]}` + "\n\n", "candidates[1]"},
		"a second candidate, alone in its chunks": {translate.Gemini, `data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0}]}` + "\n\n" +
			`data: {"candidates":[{"content":{"parts":[{"text":"b"}]},"index":1}]}` + "\n\n" +
			`data: {"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS","index":1}]}` + "\n\n" +
			`data: {"candidates":[{"finishReason":"STOP","index":0}]}` + "\n\n", "candidates[1]"},
		"log probabilities, Gemini": {translate.Gemini, `data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}]}}]}` + "\n\n", "candidates[0].logprobsResult"},
	} {
		for _, s := range sides() {
			if s.format != c.from {
				continue
			}
			r, err := translate.Collect(translate.Check(s.out.Events(strings.NewReader(c.stream))))
			if err != nil || len(r.Losses) != 1 || r.Losses[0].Path != c.path || r.Losses[0].Reason == "" || r.Finish.Reason != translate.FinishStop {
				t.Errorf("%s: %v, %v", name, r.Losses, err)
			}
		}
	}
}
