package llmproxy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// What an OpenAI client reads.

type chatMessage struct {
	Content   *string
	ToolCalls []struct {
		Index    int
		ID, Type string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

type chatBody struct {
	ID, Object, Model string
	Choices           []struct {
		Message, Delta chatMessage
		FinishReason   *string `json:"finish_reason"`
	}
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	}
}

// completionOf sums up what an OpenAI client reads in an answer.
func completionOf(t *testing.T, a answer) string {
	t.Helper()
	var c chatBody
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.StatusCode != 200 || len(c.Choices) != 1 || c.Object != "chat.completion" || c.ID == "" || c.Usage == nil || c.Choices[0].FinishReason == nil {
		return fmt.Sprintf("%v: %d %s", err, a.StatusCode, a.body)
	}
	m := c.Choices[0].Message
	text := ""
	if m.Content != nil {
		text = *m.Content
	}
	calls := []string{}
	for _, tc := range m.ToolCalls {
		calls = append(calls, tc.Function.Name+tc.Function.Arguments)
	}
	return fmt.Sprintf("%q %v %s %d+%d", text, calls, *c.Choices[0].FinishReason, c.Usage.PromptTokens, c.Usage.CompletionTokens)
}

// chunksOf sums up what an OpenAI client reads in a stream.
func chunksOf(t *testing.T, a answer) string {
	t.Helper()
	var text, finish string
	var calls []string
	in, out := 0, 0
	done := false
	for line := range strings.Lines(a.body) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok {
			continue
		}
		if done {
			return "something after [DONE]: " + a.body
		}
		if done = data == "[DONE]"; done {
			continue
		}
		var c chatBody
		if err := json.Unmarshal([]byte(data), &c); err != nil || c.Object != "chat.completion.chunk" {
			return fmt.Sprintf("%v: %s", err, data)
		}
		if c.Usage != nil {
			in, out = c.Usage.PromptTokens, c.Usage.CompletionTokens
		}
		for _, ch := range c.Choices {
			if ch.Delta.Content != nil {
				text += *ch.Delta.Content
			}
			for _, tc := range ch.Delta.ToolCalls {
				for len(calls) <= tc.Index {
					calls = append(calls, "")
				}
				calls[tc.Index] += tc.Function.Name + tc.Function.Arguments
			}
			if ch.FinishReason != nil {
				finish += *ch.FinishReason
			}
		}
	}
	if !done || a.StatusCode != 200 {
		return fmt.Sprintf("%d, no end: %s", a.StatusCode, a.body)
	}
	return fmt.Sprintf("%q %v %s %d+%d", text, calls, finish, in, out)
}

// errorOf sums up what an OpenAI client reads in an error.
func errorOf(t *testing.T, a answer) string {
	t.Helper()
	var e struct {
		Error struct{ Type, Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		return err.Error()
	}
	return e.Error.Type + " " + e.Error.Message
}
