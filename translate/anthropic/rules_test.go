package anthropic

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// look returns the JSON at a path of a request, "messages.0.content.1.type";
// "" where there is nothing.
func look(t *testing.T, body []byte, path string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// want holds what a request must become: JSON at paths, and the losses' paths.
type want struct {
	at     map[string]string
	losses string // paths, with spaces
	err    string // part of a refusal
}

func check(t *testing.T, name string, o Outbound, r *translate.Request, w want) {
	t.Helper()
	body, losses, err := o.AppendRequest(nil, r)
	if err != nil || w.err != "" {
		if e := translate.AsError(err); err == nil || w.err == "" || e.Kind != translate.InvalidRequest || !strings.Contains(e.Message, w.err) {
			t.Errorf("%s: %v, want a refusal with %q", name, err, w.err)
		}
		return
	}
	for path, v := range w.at {
		if got := look(t, body, path); got != v {
			t.Errorf("%s: %s is %s, want %s\n%s", name, path, got, v, body)
		}
	}
	var paths []string
	for _, l := range losses {
		paths = append(paths, l.Path)
	}
	if got := strings.Join(paths, " "); got != w.losses {
		t.Errorf("%s: lost %q, want %q: %v", name, got, w.losses, losses)
	}
}

func user(parts ...translate.Part) translate.Message {
	return translate.Message{Role: translate.User, Parts: parts}
}

func assistant(parts ...translate.Part) translate.Message {
	return translate.Message{Role: translate.Assistant, Parts: parts}
}

func text(s string) *translate.Text { return &translate.Text{Text: s} }

func ptr[T any](v T) *T { return &v }

// What each family of models takes of thinking, effort and sampling.
func TestThinkingByModel(t *testing.T) {
	type m = map[string]string
	for _, c := range []struct {
		model string
		re    translate.Reasoning
		max   int64
		want
	}{
		{"claude-opus-5-5", translate.Reasoning{Effort: "high"}, 0, want{at: m{"thinking": `{"display":"summarized","type":"adaptive"}`, "output_config.effort": `"high"`, "max_tokens": "128000"}}},
		{"claude-opus-5-5", translate.Reasoning{Effort: "none"}, 0, want{at: m{"thinking.type": `"adaptive"`, "output_config.effort": `"low"`}, losses: "reasoning"}},
		{"claude-sonnet-5-5", translate.Reasoning{Effort: "none"}, 0, want{at: m{"thinking": `{"type":"between_tools"}`}, losses: "reasoning"}},
		{"claude-haiku-5-5", translate.Reasoning{Effort: "none"}, 0, want{at: m{"thinking": `{"type":"disabled"}`}}},
		{"claude-haiku-5-5", translate.Reasoning{Budget: 3000}, 0, want{at: m{"thinking.type": `"adaptive"`, "output_config.effort": `"medium"`}, losses: "reasoning.budget"}},
		{"claude-opus-4-6", translate.Reasoning{Effort: "xhigh"}, 0, want{at: m{"thinking.type": `"adaptive"`, "output_config.effort": `"high"`}, losses: "reasoning.effort"}},
		{"claude-opus-4-6", translate.Reasoning{Budget: 3000}, 0, want{at: m{"thinking": `{"budget_tokens":3000,"type":"enabled"}`}}},
		{"claude-sonnet-4-5", translate.Reasoning{Effort: "low"}, 20000, want{at: m{"thinking.budget_tokens": strconv.FormatInt(translate.EffortBudget("low"), 10), "output_config": "", "max_tokens": "20000"}}},
		{"claude-sonnet-4-5", translate.Reasoning{Effort: "high"}, 5000, want{at: m{"thinking.budget_tokens": strconv.FormatInt(translate.EffortBudget("high"), 10), "max_tokens": strconv.FormatInt(5000+translate.EffortBudget("high"), 10)}, losses: "max_tokens"}},
		{"claude-sonnet-4-5", translate.Reasoning{Summary: "auto"}, 20000, want{at: m{"thinking.display": `"summarized"`, "thinking.type": `"enabled"`}}},
		{"claude-3-5-haiku-20241022", translate.Reasoning{Effort: "high"}, 0, want{at: m{"thinking": "", "max_tokens": "8192"}, losses: "reasoning"}},
		{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", translate.Reasoning{Effort: "none"}, 0, want{at: m{"thinking": `{"type":"disabled"}`, "max_tokens": "64000"}}},
		{"some/server", translate.Reasoning{}, 0, want{at: m{"thinking": "", "max_tokens": "4096"}}},
	} {
		r := &translate.Request{Model: c.model, Reasoning: c.re, Messages: []translate.Message{user(text("q"))}}
		if c.max > 0 {
			r.MaxTokens = &c.max
		}
		check(t, fmt.Sprintf("%s %+v", c.model, c.re), Outbound{}, r, c.want)
	}
}

func TestSamplingByModel(t *testing.T) {
	type m = map[string]string
	for _, c := range []struct {
		model            string
		temp, topP, topK float64
		want
	}{
		{"claude-opus-5-5", .5, 0, 0, want{at: m{"temperature": ""}, losses: "temperature"}},
		{"claude-opus-5-5", .5, .5, 5, want{at: m{"temperature": "", "top_p": "", "top_k": ""}, losses: "temperature top_p top_k"}},
		{"claude-sonnet-4-5", .5, .5, 0, want{at: m{"temperature": "0.5", "top_p": ""}, losses: "top_p"}},
		{"claude-sonnet-4-5", 0, .5, 7, want{at: m{"temperature": "", "top_p": "0.5", "top_k": "7"}}},
		{"claude-sonnet-4-20250514", .5, .5, 0, want{at: m{"temperature": "0.5", "top_p": "0.5"}}},
		{"claude-sonnet-4-20250514", 1.7, 0, 0, want{at: m{"temperature": "1"}, losses: "temperature"}},
	} {
		r := &translate.Request{Model: c.model, Messages: []translate.Message{user(text("q"))}}
		if c.temp > 0 {
			r.Temperature = &c.temp
		}
		if c.topP > 0 {
			r.TopP = &c.topP
		}
		if c.topK > 0 {
			r.TopK = ptr(int64(c.topK))
		}
		check(t, fmt.Sprintf("%s %v %v %v", c.model, c.temp, c.topP, c.topK), Outbound{}, r, c.want)
	}
}

// pitfall 14 and the rest of the format's grammar: who speaks first, what
// stands where, what is answered.
func TestConversations(t *testing.T) {
	type m = map[string]string
	call := &translate.ToolUse{ID: "call_1", Name: "f", Input: json.RawMessage(`{"a":1}`)}
	result := &translate.ToolResult{ToolUseID: "call_1", Parts: []translate.Part{text("r")}}
	system := translate.Message{Role: translate.System, Parts: []translate.Part{text("S")}}
	for name, c := range map[string]struct {
		o        Outbound
		model    string
		messages []translate.Message
		want
	}{
		"system in front":            {messages: []translate.Message{system, user(text("q"))}, want: want{at: m{"system.0.text": `"S"`, "messages.0.content.0.text": `"q"`, "messages.1": ""}}},
		"system later":               {messages: []translate.Message{user(text("q")), system, user(text("p"))}, want: want{at: m{"messages.0.content": `[{"text":"q","type":"text"},{"text":"\u003csystem\u003e\nS\n\u003c/system\u003e","type":"text"},{"text":"p","type":"text"}]`}, losses: "messages[1]"}},
		"neighbours of one role":     {messages: []translate.Message{user(text("a")), user(text("b")), assistant(text("c")), assistant(text("d")), user(text("e"))}, want: want{at: m{"messages.0.content.1.text": `"b"`, "messages.1.content.1.text": `"d"`, "messages.2.content.0.text": `"e"`, "messages.3": ""}}},
		"results first in a turn":    {messages: []translate.Message{user(text("q")), assistant(call), user(text("p"), result)}, want: want{at: m{"messages.2.content.0.type": `"tool_result"`, "messages.2.content.1.text": `"p"`}}},
		"no result, filled":          {o: Outbound{FillToolResults: true}, messages: []translate.Message{user(text("q")), assistant(call), user(text("p"))}, want: want{at: m{"messages.2.content.0.is_error": "true", "messages.2.content.0.tool_use_id": `"call_1"`, "messages.2.content.1.text": `"p"`}, losses: "messages"}},
		"no result at the end":       {o: Outbound{FillToolResults: true}, messages: []translate.Message{user(text("q")), assistant(call)}, want: want{at: m{"messages.2.content.0.is_error": "true"}, losses: "messages"}},
		"blank text":                 {messages: []translate.Message{user(text("q"), text(" \n"))}, want: want{at: m{"messages.0.content.1": ""}}},
		"an answer begun":            {model: "claude-sonnet-4-5", messages: []translate.Message{user(text("q")), assistant(text("It is "))}, want: want{at: m{"messages.1.content.0.text": `"It is"`}}},
		"an answer begun, refused":   {model: "claude-opus-5-5", messages: []translate.Message{user(text("q")), assistant(text("It is"))}, want: want{at: m{"messages.1": ""}, losses: "messages[1]"}},
		"unsigned thinking":          {messages: []translate.Message{user(text("q")), assistant(&translate.Thinking{Text: "hm"}, text("a")), user(text("p"))}, want: want{at: m{"messages.1.content": `[{"text":"a","type":"text"}]`}, losses: "messages[1].content[0]"}},
		"another provider's":         {messages: []translate.Message{user(text("q")), assistant(&translate.Thinking{Text: "hm", State: &translate.State{Origin: "openai", Data: "x"}}, text("a")), user(text("p"))}, want: want{at: m{"messages.1.content": `[{"text":"a","type":"text"}]`}, losses: "messages[1].content[0]"}},
		"signed thinking":            {messages: []translate.Message{user(text("q")), assistant(&translate.Thinking{Text: "hm", State: &translate.State{Origin: "anthropic", Data: "x"}}, text("a")), user(text("p"))}, want: want{at: m{"messages.1.content.0": `{"signature":"x","thinking":"hm","type":"thinking"}`}}},
		"signed and empty":           {messages: []translate.Message{user(text("q")), assistant(&translate.Thinking{State: &translate.State{Origin: "anthropic", Data: "x"}}, text("a")), user(text("p"))}, want: want{at: m{"messages.1.content.0": `{"signature":"x","thinking":"","type":"thinking"}`}}},
		"redacted":                   {messages: []translate.Message{user(text("q")), assistant(&translate.Thinking{Redacted: true, State: &translate.State{Origin: "anthropic", Data: "x"}}, text("a")), user(text("p"))}, want: want{at: m{"messages.1.content.0": `{"data":"x","type":"redacted_thinking"}`}}},
		"a long ID":                  {messages: []translate.Message{user(text("q")), assistant(&translate.ToolUse{ID: "call|1", Name: "f", Input: json.RawMessage(`{}`)}), user(&translate.ToolResult{ToolUseID: "call|1"})}, want: want{at: m{"messages.1.content.0.id": `"` + translate.FitID("call|1", 64) + `"`, "messages.2.content.0.tool_use_id": `"` + translate.FitID("call|1", 64) + `"`}}},
		"arguments that are no JSON": {messages: []translate.Message{user(text("q")), assistant(&translate.ToolUse{ID: "c", Name: "f", Input: json.RawMessage(`"{\"a\":"`)}), user(&translate.ToolResult{ToolUseID: "c"})}, want: want{at: m{"messages.1.content.0.input": `{"input":"{\"a\":"}`}, losses: "messages[1].content[0].input"}},
		"a custom tool's call":       {messages: []translate.Message{user(text("q")), assistant(&translate.ToolUse{ID: "c", Name: "f", Custom: true, Input: json.RawMessage(`"SELECT 1"`)}), user(&translate.ToolResult{ToolUseID: "c"})}, want: want{at: m{"messages.1.content.0.input": `{"input":"SELECT 1"}`}}},
		"media of the model's":       {messages: []translate.Message{user(text("q")), assistant(text("a"), &translate.Media{Kind: translate.Image, MIMEType: "image/png", Data: "aGk="}), user(text("p"))}, want: want{at: m{"messages.1.content.1": ""}, losses: "messages[1].content[1]"}},
		"audio":                      {messages: []translate.Message{user(&translate.Media{Kind: translate.Audio, Data: "aGk="})}, want: want{err: "takes no audio"}},
		"another provider's file":    {messages: []translate.Message{user(&translate.Media{Kind: translate.File, FileID: "f", Format: translate.OpenAI})}, want: want{err: "kept by"}},
		"citations of another":       {messages: []translate.Message{user(text("q")), assistant(&translate.Text{Text: "a", Citations: []translate.Citation{{URL: "https://x.example"}}}), user(text("p"))}, want: want{at: m{"messages.1.content.0.citations": ""}, losses: "messages[1].content[0].citations[0]"}},
		"its own citations":          {messages: []translate.Message{user(text("q")), assistant(&translate.Text{Text: "a", Citations: []translate.Citation{{Format: translate.Anthropic, Raw: json.RawMessage(`{"type":"x"}`)}}}), user(text("p"))}, want: want{at: m{"messages.1.content.0.citations": `[{"type":"x"}]`}}},
	} {
		if c.model == "" {
			c.model = "claude-sonnet-4-5"
		}
		check(t, name, c.o, &translate.Request{Model: c.model, Messages: c.messages}, c.want)
	}
}

// The provider takes four cache marks; the longest prefixes keep theirs.
func TestCacheMarks(t *testing.T) {
	mark := &translate.CacheMark{}
	marked := func(s string) *translate.Text { return &translate.Text{Text: s, Cache: mark} }
	r := &translate.Request{Model: "claude-sonnet-4-5",
		Tools:    []translate.Tool{{Kind: translate.FunctionTool, Name: "f", Cache: &translate.CacheMark{TTL: "1h"}}},
		Messages: []translate.Message{{Role: translate.System, Parts: []translate.Part{marked("S")}}, user(marked("a"), marked("b")), assistant(marked("c")), user(marked("d"))}}
	check(t, "six marks", Outbound{}, r, want{at: map[string]string{
		"tools.0.cache_control": "", "system.0.cache_control": "", "messages.0.content.0.cache_control": `{"type":"ephemeral"}`, "messages.2.content.0.cache_control": `{"type":"ephemeral"}`,
	}, losses: "tools[0].cache_control system[0].cache_control"})
	r.Messages = []translate.Message{user(marked("a"))}
	check(t, "two marks", Outbound{}, r, want{at: map[string]string{"tools.0.cache_control": `{"ttl":"1h","type":"ephemeral"}`, "messages.0.content.0.cache_control": `{"type":"ephemeral"}`}})
	r.Messages = []translate.Message{user(&translate.Text{Text: "a", Cache: &translate.CacheMark{TTL: "24h"}})}
	check(t, "a long time", Outbound{}, r, want{at: map[string]string{"messages.0.content.0.cache_control.ttl": `"1h"`}, losses: "messages[0].content[0].cache_control.ttl"})
}

func TestToolChoices(t *testing.T) {
	type m = map[string]string
	tools := []translate.Tool{{Kind: translate.FunctionTool, Name: "f", Strict: ptr(true), Schema: json.RawMessage(`{"properties":{}}`)}, {Kind: translate.FunctionTool, Name: "g"}}
	for name, c := range map[string]struct {
		model    string
		choice   translate.ToolChoice
		parallel *bool
		want
	}{
		"unsaid":        {want: want{at: m{"tool_choice": "", "tools.0.strict": "true", "tools.0.input_schema.type": `"object"`, "tools.1.input_schema": `{"properties":{},"type":"object"}`}}},
		"auto":          {choice: translate.ToolChoice{Mode: translate.ToolAuto}, want: want{at: m{"tool_choice": `{"type":"auto"}`}}},
		"none":          {choice: translate.ToolChoice{Mode: translate.ToolNone}, want: want{at: m{"tool_choice": `{"type":"none"}`}}},
		"required":      {choice: translate.ToolChoice{Mode: translate.ToolRequired}, want: want{at: m{"tool_choice": `{"type":"any"}`}}},
		"one":           {choice: translate.ToolChoice{Mode: translate.ToolRequired, Names: []string{"g"}}, want: want{at: m{"tool_choice": `{"name":"g","type":"tool"}`}}},
		"some":          {choice: translate.ToolChoice{Mode: translate.ToolAuto, Names: []string{"g"}}, want: want{at: m{"tools.0.name": `"g"`, "tools.1": "", "tool_choice": `{"type":"auto"}`}}},
		"not parallel":  {parallel: ptr(false), want: want{at: m{"tool_choice": `{"disable_parallel_tool_use":true,"type":"auto"}`}}},
		"no forced one": {model: "claude-sonnet-5-5", choice: translate.ToolChoice{Mode: translate.ToolRequired}, want: want{at: m{"tool_choice": `{"type":"auto"}`}, losses: "tool_choice"}},
	} {
		if c.model == "" {
			c.model = "claude-sonnet-4-5"
		}
		check(t, name, Outbound{}, &translate.Request{Model: c.model, Tools: tools, ToolChoice: c.choice, ParallelTools: c.parallel, Messages: []translate.Message{user(text("q"))}}, c.want)
	}
	hosted := []translate.Tool{{Kind: translate.HostedTool, Name: "web_search", Format: translate.Responses}}
	check(t, "another provider's hosted tool", Outbound{}, &translate.Request{Model: "claude-sonnet-4-5", Tools: hosted, Messages: []translate.Message{user(text("q"))}}, want{err: "hosted tool"})
	check(t, "a name that is none", Outbound{}, &translate.Request{Model: "claude-sonnet-4-5", Tools: []translate.Tool{{Kind: translate.FunctionTool, Name: "a b"}}, Messages: []translate.Message{user(text("q"))}}, want{err: "no name of a tool"})
}

// pitfall 35: schemas as far as structured output takes them.
func TestOutputSchema(t *testing.T) {
	schema := json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer","minimum":3},"l":{"type":"array","items":{"type":"string"},"minItems":2}},"required":["n"]}`)
	r := &translate.Request{Model: "claude-sonnet-4-5", Output: translate.Output{Type: translate.OutputSchema, Name: "x", Schema: schema}, Messages: []translate.Message{user(text("q"))}}
	body, losses, err := Outbound{}.AppendRequest(nil, r)
	if err != nil || look(t, body, "output_config.format.type") != `"json_schema"` || look(t, body, "output_config.format.schema.additionalProperties") != "false" || len(losses) == 0 {
		t.Errorf("%s %v %v", body, losses, err)
	}
	r.Model = "claude-3-5-haiku-20241022"
	check(t, "an old model", Outbound{}, r, want{at: map[string]string{"output_config": ""}, losses: "response_format"})
}

// A body that must be parsed and written again for its own provider keeps what
// only this format knows.
func TestOwnExtras(t *testing.T) {
	const in = `{"model":"m","max_tokens":9,"speed":"fast","mcp_servers":[{"name":"s"}],"context_management":{"edits":[]},` +
		`"tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true,"allowed_callers":["direct"],"input_examples":[{"a":1}],"eager_input_streaming":true,"strict":true,"cache_control":{"type":"ephemeral"}},{"type":"web_search_20250305","name":"web_search","max_uses":3}],` +
		`"messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"search_result","source":"s","title":"t","content":[]}]}]}`
	r, err := Inbound{}.ParseRequest([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	r.Format = translate.Anthropic
	check(t, "itself", Outbound{}, r, want{at: map[string]string{
		"speed": `"fast"`, "mcp_servers": `[{"name":"s"}]`, "context_management": `{"edits":[]}`,
		"tools.0.defer_loading": "true", "tools.0.allowed_callers": `["direct"]`, "tools.0.input_examples": `[{"a":1}]`, "tools.0.eager_input_streaming": "true", "tools.0.strict": "true", "tools.0.cache_control": `{"type":"ephemeral"}`,
		"tools.1": `{"max_uses":3,"name":"web_search","type":"web_search_20250305"}`, "messages.0.content.1.source": `"s"`,
	}})
}
