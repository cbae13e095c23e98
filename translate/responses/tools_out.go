package responses

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

func (w *requestWriter) tools() {
	r := w.r
	if len(r.Tools) > 0 {
		w.e.Key("tools").Array()
		for i := range r.Tools {
			w.tool("tools["+strconv.Itoa(i)+"]", &r.Tools[i])
		}
		w.e.EndArray()
	}
	w.toolChoice()
	if r.ParallelTools != nil {
		w.e.Key("parallel_tool_calls").Bool(*r.ParallelTools)
	}
}

func (w *requestWriter) tool(path string, t *translate.Tool) {
	if t.Kind == translate.HostedTool {
		if t.Format != translate.Responses {
			w.fail(path, "the tool "+strconv.Quote(t.Name)+" is run by another provider")
			return
		}
		w.e.Raw(t.Raw)
		return
	}
	if _, ok := translate.FitName(t.Name, 128); !ok {
		w.fail(path+".name", "the provider takes tool names of up to 128 letters, digits, _ and -, not "+strconv.Quote(t.Name))
		return
	}
	appendTool(&w.e, t, w.own)
	if t.Cache != nil {
		w.lose(path+".cache_control", "the provider decides by itself what it caches")
	}
}

// appendTool writes the definition of a client's tool. An absent strict means
// true here and false elsewhere, so only a client of this format may leave it
// out.
func appendTool(e *jsonx.Encoder, t *translate.Tool, own bool) {
	e.Object()
	if t.Kind == translate.CustomTool {
		e.Key("type").String("custom").Key("name").String(t.Name)
		if t.Description != "" {
			e.Key("description").String(t.Description)
		}
		if len(t.Raw) > 0 {
			e.Key("format").Raw(flatFormat(t))
		}
		e.EndObject()
		return
	}
	e.Key("type").String("function").Key("name").String(t.Name)
	if t.Description != "" {
		e.Key("description").String(t.Description)
	}
	if len(t.Schema) > 0 {
		e.Key("parameters").Raw(t.Schema)
	} else if !own {
		e.Key("parameters").Object().Key("type").String("object").Key("properties").Object().EndObject().EndObject()
	}
	if t.Strict != nil {
		e.Key("strict").Bool(*t.Strict)
	} else if !own {
		e.Key("strict").Bool(false)
	}
	e.EndObject()
}

// flatFormat returns a custom tool's format as Responses has it: Chat keeps a
// grammar in an object of its own.
func flatFormat(t *translate.Tool) []byte {
	if t.Format != translate.OpenAI {
		return t.Raw
	}
	found, err := jsonx.Top(t.Raw, "grammar")
	if err != nil || found[0] == nil || jsonx.KindOf(found[0]) != jsonx.Object {
		return t.Raw
	}
	flat, err := jsonx.Splice(nil, found[0], jsonx.Edit{Name: "type", Value: []byte(`"grammar"`)})
	if err != nil {
		return t.Raw
	}
	return flat
}

func (w *requestWriter) toolChoice() {
	c, e := w.r.ToolChoice, &w.e
	switch {
	case c.Mode == "" && len(c.Names) == 0:
		return
	case len(c.Names) == 0:
		e.Key("tool_choice").String(string(c.Mode))
	case len(c.Names) == 1 && c.Mode == translate.ToolRequired:
		e.Key("tool_choice")
		w.toolRefs(c.Names)
	default:
		mode := c.Mode
		if mode == "" {
			mode = translate.ToolAuto
		}
		e.Key("tool_choice").Object().Key("type").String("allowed_tools").Key("mode").String(string(mode)).Key("tools").Array()
		w.toolRefs(c.Names)
		e.EndArray().EndObject()
	}
}

// toolRefs names tools. A hosted one has no name but its type.
func (w *requestWriter) toolRefs(names []string) {
	kinds := map[string]translate.ToolKind{}
	for i := range w.r.Tools {
		if t := &w.r.Tools[i]; t.Kind == translate.HostedTool || t.Kind == translate.CustomTool && kinds[t.Name] == "" {
			kinds[t.Name] = t.Kind
		}
	}
	for _, name := range names {
		switch kinds[name] {
		case translate.HostedTool:
			w.e.Object().Key("type").String(name).EndObject()
		case translate.CustomTool:
			w.e.Object().Key("type").String("custom").Key("name").String(name).EndObject()
		default:
			w.e.Object().Key("type").String("function").Key("name").String(name).EndObject()
		}
	}
}
