package cohere

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// writer appends one request.
type writer struct {
	jsonx.Encoder
	r      *translate.Request
	origin string
	losses translate.Losses
	// documents are text files, which Cohere takes beside the conversation.
	documents []*translate.Media
	cacheSeen bool
	err       *translate.Error
}

// AppendRequest implements translate.Outbound. It refuses files other than
// plain text, media in tool results, hosted and custom tools, several choices,
// and what only the Responses format can do.
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	// The encoder tells from the last byte whether a comma is due, so it
	// starts with a slice that has none.
	w := writer{Encoder: jsonx.Encoder{B: dst[len(dst):]}, r: r, origin: o.origin()}
	w.refuse()
	w.Object()
	w.Key("model").String(r.Model)
	if r.Stream {
		w.Key("stream").Bool(true)
	}
	w.messages()
	w.tools()
	w.writeDocuments()
	w.output()
	w.sampling()
	w.reasoning()
	if r.Format == translate.Cohere {
		for _, m := range r.Extra {
			w.KeyString(m.Name).Raw(m.Value)
		}
	}
	w.EndObject()
	w.leftOut()
	if w.err != nil {
		return dst, nil, w.err
	}
	if len(dst) == 0 {
		return w.B, w.losses, nil
	}
	return append(dst, w.B...), w.losses, nil
}

// fail refuses the request for what stands at path. The first one counts.
func (w *writer) fail(path, reason string) {
	if w.err == nil {
		w.err = translate.Errorf(translate.InvalidRequest, "%s: %s", path, reason)
		w.err.Param = path
	}
}

func (w *writer) refuse() {
	r := w.r
	if r.Choices > 1 {
		w.fail("n", "Cohere gives one answer to a request")
	}
	if r.PreviousResponseID != "" {
		w.fail("previous_response_id", "Cohere keeps no conversations; send the whole one")
	}
	if len(r.Conversation) > 0 {
		w.fail("conversation", "Cohere keeps no conversations; send the whole one")
	}
	if r.Background {
		w.fail("background", "Cohere has no background mode")
	}
	for _, m := range r.Output.Modalities {
		if m != "text" {
			w.fail("modalities", "Cohere answers in text, not in "+m)
		}
	}
}

// tools writes the tools that may be called. Cohere cannot name one of several
// as the one to call, so the others are left out.
func (w *writer) tools() {
	choice := w.r.ToolChoice
	known := make(map[string]bool, len(w.r.Tools))
	for i := range w.r.Tools {
		known[w.r.Tools[i].Name] = true
	}
	for _, name := range choice.Names {
		if !known[name] {
			w.fail("tool_choice", "there is no tool "+strconv.Quote(name))
		}
	}
	named := choice.Named()
	if len(w.r.Tools) == 0 {
		if choice.Mode == translate.ToolRequired {
			w.fail("tool_choice", "a tool is required and there are none")
		}
		return
	}
	w.Key("tools").Array()
	strict, all := 0, 0
	for i := range w.r.Tools {
		t := &w.r.Tools[i]
		if t.Kind == translate.HostedTool || t.Kind == translate.CustomTool {
			w.fail("tools["+strconv.Itoa(i)+"]", "Cohere knows function tools only, not "+string(t.Kind)+" ones")
		}
		w.cache(t.Cache, "tools", i)
		if named != nil && !named[t.Name] {
			continue
		}
		all++
		if t.Strict != nil && *t.Strict {
			strict++
		}
		w.Object().Key("type").String("function").Key("function").Object().Key("name").String(t.Name)
		if t.Description != "" {
			w.Key("description").String(t.Description)
		}
		w.Key("parameters")
		if jsonx.KindOf(t.Schema) == jsonx.Object {
			w.Raw(t.Schema)
		} else {
			w.Raw([]byte(`{"type":"object","properties":{}}`))
		}
		w.EndObject().EndObject()
	}
	w.EndArray()
	switch {
	case strict == all && all > 0:
		w.Key("strict_tools").Bool(true)
	case strict > 0:
		w.losses.Add("tools", "Cohere has strict tools only where all are")
	}
	switch choice.Mode {
	case translate.ToolRequired:
		w.Key("tool_choice").String("REQUIRED")
	case translate.ToolNone:
		w.Key("tool_choice").String("NONE")
	}
	if p := w.r.ParallelTools; p != nil && !*p {
		w.losses.Add("parallel_tool_calls", "Cohere cannot be kept from parallel calls")
	}
}

func (w *writer) writeDocuments() {
	if len(w.documents) == 0 {
		return
	}
	w.Key("documents").Array()
	for _, m := range w.documents {
		w.Object()
		w.documentData(m)
		w.EndObject()
	}
	w.EndArray()
}

func (w *writer) output() {
	out := &w.r.Output
	if out.Type == "" {
		return
	}
	w.Key("response_format").Object().Key("type").String("json_object")
	if out.Type == translate.OutputSchema && len(out.Schema) > 0 {
		w.Key("json_schema").Raw(out.Schema)
	}
	w.EndObject()
}

func (w *writer) sampling() {
	r := w.r
	if r.MaxTokens != nil {
		w.Key("max_tokens").Int(*r.MaxTokens)
	}
	w.float("temperature", "temperature", r.Temperature, 0, 1)
	w.float("p", "top_p", r.TopP, 0.01, 0.99)
	if r.TopK != nil {
		k := min(max(*r.TopK, 0), 500)
		if k != *r.TopK {
			w.losses.Add("top_k", "brought into Cohere's range of 0 to 500")
		}
		w.Key("k").Int(k)
	}
	w.float("frequency_penalty", "frequency_penalty", r.FrequencyPenalty, 0, 1)
	w.float("presence_penalty", "presence_penalty", r.PresencePenalty, 0, 1)
	if r.Seed != nil {
		if *r.Seed < 0 {
			w.losses.Add("seed", "Cohere's seeds are not negative")
		} else {
			w.Key("seed").Int(*r.Seed)
		}
	}
	if stop := r.Stop; len(stop) > 0 {
		if len(stop) > 5 {
			w.losses.Add("stop", "Cohere takes five stop sequences")
			stop = stop[:5]
		}
		w.Key("stop_sequences").Array()
		for _, s := range stop {
			w.String(s)
		}
		w.EndArray()
	}
}

func (w *writer) float(name, path string, v *float64, low, high float64) {
	if v == nil {
		return
	}
	f := min(max(*v, low), high)
	if f != *v {
		w.losses.Add(path, "brought into Cohere's range of "+strconv.FormatFloat(low, 'g', -1, 64)+" to "+strconv.FormatFloat(high, 'g', -1, 64))
	}
	w.Key(name).Float(f)
}

func (w *writer) reasoning() {
	re := w.r.Reasoning
	if re.Summary == "none" {
		w.losses.Add("reasoning.summary", "Cohere always shows its thinking")
	}
	if re.Effort == "" && re.Budget == 0 {
		return
	}
	w.Key("thinking").Object()
	if re.Effort == "none" {
		w.Key("type").String("disabled").EndObject()
		return
	}
	budget := re.Budget
	if budget == 0 {
		budget = translate.EffortBudget(re.Effort)
	}
	w.Key("type").String("enabled")
	if budget > 0 {
		w.Key("token_budget").Int(budget)
	}
	w.EndObject()
}

// leftOut reports the members that Cohere has nothing for.
func (w *writer) leftOut() {
	r := w.r
	for _, m := range []struct {
		path string
		lost bool
	}{
		{"logprobs", r.Logprobs != nil && *r.Logprobs}, // of token numbers, not of tokens
		{"top_logprobs", r.TopLogprobs != nil},
		{"logit_bias", len(r.LogitBias) > 0},
		{"min_p", r.MinP != nil},
		{"user", r.User != ""},
		{"metadata", len(r.Metadata) > 0},
		{"prompt_cache_key", r.CacheKey != ""},
		{"service_tier", r.ServiceTier != "" && r.ServiceTier != "auto" && r.ServiceTier != "default"},
		{"store", r.Store != nil && *r.Store},
		{"verbosity", r.Verbosity != ""},
		{"truncation", r.Truncation != "" && r.Truncation != "disabled"},
		{"include", len(r.Include) > 0},
	} {
		if m.lost {
			w.losses.Add(m.path, "Cohere has nothing like it")
		}
	}
	if r.Cache != nil {
		w.cache(r.Cache, "cache_control", -1)
	}
	r.ExtraLosses(translate.Cohere, &w.losses)
}

// cache reports cache marks: one Loss for all of them, as a long conversation
// may have many, and Cohere caches by itself.
func (w *writer) cache(c *translate.CacheMark, path string, i int) {
	if c == nil || w.cacheSeen {
		return
	}
	w.cacheSeen = true
	if i >= 0 {
		path += "[" + strconv.Itoa(i) + "]"
	}
	w.losses.Add(path, "Cohere caches by itself and takes no cache marks")
}
