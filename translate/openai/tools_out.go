package openai

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/go-llmproxy/llmproxy/translate"
)

func (w *requestWriter) tools() {
	e, r := &w.e, w.r
	open := false
	var only map[string]bool
	if w.d.FilterTools && len(r.ToolChoice.Names) > 1 {
		only = r.ToolChoice.Named()
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		if t.Kind == translate.HostedTool && t.Name == "web_search_options" && t.Format == translate.OpenAI {
			continue
		}
		if only != nil && !only[t.Name] {
			continue // the choice is among the others
		}
		if w.d.NoToolChoice && r.ToolChoice.Mode == translate.ToolNone {
			w.lose("tool_choice", "the provider has no tool_choice; the tools are left out instead")
			break
		}
		if !open {
			e.Key("tools").Array()
			open = true
		}
		w.tool(i, t)
	}
	if open {
		e.EndArray()
	}
	w.toolChoice(open)
	if r.ParallelTools != nil {
		if open {
			e.Key("parallel_tool_calls").Bool(*r.ParallelTools)
		} else {
			w.lose("parallel_tool_calls", "there are no tools")
		}
	}
	for i := range r.Tools {
		if t := &r.Tools[i]; t.Kind == translate.HostedTool && t.Name == "web_search_options" && t.Format == translate.OpenAI {
			e.Key("web_search_options").Raw(t.Raw)
		}
	}
}

func (w *requestWriter) tool(i int, t *translate.Tool) {
	e := &w.e
	path := "tools[" + strconv.Itoa(i) + "]"
	if t.Kind == translate.HostedTool {
		if t.Format != translate.OpenAI {
			w.fail(path, "the provider has no hosted tool "+strconv.Quote(t.Name))
			return
		}
		e.Raw(t.Raw)
		return
	}
	if _, ok := translate.FitName(t.Name, 64); !ok && t.Kind != translate.HostedTool {
		w.fail(path+".name", "the provider takes names of 1 to 64 letters, digits, _ and -; got "+strconv.Quote(t.Name))
		return
	}
	kind := "function"
	if t.Kind == translate.CustomTool {
		kind = "custom"
	}
	e.Object().Key("type").String(kind).Key(kind).Object().Key("name").String(t.Name)
	if t.Description != "" {
		e.Key("description").String(t.Description)
	}
	if t.Kind == translate.CustomTool {
		if len(t.Raw) > 0 {
			e.Key("format").Raw(t.Raw)
		}
	} else {
		if len(t.Schema) > 0 {
			e.Key("parameters").Raw(t.Schema)
		}
		if t.Strict != nil {
			e.Key("strict").Bool(*t.Strict)
		}
	}
	e.EndObject()
	w.mark(t.Cache, path)
	e.EndObject()
}

// mark writes a cache mark, or reports that the provider has none.
func (w *requestWriter) mark(m *translate.CacheMark, path string) {
	if m == nil {
		return
	}
	if w.d.CacheMark == "" {
		w.lose(path+".cache_control", "the provider decides by itself what it caches")
		return
	}
	w.cacheMark(m)
}

func (w *requestWriter) toolChoice(tools bool) {
	e, c := &w.e, &w.r.ToolChoice
	switch {
	case c.Mode == "" && len(c.Names) == 0:
		return
	case !tools:
		if c.Mode == translate.ToolRequired {
			w.lose("tool_choice", "there are no tools")
		}
		return
	case w.d.NoToolChoice:
		if c.Mode != translate.ToolAuto {
			w.lose("tool_choice", "the provider has no tool_choice")
		}
		return
	}
	mode := c.Mode
	if mode == "" {
		mode = translate.ToolAuto
	}
	e.Key("tool_choice")
	switch {
	case len(c.Names) == 0 || mode == translate.ToolNone, len(c.Names) > 1 && w.d.FilterTools:
		e.String(string(mode))
	case len(c.Names) == 1 && mode == translate.ToolRequired:
		w.toolRefs(c.Names)
	default:
		e.Object().Key("type").String("allowed_tools").Key("allowed_tools").Object()
		e.Key("mode").String(string(mode)).Key("tools").Array()
		w.toolRefs(c.Names)
		e.EndArray().EndObject().EndObject()
	}
}

func (w *requestWriter) toolRefs(names []string) {
	custom := map[string]bool{}
	for i := range w.r.Tools {
		if t := &w.r.Tools[i]; t.Kind == translate.CustomTool {
			custom[t.Name] = true
		}
	}
	for _, name := range names {
		kind := "function"
		if custom[name] {
			kind = "custom"
		}
		w.e.Object().Key("type").String(kind).Key(kind).Object().Key("name").String(name).EndObject().EndObject()
	}
}

// callID fits a tool call's ID to the dialect, the same way in the call and in
// its result. IDs are not cleaned of odd characters: Kimi wants its own
// "functions.add:0" back.
func (w *requestWriter) callID(id string) string {
	if n := w.d.ToolIDLength; n > 0 {
		if len(id) == n && isAlnum(id) {
			return id
		}
		sum := sha256.Sum256([]byte(id))
		return hex.EncodeToString(sum[:])[:min(n, 64)]
	}
	if len(id) > 64 || id == "" {
		return translate.FitID(id, 40)
	}
	return id
}

func isAlnum(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}
