package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// format is how a client reads an answer's stream: what an event adds to the
// answer, and whether it is the last one, without which the answer was cut.
type format func(e *event) (said string, last bool)

// event has the members of the formats' events that tell text and calls.
type event struct {
	Type  string
	Error any // an error's, in any format

	ContentBlock struct{ Name string } `json:"content_block"` // Messages
	Item         struct{ Name string } // Responses
	Delta        json.RawMessage       // Messages: an object with text; Responses: the text

	Choices []struct { // Chat
		Delta struct {
			Content   string
			ToolCalls []struct{ Function struct{ Name string } } `json:"tool_calls"`
		}
	}
	Candidates []struct { // Gemini
		Content struct {
			Parts []struct {
				Text         string
				Thought      bool
				FunctionCall struct{ Name string }
			}
		}
		FinishReason string
	}
}

// read returns the answer's text, and the names of the tools that it calls.
func (f format) read(stream io.Reader) (said string, err error) {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 16<<20)
	whole := false
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		e := event{Type: "[DONE]"} // of Chat
		if data != e.Type {
			e.Type = ""
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return "", fmt.Errorf("an event is no JSON: %w", err)
			}
		}
		if e.Error != nil || e.Type == "error" {
			return "", fmt.Errorf("an error in the stream: %s", data)
		}
		more, last := f(&e)
		said += more
		whole = whole || last
	}
	switch {
	case lines.Err() != nil:
		return "", lines.Err()
	case !whole:
		return "", errors.New("the stream ends without its last event")
	case said == "":
		return "", errors.New("the answer is empty")
	}
	return said, nil
}

func call(name string) string {
	if name == "" {
		return ""
	}
	return "[calls " + name + "]"
}

func messages(e *event) (said string, last bool) {
	switch e.Type {
	case "content_block_start":
		return call(e.ContentBlock.Name), false
	case "content_block_delta":
		var delta struct{ Text string }
		if json.Unmarshal(e.Delta, &delta) == nil {
			return delta.Text, false
		}
	}
	return "", e.Type == "message_stop"
}

func responses(e *event) (said string, last bool) {
	switch e.Type {
	case "response.output_item.added":
		return call(e.Item.Name), false
	case "response.output_text.delta":
		var text string
		if json.Unmarshal(e.Delta, &text) == nil {
			return text, false
		}
	}
	return "", e.Type == "response.completed"
}

func chat(e *event) (said string, last bool) {
	for _, c := range e.Choices {
		said += c.Delta.Content
		for _, t := range c.Delta.ToolCalls {
			said += call(t.Function.Name)
		}
	}
	return said, e.Type == "[DONE]"
}

func gemini(e *event) (said string, last bool) {
	for _, c := range e.Candidates {
		for _, p := range c.Content.Parts {
			if !p.Thought {
				said += p.Text
			}
			said += call(p.FunctionCall.Name)
		}
		last = c.FinishReason != ""
	}
	return said, last
}
