package responses

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// decoder turns output items, whole or in deltas, into events. Whole answers
// go through it, too, so that both read the same.
type decoder struct {
	origin string
	yield  func(*translate.Event, error) bool
	over   bool // nobody listens any more

	started  bool
	blocks   []block // those of items that are not done
	next     int
	last     int // the output index seen last, for servers that leave it out
	finished int // items done
	calls    bool
	results  []translate.Citation // not yet tied to a text
	logprobs []byte               // elements of an array
	losses   translate.Losses     // of a stream
	event    translate.Event      // the last one
}

// block is a block under way, or done within an item that is not.
type block struct {
	output, content int
	kind            translate.PartKind
	index           int
	closed          bool
	text            bool // it has deltas
	cited           int
	part            int  // of a summary
	raw             bool // thinking: from reasoning_text rather than the summary
}

func (d *decoder) emit(e translate.Event) {
	d.event = e
	if !d.over && !d.yield(&d.event, nil) {
		d.over = true
	}
}

func (d *decoder) fail(err *translate.Error) {
	if !d.over {
		d.yield(nil, err)
		d.over = true
	}
}

func (d *decoder) start(env *envelope) {
	if !d.started {
		d.started = true
		d.emit(translate.Event{Type: translate.EventStart, ID: env.id, Model: env.model, Created: env.created})
	}
}

func (d *decoder) find(output, content int, kind translate.PartKind) *block {
	for i := range d.blocks {
		if b := &d.blocks[i]; b.output == output && b.content == content && b.kind == kind {
			return b
		}
	}
	return nil
}

// open starts a block with e. An item's own blocks follow one another; those
// of different items may overlap.
func (d *decoder) open(output, content int, e translate.Event) *block {
	d.start(&envelope{})
	for i := range d.blocks {
		if d.blocks[i].output == output {
			d.close(&d.blocks[i], translate.Event{})
		}
	}
	e.Type, e.Index = translate.EventBlockStart, d.next
	d.blocks = append(d.blocks, block{output: output, content: content, kind: e.Kind, index: d.next})
	d.next++
	d.emit(e)
	return &d.blocks[len(d.blocks)-1]
}

func (d *decoder) close(b *block, e translate.Event) {
	if b.closed {
		return
	}
	b.closed = true
	e.Type, e.Kind, e.Index = translate.EventBlockStop, b.kind, b.index
	d.emit(e)
}

func (d *decoder) delta(b *block, text string) {
	if text != "" && !b.closed {
		b.text = true
		d.emit(translate.Event{Type: translate.EventBlockDelta, Kind: b.kind, Index: b.index, Text: []byte(text)})
	}
}

func (d *decoder) cite(b *block, c *translate.Citation) {
	if !b.closed {
		b.cited++
		d.emit(translate.Event{Type: translate.EventBlockDelta, Kind: b.kind, Index: b.index, Citation: c})
	}
}

// textDelta takes a fragment of a message's text or refusal.
func (d *decoder) textDelta(output, content int, kind translate.PartKind, text string) {
	if text == "" {
		return
	}
	b := d.find(output, content, kind)
	if b == nil {
		b = d.open(output, content, translate.Event{Kind: kind})
	}
	d.delta(b, text)
}

// thinkingDelta takes a fragment of a summary's part or, raw, of the reasoning
// itself. Where a provider shows both, the first one counts.
func (d *decoder) thinkingDelta(output, part int, raw bool, id []byte, text string) {
	if text == "" {
		return
	}
	b := d.find(output, 0, translate.KindThinking)
	if b == nil {
		b = d.open(output, 0, translate.Event{Kind: translate.KindThinking, ID: string(id)})
		b.raw, b.part = raw, part
	}
	if b.raw != raw {
		return
	}
	if b.part != part {
		b.part = part
		text = between + text
	}
	d.delta(b, text)
}

// startCall starts a tool call once its ID and name are known.
func (d *decoder) startCall(output int, it *parsedItem) *block {
	id := it.callID
	if id == "" {
		id = it.id
	}
	d.calls = true
	return d.open(output, 0, translate.Event{Kind: translate.KindToolUse, ID: id, Name: it.name, Custom: it.typ == "custom_tool_call"})
}

// addItem takes an item that has been started.
func (d *decoder) addItem(output int, it *parsedItem) {
	d.last = output
	if (it.typ == "function_call" || it.typ == "custom_tool_call") && it.callID != "" && it.name != "" && d.find(output, 0, translate.KindToolUse) == nil {
		d.startCall(output, it)
	}
}

// finishPart completes a message's part with what its deltas have not told.
func (d *decoder) finishPart(output, content int, c *contentItem) {
	if c.kind == translate.KindOpaque {
		if d.find(output, content, c.kind) == nil {
			d.opaque(output, content, &translate.Opaque{Format: translate.Responses, Type: contentPart + c.typ, Raw: c.raw})
		}
		return
	}
	b := d.find(output, content, c.kind)
	if b == nil {
		if c.text == "" {
			return
		}
		b = d.open(output, content, translate.Event{Kind: c.kind})
	}
	if b.closed {
		return
	}
	if !b.text {
		d.delta(b, c.text)
	}
	for i := b.cited; i < len(c.citations); i++ {
		d.cite(b, &c.citations[i])
	}
	if c.kind == translate.KindText && b.cited == 0 {
		for i := range d.results {
			d.cite(b, &d.results[i])
		}
		d.results = nil
	}
	d.close(b, translate.Event{})
}

func (d *decoder) opaque(output, content int, o *translate.Opaque) {
	d.close(d.open(output, content, translate.Event{Kind: translate.KindOpaque, Part: o}), translate.Event{})
}

// finishItem completes an item with what its deltas have not told.
func (d *decoder) finishItem(output int, it *parsedItem) {
	d.finished++
	switch it.typ {
	case "message":
		for i := range it.parts {
			d.finishPart(output, i, &it.parts[i])
			d.addLogprobs(it.parts[i].logprobs)
		}
	case "reasoning":
		d.finishThinking(output, it)
	case "function_call", "custom_tool_call":
		b := d.find(output, 0, translate.KindToolUse)
		if b == nil {
			b = d.startCall(output, it)
		}
		if !b.text {
			d.delta(b, it.args)
		}
		d.close(b, translate.Event{})
	case "search_results":
		d.addResults(it.results)
	default:
		d.opaque(output, 0, &translate.Opaque{Format: translate.Responses, Type: it.typ, Raw: it.raw})
	}
	rest := d.blocks[:0]
	for i := range d.blocks {
		b := &d.blocks[i]
		if b.output != output {
			rest = append(rest, *b)
			continue
		}
		d.close(b, translate.Event{})
	}
	d.blocks = rest
}

// finishThinking ends a reasoning item. One without text and state tells
// nothing but that there was reasoning, and is left out.
func (d *decoder) finishThinking(output int, it *parsedItem) {
	b, text := d.find(output, 0, translate.KindThinking), it.thinking()
	if b == nil {
		if text == "" && it.encrypted == "" {
			return
		}
		b = d.open(output, 0, translate.Event{Kind: translate.KindThinking, ID: it.id})
	}
	if !b.text {
		d.delta(b, text)
	}
	stop := translate.Event{ID: it.id}
	if it.encrypted != "" {
		stop.State = &translate.State{Origin: d.origin, Data: it.encrypted}
	}
	d.close(b, stop)
}

func (d *decoder) addResults(results []translate.Citation) {
next:
	for _, c := range results {
		for i := range d.results {
			if d.results[i].URL == c.URL {
				continue next
			}
		}
		if len(d.results) == translate.MaxSources {
			return
		}
		d.results = append(d.results, c)
	}
}

func (d *decoder) addLogprobs(raw []byte) {
	if len(raw) < 2 || raw[0] != '[' || len(raw[1:len(raw)-1]) == 0 {
		return
	}
	if d.logprobs != nil {
		d.logprobs = append(d.logprobs, ',')
	}
	d.logprobs = append(d.logprobs, raw[1:len(raw)-1]...)
}

// finish ends the answer. The response's own output fills in what the stream
// has left out.
func (d *decoder) finish(env *envelope) {
	d.start(env)
	if env.output != nil && (d.finished == 0 || len(d.blocks) > 0) {
		all, items := d.finished == 0, jsonx.NewDecoder(env.output)
		for i := range items.Elements() {
			if all || d.isOpen(i) {
				it := parseItem(items)
				d.finishItem(i, &it)
			}
		}
		if err := items.Err(); err != nil {
			d.fail(translate.Malformed(err))
			return
		}
	}
	for i := range d.blocks {
		d.close(&d.blocks[i], translate.Event{})
	}
	d.emit(translate.Event{Type: translate.EventStop, Finish: env.finish(d.calls), Usage: env.usage, ServiceTier: env.tier, Losses: d.losses})
	d.over = true
}

func (d *decoder) isOpen(output int) bool {
	for i := range d.blocks {
		if d.blocks[i].output == output {
			return true
		}
	}
	return false
}
