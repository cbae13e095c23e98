package providertest

import "encoding/json"

func (a *Answer) completionUsage() object {
	return object{
		"prompt_tokens": a.Input, "completion_tokens": a.Output, "total_tokens": a.Input + a.Output,
		"prompt_tokens_details": object{"cached_tokens": a.Cached},
	}
}

func (a *Answer) completion() any {
	m := object{"role": "assistant", "content": a.Text}
	if a.Thinking != "" {
		m["reasoning_content"] = a.Thinking
	}
	if len(a.Tools) > 0 {
		calls := list{}
		for _, c := range a.Tools {
			calls = append(calls, object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": c.arguments()}})
		}
		m["tool_calls"] = calls
		if a.Text == "" {
			m["content"] = nil
		}
	}
	return object{
		"id": a.ID, "object": "chat.completion", "created": 1700000000, "model": a.Model,
		"choices": list{object{"index": 0, "message": m, "finish_reason": a.finish("stop", "length", "tool_calls", "content_filter")}},
		"usage":   a.completionUsage(),
	}
}

func (a *Answer) streamCompletion(r *Reply, q *Request) {
	var asked struct {
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	_ = json.Unmarshal(q.Body, &asked)
	chunk := func(delta object, finish any) {
		r.event("", object{
			"id": a.ID, "object": "chat.completion.chunk", "created": 1700000000, "model": a.Model,
			"choices": list{object{"index": 0, "delta": delta, "finish_reason": finish}},
		})
	}
	chunk(object{"role": "assistant", "content": ""}, nil)
	for _, w := range a.words(a.Thinking) {
		chunk(object{"reasoning_content": w}, nil)
	}
	for _, w := range a.words(a.Text) {
		chunk(object{"content": w}, nil)
	}
	var calls [][]func()
	for i, c := range a.Tools {
		call := func(c object) func() {
			c["index"] = i
			return func() { chunk(object{"tool_calls": list{c}}, nil) }
		}
		steps := []func(){call(object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": ""}})}
		for _, part := range a.halves(c.arguments()) {
			steps = append(steps, call(object{"function": object{"arguments": part}}))
		}
		calls = append(calls, steps)
	}
	a.order(calls)
	chunk(object{}, a.finish("stop", "length", "tool_calls", "content_filter"))
	if asked.StreamOptions.IncludeUsage || a.Usage {
		r.event("", object{
			"id": a.ID, "object": "chat.completion.chunk", "created": 1700000000, "model": a.Model, "choices": list{}, "usage": a.completionUsage(),
		})
	}
	r.Chunks = append(r.Chunks, []byte("data: [DONE]\n\n"))
}

func (a *Answer) responseItems() list {
	items := list{}
	if a.Thinking != "" || a.Signature != "" {
		item := object{"type": "reasoning", "id": "rs_1", "summary": list{object{"type": "summary_text", "text": a.Thinking}}}
		if a.Signature != "" {
			item["encrypted_content"] = a.Signature
		}
		items = append(items, item)
	}
	if a.Text != "" || len(a.Tools) == 0 {
		items = append(items, object{
			"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
			"content": list{object{"type": "output_text", "text": a.Text, "annotations": list{}}},
		})
	}
	for i, c := range a.Tools {
		items = append(items, object{"type": "function_call", "id": "fc_" + itoa(i), "call_id": c.ID, "name": c.Name, "arguments": c.arguments(), "status": "completed"})
	}
	return items
}

func (a *Answer) response(status string, items list) object {
	r := object{"id": a.ID, "object": "response", "created_at": 1700000000, "model": a.Model, "status": status, "output": items}
	if status == "in_progress" {
		return r
	}
	if reason := a.finish("", "max_output_tokens", "", "content_filter"); reason != "" {
		r["status"], r["incomplete_details"] = "incomplete", object{"reason": reason}
	}
	r["usage"] = object{
		"input_tokens": a.Input, "input_tokens_details": object{"cached_tokens": a.Cached},
		"output_tokens": a.Output, "output_tokens_details": object{"reasoning_tokens": 0}, "total_tokens": a.Input + a.Output,
	}
	return r
}

func (a *Answer) streamResponse(r *Reply) {
	n := 0
	event := func(kind string, o object) {
		o["type"], o["sequence_number"] = kind, n
		n++
		r.event(kind, o)
	}
	event("response.created", object{"response": a.response("in_progress", list{})})
	items := a.responseItems()
	var calls [][]func()
	for i, it := range items {
		item := it.(object)
		id := item["id"]
		at := func(o object) object {
			o["item_id"], o["output_index"] = id, i
			return o
		}
		opened := object{}
		for k, v := range item {
			opened[k] = v
		}
		switch item["type"] {
		case "reasoning":
			opened["summary"] = list{}
			delete(opened, "encrypted_content")
			event("response.output_item.added", object{"output_index": i, "item": opened})
			event("response.reasoning_summary_part.added", at(object{"summary_index": 0, "part": object{"type": "summary_text", "text": ""}}))
			for _, w := range a.words(a.Thinking) {
				event("response.reasoning_summary_text.delta", at(object{"summary_index": 0, "delta": w}))
			}
			event("response.reasoning_summary_text.done", at(object{"summary_index": 0, "text": a.Thinking}))
			event("response.reasoning_summary_part.done", at(object{"summary_index": 0, "part": object{"type": "summary_text", "text": a.Thinking}}))
		case "message":
			opened["content"], opened["status"] = list{}, "in_progress"
			event("response.output_item.added", object{"output_index": i, "item": opened})
			event("response.content_part.added", at(object{"content_index": 0, "part": object{"type": "output_text", "text": "", "annotations": list{}}}))
			for _, w := range a.words(a.Text) {
				event("response.output_text.delta", at(object{"content_index": 0, "delta": w}))
			}
			event("response.output_text.done", at(object{"content_index": 0, "text": a.Text}))
			event("response.content_part.done", at(object{"content_index": 0, "part": object{"type": "output_text", "text": a.Text, "annotations": list{}}}))
		case "function_call":
			args := item["arguments"].(string)
			opened["arguments"], opened["status"] = "", "in_progress"
			steps := []func(){func() { event("response.output_item.added", object{"output_index": i, "item": opened}) }}
			for _, w := range a.halves(args) {
				steps = append(steps, func() { event("response.function_call_arguments.delta", at(object{"delta": w})) })
			}
			calls = append(calls, append(steps, func() {
				event("response.function_call_arguments.done", at(object{"arguments": args}))
				event("response.output_item.done", object{"output_index": i, "item": item})
			}))
			continue // calls come last
		}
		event("response.output_item.done", object{"output_index": i, "item": item})
	}
	a.order(calls)
	last := "response.completed"
	if a.Length || a.Filtered {
		last = "response.incomplete"
	}
	event(last, object{"response": a.response("completed", items)})
}
