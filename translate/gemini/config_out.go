package gemini

import (
	"slices"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// config writes generationConfig.
func (w *requestWriter) config() {
	r, e := w.r, &w.e
	before := len(e.B)
	e.Key("generationConfig").Object()
	empty := len(e.B)
	float := func(key string, v *float64, low, high float64) {
		if v == nil {
			return
		}
		f := *v
		if !w.own && (f < low || f > high) {
			f = min(max(f, low), high)
			w.losses.Add(key, "brought into the range that this provider takes")
		}
		e.Key(key).Float(f)
	}
	integer := func(key string, v *int64) {
		if v != nil {
			e.Key(key).Int(*v)
		}
	}
	float("temperature", r.Temperature, 0, 2)
	float("topP", r.TopP, 0, 1)
	integer("topK", r.TopK)
	if r.Choices > 0 && w.own {
		e.Key("candidateCount").Int(r.Choices)
	}
	integer("maxOutputTokens", r.MaxTokens)
	if stop := r.Stop; len(stop) > 0 {
		if len(stop) > 5 && !w.own {
			w.losses.Add("stop", "this provider takes five sequences")
			stop = stop[:5]
		}
		e.Key("stopSequences").Array()
		for _, s := range stop {
			e.String(s)
		}
		e.EndArray()
	}
	integer("seed", r.Seed)
	float("presencePenalty", r.PresencePenalty, -2, 2)
	float("frequencyPenalty", r.FrequencyPenalty, -2, 2)
	if r.Logprobs != nil {
		e.Key("responseLogprobs").Bool(*r.Logprobs)
	}
	integer("logprobs", r.TopLogprobs)
	if m := r.Output.Modalities; len(m) > 0 && (w.own || len(m) > 1 || m[0] != "text") {
		e.Key("responseModalities").Array()
		for _, name := range m {
			e.String(strings.ToUpper(name))
		}
		e.EndArray()
	}
	extra := w.extra("generationConfig.")
	w.output(extra)
	w.thinking()
	w.members(extra)
	if len(e.B) == empty {
		e.B = e.B[:before]
		return
	}
	e.EndObject()
}

// output writes the form that the answer must have. extra may hold its type,
// where it is not JSON: text/x.enum.
func (w *requestWriter) output(extra []translate.Member) {
	o := &w.r.Output
	if o.Type == "" {
		return
	}
	if !slices.ContainsFunc(extra, func(m translate.Member) bool { return m.Name == "responseMimeType" }) {
		w.e.Key("responseMimeType").String("application/json")
	}
	if o.Type == translate.OutputSchema {
		w.schema("responseSchema", "responseJsonSchema", o.Schema, "response_format.schema")
	}
}

// thinking writes thinkingConfig. Models take a level or a budget, never both;
// a client of this format says itself which.
func (w *requestWriter) thinking() {
	r, e := &w.r.Reasoning, &w.e
	extra := w.extra("generationConfig.thinkingConfig.")
	asked := r.Effort != "" || r.Budget != 0
	if w.gen == older || w.gen == gemma {
		if asked && r.Effort != "none" && !w.own {
			w.losses.Add("reasoning", "the model does not think")
		}
		if !w.own {
			return
		}
	}
	show := r.Summary != "none"
	if w.own {
		show = r.Summary == "auto"
	}
	if !asked && !show && r.Summary == "" && len(extra) == 0 {
		return
	}
	e.Key("thinkingConfig").Object()
	if show || r.Summary != "" {
		e.Key("includeThoughts").Bool(show)
	}
	switch {
	case !asked:
	case w.own && r.Budget == 0 && r.Effort == "none": // thinkingBudget: 0
		e.Key("thinkingBudget").Int(0)
	case w.own && r.Budget != 0:
		e.Key("thinkingBudget").Int(r.Budget)
	case w.own:
		e.Key("thinkingLevel").String(r.Effort)
	case w.gen == levels:
		w.level(r)
	default:
		w.budget(r)
	}
	w.members(extra)
	e.EndObject()
}

func (w *requestWriter) level(r *translate.Reasoning) {
	effort := r.Effort
	if effort == "" {
		if effort = translate.BudgetEffort(r.Budget); effort == "" {
			return // left to the model
		}
		w.losses.Add("reasoning.budget", "the model takes a level, not a budget")
	}
	level := effort
	switch effort {
	case "none":
		w.losses.Add("reasoning.effort", "the model's thinking cannot be switched off; its lowest level is used")
		fallthrough
	case "minimal":
		if level = "minimal"; strings.Contains(w.r.Model, "pro") { // Pro models start at low
			level = "low"
		}
	case "low", "medium", "high":
	default:
		if level = "high"; effort != "xhigh" && effort != "max" {
			w.losses.Add("reasoning.effort", "not known to this provider")
			return
		}
	}
	w.e.Key("thinkingLevel").String(level)
}

// budget writes a 2.5 model's budget: Pro thinks at least 128 tokens, and at
// most 32768, Flash at most 24576.
func (w *requestWriter) budget(r *translate.Reasoning) {
	budget := r.Budget
	if r.Effort != "" {
		budget = translate.EffortBudget(r.Effort)
	}
	low, high := int64(0), int64(24576)
	if strings.Contains(w.r.Model, "pro") {
		low, high = 128, 32768
		if budget == 0 {
			w.losses.Add("reasoning.effort", "the model's thinking cannot be switched off; its lowest budget is used")
		}
	}
	if budget >= 0 {
		budget = min(max(budget, low), high)
	}
	w.e.Key("thinkingBudget").Int(budget)
}
