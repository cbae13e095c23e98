package openai

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// call is a tool call under way. Its block stays open until its arguments are
// complete and something else begins, as parallel calls may interleave.
type call struct {
	index   int64 // the provider's; noIndex where it sends none
	id      string
	name    string
	custom  bool
	state   *translate.State
	held    []byte // arguments that came before the name
	block   int
	started bool
	closed  bool
	args    tracker
}

const noIndex = -1

// fragment is what one element of tool_calls says.
type fragment struct {
	index     int64
	id, name  string
	args      []byte
	custom    bool
	signature string
}

// toolCall reads an element of tool_calls, or a function_call.
func (d *decoder) toolCall(dec *jsonx.Decoder, legacy bool) {
	f := fragment{index: noIndex}
	if legacy {
		f.index = -2
		f.function(dec)
	} else {
		if dec.Kind() != jsonx.Object {
			dec.Skip()
			return
		}
		for key := range dec.Members() {
			switch string(key) {
			case "index":
				if dec.Kind() == jsonx.Number {
					f.index = int64(dec.Float())
				}
			case "id":
				f.id = d.known(dec)
			case "type":
				if dec.Kind() == jsonx.String {
					f.custom = f.custom || string(dec.StringBytes()) == "custom"
				}
			case "function", "custom":
				f.custom = f.custom || string(key) == "custom"
				f.function(dec)
			case "name", "arguments": // Workers AI has no inner object
				f.functionMember(string(key), dec)
			case "extra_content":
				if dec.Kind() == jsonx.Object {
					f.signature = thoughtSignature(dec)
				}
			}
		}
	}
	if dec.Err() != nil {
		return
	}
	d.fragment(&f)
}

// known reads an ID, without a copy where it is the last call's again.
func (d *decoder) known(dec *jsonx.Decoder) string {
	if dec.Kind() != jsonx.String {
		return scalar(dec)
	}
	b := dec.StringBytes()
	if d.lastCall != nil && d.lastCall.id == string(b) {
		return d.lastCall.id
	}
	return string(b)
}

func (f *fragment) function(dec *jsonx.Decoder) {
	if dec.Kind() != jsonx.Object {
		dec.Skip()
		return
	}
	for key := range dec.Members() {
		f.functionMember(string(key), dec)
	}
}

func (f *fragment) functionMember(key string, dec *jsonx.Decoder) {
	switch key {
	case "name":
		f.name = scalar(dec)
	case "arguments", "input":
		switch dec.Kind() {
		case jsonx.String:
			f.args = dec.StringBytes()
		case jsonx.Object, jsonx.Array: // Mistral, Workers AI
			f.args = dec.Raw()
		default:
			dec.Skip()
		}
	}
}

// find returns the call that a fragment continues; nil for a new one.
// Calls are told by the provider's index, and where that is missing
// or always 0, by their IDs.
func (d *decoder) find(f *fragment) *call {
	switch {
	case f.index != noIndex:
		c := d.byIndex[f.index]
		if c != nil && f.name != "" && (f.id != "" && f.id != c.id || f.id == "" && c.args.complete() && len(f.args) > 0) {
			return nil // another call under the same index
		}
		return c
	case f.id != "":
		return d.byID[f.id]
	case f.name == "" && len(d.calls) > 0:
		return d.calls[len(d.calls)-1]
	}
	return nil
}

func (d *decoder) addCall(c *call) {
	if d.byIndex == nil {
		d.byIndex, d.byID = make(map[int64]*call), make(map[string]*call)
	}
	d.calls = append(d.calls, c)
	d.byIndex[c.index], d.byID[c.id] = c, c
}

func (d *decoder) fragment(f *fragment) {
	c := d.find(f)
	if c == nil {
		if f.id == "" && f.name == "" && len(f.args) == 0 {
			return // Workers AI ends its calls with empty ones
		}
		c = &call{index: f.index, id: f.id, custom: f.custom}
		if c.id == "" {
			c.id = d.callID()
		}
		d.addCall(c)
	}
	d.lastCall = c
	if c.name == "" {
		c.name = f.name
	}
	if f.signature != "" && c.state == nil {
		c.state = &translate.State{Origin: d.o.origin(), Data: f.signature}
	}
	if !c.started {
		if c.name == "" {
			c.held = append(c.held, f.args...)
			return
		}
		d.startCall(c)
	}
	d.arguments(c, f.args)
}

func (d *decoder) startCall(c *call) {
	d.closeText()
	d.closeCalls(false)
	c.started, c.block = true, d.next
	d.openCalls++
	d.next++
	d.emit(translate.Event{Type: translate.EventBlockStart, Index: c.block, Kind: translate.KindToolUse, ID: c.id, Name: c.name, Custom: c.custom, State: c.state})
	held := c.held
	c.held = nil
	d.arguments(c, held)
}

func (d *decoder) arguments(c *call, args []byte) {
	if len(args) == 0 || c.closed || !c.custom && c.args.complete() && blank(args) {
		return
	}
	if !c.custom {
		if c.args.push(args); c.args.complete() {
			d.complete = append(d.complete, c)
		}
	}
	d.emit(translate.Event{Type: translate.EventBlockDelta, Index: c.block, Kind: translate.KindToolUse, Text: args})
}

// closeCalls closes the calls whose arguments are complete, or all of them.
func (d *decoder) closeCalls(all bool) {
	calls := d.complete
	d.complete = d.complete[:0]
	if all {
		calls = d.calls
	}
	for _, c := range calls {
		if all && !c.started {
			d.startCall(c)
		}
		if c.started && !c.closed && (all || c.args.complete()) {
			c.closed = true
			d.openCalls--
			d.emit(translate.Event{Type: translate.EventBlockStop, Index: c.block, Kind: translate.KindToolUse})
		}
	}
}
