package anthropic

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

const (
	maxToolName = 128
	maxToolID   = 64
)

// chosenTools returns the tools without those that the choice leaves out. A
// choice of one tool by name needs no filter.
func (w *requestWriter) chosenTools() []translate.Tool {
	c := w.r.ToolChoice
	if len(c.Names) == 0 || c.Mode == translate.ToolNone || len(c.Names) == 1 && c.Mode == translate.ToolRequired {
		return w.r.Tools
	}
	var out []translate.Tool
	named := c.Named()
	for _, t := range w.r.Tools {
		if named[t.Name] {
			out = append(out, t)
		}
	}
	return out
}

func (w *requestWriter) writeTools() {
	if len(w.tools) == 0 {
		return
	}
	e := &w.e
	e.Key("tools").Array()
	for i := range w.tools {
		w.tool(&w.tools[i], "tools["+strconv.Itoa(i)+"]")
	}
	e.EndArray()
	w.toolChoice()
}

func (w *requestWriter) tool(t *translate.Tool, at string) {
	e := &w.e
	if t.Kind == translate.HostedTool {
		e.Raw(t.Raw)
		return
	}
	e.Object().Key("name").String(w.toolName(t.Name, at+".name"))
	if t.Description != "" {
		e.Key("description").String(t.Description)
	}
	strict := t.Strict != nil && *t.Strict
	switch {
	case t.Kind == translate.CustomTool:
		w.losses.Add(at, "a tool with free text is sent as one with the text as its argument")
		e.Key("input_schema").Raw([]byte(customSchema))
	case strict && w.r.Format != translate.Anthropic:
		e.Key("input_schema").Raw(w.lowerSchema(objectSchema(t.Schema), at+".parameters"))
	default:
		e.Key("input_schema").Raw(objectSchema(t.Schema))
	}
	if t.Strict != nil && (strict || w.r.Format == translate.Anthropic) {
		e.Key("strict").Bool(strict)
	}
	if w.r.Format == translate.Anthropic {
		for _, m := range t.Extra {
			e.KeyString(m.Name).Raw(m.Value)
		}
	}
	w.mark(t.Cache, at)
	e.EndObject()
}

// customSchema is what ToolUse.InputObject makes of free text.
const customSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// objectSchema returns schema with the type that the provider demands.
func objectSchema(schema []byte) []byte {
	if emptyObject(schema) || jsonx.KindOf(schema) != jsonx.Object {
		return []byte(`{"type":"object","properties":{}}`)
	}
	d := jsonx.NewDecoder(schema)
	for k := range d.Members() {
		if string(k) == "type" {
			return schema
		}
	}
	out, err := jsonx.Splice(nil, schema, jsonx.Edit{Name: "type", Value: []byte(`"object"`)})
	if err != nil {
		return schema
	}
	return out
}

func (w *requestWriter) toolName(name, at string) string {
	if _, ok := translate.FitName(name, maxToolName); !ok {
		w.refusef(at, "%q is no name of a tool for the provider: 1 to %d letters, digits, _ or -", name, maxToolName)
	}
	return name
}

func (w *requestWriter) toolChoice() {
	c, parallel := w.r.ToolChoice, w.r.ParallelTools
	typ, name := "", ""
	switch c.Mode {
	case translate.ToolAuto:
		typ = "auto"
	case translate.ToolNone:
		typ = "none"
	case translate.ToolRequired:
		typ = "any"
		if len(c.Names) == 1 {
			typ, name = "tool", c.Names[0]
		}
		if w.rule.NoForcedTool {
			w.losses.Add("tool_choice", "the model cannot be made to use a tool")
			typ, name = "auto", ""
		}
	}
	if typ == "" {
		if parallel == nil || *parallel {
			return
		}
		typ = "auto"
	}
	e := &w.e
	e.Key("tool_choice").Object().Key("type").String(typ)
	if name != "" {
		e.Key("name").String(name)
	}
	if parallel != nil && typ != "none" {
		e.Key("disable_parallel_tool_use").Bool(!*parallel)
	}
	e.EndObject()
}

// fillResults answers the tool calls that have no result.
func (w *requestWriter) fillResults() {
	var out []translate.Message
	for i := 0; i < len(w.turns); i++ {
		m := w.turns[i]
		out = append(out, m)
		if m.Role != translate.Assistant {
			continue
		}
		var next translate.Message
		follows := i+1 < len(w.turns) && w.turns[i+1].Role == translate.User
		if follows {
			next = w.turns[i+1]
		}
		var parts []translate.Part
		for _, p := range m.Parts {
			if u, ok := p.(*translate.ToolUse); ok && !answered(next, u.ID) {
				w.losses.Add("messages", "the tool call "+strconv.Quote(u.ID)+" has no result; an error result is sent")
				parts = append(parts, &translate.ToolResult{ToolUseID: u.ID, IsError: true,
					Parts: []translate.Part{&translate.Text{Text: "The tool gave no result."}}})
			}
		}
		if len(parts) == 0 {
			continue
		}
		if follows {
			i++
		}
		out = append(out, translate.Message{Role: translate.User, Parts: append(parts, next.Parts...)})
	}
	w.turns = out
}

func answered(m translate.Message, id string) bool {
	for _, p := range m.Parts {
		if t, ok := p.(*translate.ToolResult); ok && t.ToolUseID == id {
			return true
		}
	}
	return false
}
