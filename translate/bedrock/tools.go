package bedrock

import (
	"slices"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

var emptySchema = []byte(`{"type":"object","properties":{}}`)

// toolConfig writes the tools that may be called. Converse has no word for
// "none": the tools are left out then, unless the conversation holds calls,
// which Bedrock refuses without tools.
func (w *writer) toolConfig() {
	choice := w.r.ToolChoice
	tools := make(map[string]bool, len(w.r.Tools))
	for i := range w.r.Tools {
		tools[w.r.Tools[i].Name] = true
	}
	chosen := choice.Named()
	for _, name := range choice.Names {
		if !tools[name] {
			w.fail("tool_choice", "there is no tool "+strconv.Quote(name))
		}
	}
	if len(w.r.Tools) == 0 && choice.Mode == translate.ToolRequired {
		w.fail("tool_choice", "a tool is required and there are none")
	}
	called := w.calledTools()
	if len(called) == 0 && (len(w.r.Tools) == 0 || choice.Mode == translate.ToolNone) {
		return
	}
	w.Key("toolConfig").Object().Key("tools").Array()
	for i := range w.r.Tools {
		if t := &w.r.Tools[i]; len(chosen) == 0 || chosen[t.Name] || t.Kind != translate.FunctionTool {
			w.tool(t, i)
		}
	}
	if len(w.r.Tools) == 0 {
		w.losses.Add("tools", "Bedrock wants tools where the conversation holds calls, so those called are declared again")
		for _, name := range called {
			w.Object().Key("toolSpec").Object().Key("name").String(name)
			w.Key("inputSchema").Object().Key("json").Raw(emptySchema).EndObject().EndObject().EndObject()
		}
	}
	w.EndArray()
	switch {
	case choice.Mode == translate.ToolNone:
		w.losses.Add("tool_choice", "Bedrock cannot keep the model from calling the tools, which the conversation needs")
	case choice.Mode == translate.ToolRequired && len(choice.Names) == 1:
		w.Key("toolChoice").Object().Key("tool").Object().Key("name").String(choice.Names[0]).EndObject().EndObject()
	case choice.Mode == translate.ToolRequired:
		w.Key("toolChoice").Object().Key("any").Object().EndObject().EndObject()
	}
	w.EndObject()
}

func (w *writer) tool(t *translate.Tool, i int) {
	path := "tools[" + strconv.Itoa(i) + "]"
	if t.Kind == translate.HostedTool || t.Kind == translate.CustomTool {
		w.fail(path, "Converse knows function tools only, not "+string(t.Kind)+" ones")
		return
	}
	w.Object().Key("toolSpec").Object().Key("name").String(w.toolName(t.Name, nil, path))
	if t.Description != "" {
		w.Key("description").String(t.Description)
	}
	w.Key("inputSchema").Object().Key("json")
	if jsonx.KindOf(t.Schema) == jsonx.Object && !slices.Equal(t.Schema, []byte("{}")) {
		w.Raw(t.Schema)
	} else {
		w.Raw(emptySchema)
	}
	w.EndObject()
	if t.Strict != nil && *t.Strict {
		w.Key("strict").Bool(true)
	}
	w.EndObject().EndObject()
	switch {
	case t.Cache == nil:
	case w.fam.cacheTools:
		w.cachePoint(t.Cache, nil)
	default:
		w.noCache(path, nil)
	}
}

// calledTools returns the names of the tools that the conversation calls, or
// holds results of, in order.
func (w *writer) calledTools() (names []string) {
	known := map[string]bool{"": true}
	add := func(name string) {
		if !known[name] {
			known[name] = true
			names = append(names, name)
		}
	}
	for i := range w.turns {
		for _, p := range w.turns[i].Parts {
			switch p := p.(type) {
			case *translate.ToolUse:
				add(p.Name)
			case *translate.ToolResult:
				add(p.Name)
			}
		}
	}
	return names
}
