package providertest

import (
	"net/http"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
)

// Gemini.

func (a *Answer) geminiParts() list {
	parts := list{}
	if a.Thinking != "" {
		parts = append(parts, object{"text": a.Thinking, "thought": true})
	}
	if a.Text != "" {
		parts = append(parts, object{"text": a.Text})
	}
	for i, c := range a.Tools {
		p := object{"functionCall": object{"id": c.ID, "name": c.Name, "args": c.input()}}
		if i == 0 && a.Signature != "" {
			p["thoughtSignature"] = a.Signature
		}
		parts = append(parts, p)
	}
	return parts
}

func (a *Answer) candidate(parts list, last bool) object {
	c := object{"content": object{"role": "model", "parts": parts}, "index": 0}
	usage := object{"promptTokenCount": a.Input, "totalTokenCount": a.Input}
	if a.Cached > 0 {
		usage["cachedContentTokenCount"] = a.Cached
	}
	if last {
		c["finishReason"] = a.finish("STOP", "MAX_TOKENS", "STOP", "SAFETY")
		usage["candidatesTokenCount"], usage["totalTokenCount"] = a.Output, a.Input+a.Output
	}
	return object{"candidates": list{c}, "usageMetadata": usage, "modelVersion": a.Model, "responseId": a.ID}
}

// streamGemini streams by SSE, or as the array that grows where alt=sse is
// missing.
func (a *Answer) streamGemini(r *Reply, array bool) {
	var chunks []object
	for _, it := range a.geminiParts() {
		p := it.(object)
		text, ok := p["text"].(string)
		if !ok {
			chunks = append(chunks, a.candidate(list{p}, false))
			continue
		}
		for _, w := range a.words(text) {
			piece := object{"text": w}
			if p["thought"] == true {
				piece["thought"] = true
			}
			chunks = append(chunks, a.candidate(list{piece}, false))
		}
	}
	chunks = append(chunks, a.candidate(list{object{"text": ""}}, true))
	if !array {
		for _, c := range chunks {
			r.event("", c)
		}
		return
	}
	r.Header = http.Header{"Content-Type": {"application/json"}}
	for i, c := range chunks {
		sep := ",\r\n"
		if i == 0 {
			sep = "["
		}
		r.Chunks = append(r.Chunks, append([]byte(sep), marshal(c)...))
	}
	r.Chunks = append(r.Chunks, []byte("]"))
}

// Cohere.

func (a *Answer) cohereUsage() object {
	return object{"billed_units": object{"input_tokens": a.Input, "output_tokens": a.Output}, "tokens": object{"input_tokens": a.Input, "output_tokens": a.Output}, "cached_tokens": a.Cached}
}

func (a *Answer) cohere() object {
	content := list{}
	if a.Thinking != "" {
		content = append(content, object{"type": "thinking", "thinking": a.Thinking})
	}
	if a.Text != "" {
		content = append(content, object{"type": "text", "text": a.Text})
	}
	m := object{"role": "assistant", "content": content}
	if len(a.Tools) > 0 {
		calls := list{}
		for _, c := range a.Tools {
			calls = append(calls, object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": c.arguments()}})
		}
		m["tool_calls"] = calls
	}
	return object{"id": a.ID, "finish_reason": a.finish("COMPLETE", "MAX_TOKENS", "TOOL_CALL", "ERROR_TOXIC"), "message": m, "usage": a.cohereUsage()}
}

func (a *Answer) streamCohere(r *Reply) {
	event := func(kind string, o object) {
		o["type"] = kind
		r.event(kind, o)
	}
	message := func(o object) object { return object{"message": o} }
	event("message-start", object{"id": a.ID, "delta": message(object{"role": "assistant", "content": list{}, "tool_plan": "", "tool_calls": list{}, "citations": list{}})})
	n := 0
	block := func(kind, text string) {
		if text == "" {
			return
		}
		event("content-start", object{"index": n, "delta": message(object{"content": object{"type": kind, kind: ""}})})
		for _, w := range a.words(text) {
			event("content-delta", object{"index": n, "delta": message(object{"content": object{kind: w}})})
		}
		event("content-end", object{"index": n})
		n++
	}
	block("thinking", a.Thinking)
	block("text", a.Text)
	for i, c := range a.Tools {
		event("tool-call-start", object{"index": i, "delta": message(object{"tool_calls": object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": ""}}})})
		for _, w := range a.halves(c.arguments()) {
			event("tool-call-delta", object{"index": i, "delta": message(object{"tool_calls": object{"function": object{"arguments": w}}})})
		}
		event("tool-call-end", object{"index": i})
	}
	event("message-end", object{"delta": object{"finish_reason": a.finish("COMPLETE", "MAX_TOKENS", "TOOL_CALL", "ERROR_TOXIC"), "usage": a.cohereUsage()}})
}

// Bedrock Converse.

func (a *Answer) converseUsage() object {
	return object{
		"inputTokens": a.Input - a.Cached, "outputTokens": a.Output, "totalTokens": a.Input + a.Output, "cacheReadInputTokens": a.Cached, "cacheWriteInputTokens": 0,
	}
}

func (a *Answer) converse() object {
	content := list{}
	if a.Thinking != "" {
		content = append(content, object{"reasoningContent": object{"reasoningText": object{"text": a.Thinking, "signature": a.Signature}}})
	}
	if a.Text != "" {
		content = append(content, object{"text": a.Text})
	}
	for _, c := range a.Tools {
		content = append(content, object{"toolUse": object{"toolUseId": c.ID, "name": c.Name, "input": c.input()}})
	}
	return object{
		"output": object{"message": object{"role": "assistant", "content": content}}, "metrics": object{"latencyMs": 1},
		"stopReason": a.finish("end_turn", "max_tokens", "tool_use", "content_filtered"), "usage": a.converseUsage(),
	}
}

func (a *Answer) streamConverse(r *Reply) {
	r.Header = http.Header{"Content-Type": {"application/vnd.amazon.eventstream"}}
	event := func(kind string, o object) {
		r.Chunks = append(r.Chunks, eventstream.AppendEvent(nil, kind, marshal(o)))
	}
	event("messageStart", object{"role": "assistant"})
	n := 0
	delta := func(o object) { event("contentBlockDelta", object{"contentBlockIndex": n, "delta": o}) }
	stop := func() {
		event("contentBlockStop", object{"contentBlockIndex": n})
		n++
	}
	if a.Thinking != "" {
		for _, w := range a.words(a.Thinking) {
			delta(object{"reasoningContent": object{"text": w}})
		}
		if a.Signature != "" {
			delta(object{"reasoningContent": object{"signature": a.Signature}})
		}
		stop()
	}
	if a.Text != "" {
		for _, w := range a.words(a.Text) {
			delta(object{"text": w})
		}
		stop()
	}
	for _, c := range a.Tools {
		event("contentBlockStart", object{"contentBlockIndex": n, "start": object{"toolUse": object{"toolUseId": c.ID, "name": c.Name}}})
		for _, w := range a.halves(c.arguments()) {
			delta(object{"toolUse": object{"input": w}})
		}
		stop()
	}
	event("messageStop", object{"stopReason": a.finish("end_turn", "max_tokens", "tool_use", "content_filtered")})
	event("metadata", object{"usage": a.converseUsage(), "metrics": object{"latencyMs": 1}})
}
