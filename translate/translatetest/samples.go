package translatetest

import (
	"encoding/json"

	"github.com/go-llmproxy/llmproxy/translate"
)

func text(s string) translate.Part { return &translate.Text{Text: s} }

func user(parts ...translate.Part) translate.Message {
	return translate.Message{Role: translate.User, Parts: parts}
}

func assistant(parts ...translate.Part) translate.Message {
	return translate.Message{Role: translate.Assistant, Parts: parts}
}

func ptr[T any](v T) *T { return &v }

// Requests returns requests that hold the concepts of the model, by name. Each
// call of a function builds its request anew.
func Requests() map[string]func() *translate.Request {
	conversation := func(messages ...translate.Message) func() *translate.Request {
		return func() *translate.Request {
			return &translate.Request{Format: "translatetest", Messages: append([]translate.Message(nil), messages...)}
		}
	}
	tools := []translate.Tool{
		{Kind: translate.FunctionTool, Name: "f", Description: "does f", Schema: json.RawMessage(`{"type":"object","properties":{"x":{"type":"integer","description":"<x>"}},"required":["x"]}`)},
		{Kind: translate.FunctionTool, Name: "g", Description: "does g"},
	}
	with := func(change func(r *translate.Request)) func() *translate.Request {
		return func() *translate.Request {
			r := conversation(user(text("hi")))()
			change(r)
			return r
		}
	}
	return map[string]func() *translate.Request{
		"text":   conversation(user(text("hi \"there\" <b> ünï\n"))),
		"system": conversation(translate.Message{Role: translate.System, Parts: []translate.Part{text("be brief")}}, user(text("hi"))),
		"system anywhere": conversation(translate.Message{Role: translate.System, Parts: []translate.Part{text("a")}}, user(text("hi")), assistant(text("yes")),
			translate.Message{Role: translate.Developer, Parts: []translate.Part{text("b")}}, user(text("go on"))),
		"turns":  conversation(user(text("1")), user(text("2")), assistant(text("3")), user(text("4"))),
		"image":  conversation(user(text("what is it?"), &translate.Media{Kind: translate.Image, MIMEType: "image/png", Data: "aGk="})),
		"url":    conversation(user(&translate.Media{Kind: translate.Image, URL: "https://example.com/a.png"}, text("?"))),
		"pdf":    conversation(user(&translate.Media{Kind: translate.File, MIMEType: "application/pdf", Data: "aGk=", Name: "a.pdf"}, text("?"))),
		"stream": with(func(r *translate.Request) { r.Stream = true }),
		"tools": func() *translate.Request {
			r := conversation(user(text("go")),
				assistant(text("I will"), &translate.ToolUse{ID: "call_1", Name: "f", Input: json.RawMessage(`{"x":12345678901234567890}`)}, &translate.ToolUse{ID: "call_2", Name: "f", Input: json.RawMessage(`{}`)}),
				user(&translate.ToolResult{ToolUseID: "call_1", Parts: []translate.Part{text("one")}}), user(&translate.ToolResult{ToolUseID: "call_2", IsError: true, Parts: []translate.Part{text("two")}}, text("and?")))()
			r.Tools = tools
			return r
		},
		"tool choice": with(func(r *translate.Request) {
			r.Tools, r.ToolChoice = tools, translate.ToolChoice{Mode: translate.ToolRequired, Names: []string{"f"}}
		}),
		"structured output": with(func(r *translate.Request) {
			r.Output = translate.Output{Type: translate.OutputSchema, Name: "n", Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`)}
		}),
		"parameters": with(func(r *translate.Request) {
			r.MaxTokens, r.Temperature, r.TopP, r.Stop, r.Seed = ptr(int64(100)), ptr(0.5), ptr(0.9), []string{"x", "y"}, ptr(int64(7))
			r.User, r.Metadata, r.Reasoning.Effort = "u", map[string]string{"b": "2", "a": "1"}, ""
		}),
		"reasoning": with(func(r *translate.Request) { r.Reasoning.Effort = "medium" }),
		"cache": conversation(translate.Message{Role: translate.System, Parts: []translate.Part{&translate.Text{Text: "s", Cache: &translate.CacheMark{}}}},
			user(&translate.Text{Text: "q", Cache: &translate.CacheMark{TTL: "1h"}})),
		"foreign thinking": conversation(user(text("q")), assistant(&translate.Thinking{Text: "t", State: &translate.State{Origin: "nobody", Data: "x"}}, text("a")), user(text("q2"))),
	}
}

// Answers returns answers that every format can give, by name.
func Answers() map[string]func() *translate.Response {
	usage := func() *translate.Usage { return &translate.Usage{Input: 10, CacheRead: 5, Output: 7} }
	answer := func(reason translate.FinishReason, parts ...translate.Part) func() *translate.Response {
		return func() *translate.Response {
			return &translate.Response{ID: "id_1", Model: "m", Created: 1700000000, Parts: parts, Finish: translate.Finish{Reason: reason}, Usage: usage()}
		}
	}
	return map[string]func() *translate.Response{
		"text":   answer(translate.FinishStop, text("hi \"there\" <b>\nünï")),
		"length": answer(translate.FinishLength, text("hi")),
		"tools": answer(translate.FinishToolUse, text("I will"), &translate.ToolUse{ID: "call_1", Name: "f", Input: json.RawMessage(`{"x":1}`)},
			&translate.ToolUse{ID: "call_2", Name: "f", Input: json.RawMessage(`{}`)}),
	}
}

// Interleaved returns the events of an answer whose tool calls come mixed, as
// OpenAI's do, with pings among them.
func Interleaved() []translate.Event {
	call := func(typ translate.EventType, i int, text string) translate.Event {
		e := translate.Event{Type: typ, Index: i, Kind: translate.KindToolUse, Text: []byte(text)}
		if typ == translate.EventBlockStart {
			e.ID, e.Name = "call_"+string(rune('0'+i)), "f"
		}
		return e
	}
	return []translate.Event{
		{Type: translate.EventStart, ID: "id_1", Model: "m", Created: 1700000000},
		{Type: translate.EventBlockStart, Kind: translate.KindText},
		{Type: translate.EventBlockDelta, Kind: translate.KindText, Text: []byte("I ")},
		{Type: translate.EventPing},
		{Type: translate.EventBlockDelta, Kind: translate.KindText, Text: []byte("will")},
		{Type: translate.EventBlockStop, Kind: translate.KindText},
		call(translate.EventBlockStart, 1, ""),
		call(translate.EventBlockDelta, 1, `{"x"`),
		call(translate.EventBlockStart, 2, ""),
		call(translate.EventBlockDelta, 2, `{"y":`),
		call(translate.EventBlockDelta, 1, `:1}`),
		call(translate.EventBlockStop, 1, ""),
		call(translate.EventBlockDelta, 2, `2}`),
		call(translate.EventBlockStart, 3, ""),
		call(translate.EventBlockStop, 2, ""),
		call(translate.EventBlockStop, 3, ""),
		{Type: translate.EventStop, Finish: translate.Finish{Reason: translate.FinishToolUse}, Usage: &translate.Usage{Input: 1, Output: 2}},
	}
}
