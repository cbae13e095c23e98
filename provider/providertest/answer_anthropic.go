package providertest

func (a *Answer) messageUsage() object {
	return object{"input_tokens": a.Input - a.Cached, "cache_read_input_tokens": a.Cached, "cache_creation_input_tokens": 0, "output_tokens": a.Output}
}

func (a *Answer) blocks() list {
	blocks := list{}
	if a.Thinking != "" || a.Signature != "" {
		blocks = append(blocks, object{"type": "thinking", "thinking": a.Thinking, "signature": a.Signature})
	}
	if a.Text != "" {
		blocks = append(blocks, object{"type": "text", "text": a.Text})
	}
	for _, c := range a.Tools {
		blocks = append(blocks, object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": c.input()})
	}
	return blocks
}

func (a *Answer) message() object {
	return object{
		"id": a.ID, "type": "message", "role": "assistant", "model": a.Model, "content": a.blocks(),
		"stop_reason": a.finish("end_turn", "max_tokens", "tool_use", "refusal"), "stop_sequence": nil, "usage": a.messageUsage(),
	}
}

func (a *Answer) streamMessage(r *Reply) {
	event := func(kind string, o object) {
		o["type"] = kind
		r.event(kind, o)
	}
	start := a.message()
	usage := a.messageUsage()
	usage["output_tokens"] = 1
	start["content"], start["stop_reason"], start["usage"] = list{}, nil, usage
	event("message_start", object{"message": start})
	event("ping", object{})
	var calls [][]func()
	for i, it := range a.blocks() {
		b := it.(object)
		delta := func(o object) { event("content_block_delta", object{"index": i, "delta": o}) }
		switch b["type"] {
		case "thinking":
			event("content_block_start", object{"index": i, "content_block": object{"type": "thinking", "thinking": "", "signature": ""}})
			for _, w := range a.words(a.Thinking) {
				delta(object{"type": "thinking_delta", "thinking": w})
			}
			if a.Signature != "" {
				delta(object{"type": "signature_delta", "signature": a.Signature})
			}
		case "text":
			event("content_block_start", object{"index": i, "content_block": object{"type": "text", "text": ""}})
			for _, w := range a.words(a.Text) {
				delta(object{"type": "text_delta", "text": w})
			}
		case "tool_use":
			steps := []func(){func() {
				event("content_block_start", object{"index": i, "content_block": object{"type": "tool_use", "id": b["id"], "name": b["name"], "input": object{}}})
			}}
			for _, w := range a.halves(string(marshal(b["input"]))) {
				steps = append(steps, func() { delta(object{"type": "input_json_delta", "partial_json": w}) })
			}
			calls = append(calls, append(steps, func() { event("content_block_stop", object{"index": i}) }))
			continue // calls come last
		}
		event("content_block_stop", object{"index": i})
	}
	a.order(calls)
	event("message_delta", object{
		"delta": object{"stop_reason": a.finish("end_turn", "max_tokens", "tool_use", "refusal"), "stop_sequence": nil}, "usage": object{"output_tokens": a.Output},
	})
	event("message_stop", object{})
}
