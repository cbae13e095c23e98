package anthropic

import (
	"slices"

	"github.com/go-llmproxy/llmproxy/translate"
)

const (
	minBudget        = 1024 // the least that thinking of type enabled takes
	defaultMaxTokens = 4096
)

// thinking is what a request says about thinking, and the bound that has to
// leave room for it.
type thinking struct {
	typ       string // "": the member is left out
	budget    int64
	display   string
	effort    string
	maxTokens int64
}

func (t *thinking) on() bool { return t.typ == "enabled" || t.typ == "adaptive" }

// thinking decides how much the model is to think.
func (w *requestWriter) thinking() thinking {
	r, t := w.r, thinking{maxTokens: w.rule.MaxTokens}
	if t.maxTokens == 0 {
		t.maxTokens = defaultMaxTokens
	}
	limit := t.maxTokens
	if r.MaxTokens != nil {
		t.maxTokens = *r.MaxTokens
	}
	re := r.Reasoning
	if re == (translate.Reasoning{}) || w.hasExtra("thinking") {
		t.effort = w.fitEffort(re.Effort)
		return t
	}
	switch {
	case re.Effort == "none":
		w.noThinking(&t)
	case r.Format == translate.Anthropic && re.Budget == 0:
		t.effort = w.fitEffort(re.Effort) // effort without thinking is a matter of its own
	case re.Budget > 0 && w.rule.Budget, w.rule.Budget && !w.rule.Adaptive:
		w.budgetThinking(&t, limit)
	case w.rule.Adaptive:
		t.typ = "adaptive"
		effort := re.Effort
		if effort == "" && re.Budget > 0 {
			effort = translate.BudgetEffort(re.Budget)
			w.losses.Add("reasoning.budget", "the model thinks by effort, not by budget; sent as "+effort)
		}
		t.effort = w.fitEffort(effort)
	default:
		w.losses.Add("reasoning", "the model does not think")
	}
	if t.on() {
		switch re.Summary {
		case "":
			// OpenAI's Chat has no word for it, and shows what it is given.
			if t.typ == "adaptive" && r.Format != translate.Anthropic {
				t.display = "summarized"
			}
		case "none":
			t.display = "omitted"
		default:
			t.display = "summarized"
		}
	}
	return t
}

func (w *requestWriter) noThinking(t *thinking) {
	switch {
	case w.rule.Disabled:
		t.typ = "disabled"
	case w.rule.BetweenTools:
		t.typ = "between_tools"
		w.losses.Add("reasoning", "the model cannot do without thinking; it thinks between tools only")
	case w.rule.Adaptive:
		t.typ, t.effort = "adaptive", w.fitEffort("low")
		w.losses.Add("reasoning", "the model cannot do without thinking; its effort is low")
	}
}

// budgetThinking asks for thinking with a budget, which must be less than
// max_tokens, and which the rest of the request must allow.
func (w *requestWriter) budgetThinking(t *thinking, limit int64) {
	re := w.r.Reasoning
	budget := re.Budget
	if budget <= 0 {
		if budget = translate.EffortBudget(re.Effort); budget < 0 {
			budget = translate.EffortBudget("medium")
		}
	}
	budget = max(budget, minBudget)
	maxTokens := t.maxTokens
	if budget >= maxTokens {
		if maxTokens = max(maxTokens, min(maxTokens+budget, limit)); budget >= maxTokens {
			budget = maxTokens - 1
		}
	}
	n := len(w.turns)
	switch {
	case budget < minBudget:
		w.losses.Add("reasoning", "max_tokens leaves no room for thinking")
	case w.r.ToolChoice.Mode == translate.ToolRequired && len(w.tools) > 0:
		w.losses.Add("reasoning", "the model does not think where it must use a tool")
	case n > 0 && endsInText(w.turns[n-1]):
		w.losses.Add("reasoning", "the model does not think where it continues an answer")
	case !w.loopHasThinking():
		w.losses.Add("reasoning", "the thinking before the tool calls of this turn is lost, so the model cannot go on with it")
	default:
		if maxTokens != t.maxTokens {
			w.losses.Add("max_tokens", "raised to leave room for thinking")
		}
		t.typ, t.budget, t.maxTokens = "enabled", budget, maxTokens
	}
	if len(w.rule.Efforts) > 0 {
		t.effort = w.fitEffort(re.Effort)
	}
}

// loopHasThinking reports whether each assistant turn of the tool loop under
// way starts with thinking that the provider can read: with thinking of type
// enabled it refuses the request otherwise.
func (w *requestWriter) loopHasThinking() bool {
	for i := len(w.turns) - 1; i > 0 && w.turns[i].Role == translate.User && startsWithResult(w.turns[i]); i -= 2 {
		if !w.startsWithThinking(w.turns[i-1]) {
			return false
		}
	}
	return true
}

func startsWithResult(m translate.Message) bool {
	if len(m.Parts) == 0 {
		return false
	}
	_, ok := m.Parts[0].(*translate.ToolResult)
	return ok
}

func (w *requestWriter) startsWithThinking(m translate.Message) bool {
	for _, p := range m.Parts {
		switch p := p.(type) {
		case *translate.Thinking:
			if w.ours(p.State) {
				return true
			}
		case *translate.Text:
			if !blank(p.Text) {
				return false
			}
		default:
			return false
		}
	}
	return false
}

func (w *requestWriter) ours(s *translate.State) bool { return s != nil && s.Origin == w.o.origin() }

func (w *requestWriter) hasExtra(name string) bool {
	return w.r.Format == translate.Anthropic && slices.ContainsFunc(w.r.Extra, func(m translate.Member) bool { return m.Name == name })
}

// fitEffort returns the effort that the model knows and that is nearest.
func (w *requestWriter) fitEffort(effort string) string {
	if effort == "" || effort == "none" {
		return ""
	}
	if len(w.rule.Efforts) == 0 {
		if w.rule.Adaptive || !w.rule.Budget || w.r.Format == translate.Anthropic {
			w.losses.Add("reasoning.effort", "the model has no effort")
		}
		return ""
	}
	if slices.Contains(w.rule.Efforts, effort) {
		return effort
	}
	nearest := w.rule.Efforts[0]
	if i := slices.Index(all, effort); i >= 0 {
		for _, e := range w.rule.Efforts {
			if slices.Index(all, e) <= i {
				nearest = e
			}
		}
	}
	if effort != "minimal" {
		w.losses.Add("reasoning.effort", "the model has no effort "+effort+"; sent as "+nearest)
	}
	return nearest
}

// writeThinking writes thinking and output_config.
func (w *requestWriter) writeThinking() {
	e, t := &w.e, &w.think
	if t.typ != "" {
		e.Key("thinking").Object().Key("type").String(t.typ)
		if t.typ == "enabled" {
			e.Key("budget_tokens").Int(t.budget)
		}
		if t.display != "" {
			e.Key("display").String(t.display)
		}
		e.EndObject()
	}
	schema := w.outputSchema()
	if t.effort == "" && schema == nil {
		return
	}
	e.Key("output_config").Object()
	if t.effort != "" {
		e.Key("effort").String(t.effort)
	}
	if schema != nil {
		e.Key("format").Object().Key("type").String("json_schema").Key("schema").Raw(schema).EndObject()
	}
	e.EndObject()
}

func (w *requestWriter) outputSchema() []byte {
	out := w.r.Output
	switch {
	case out.Type == "":
	case out.Type == translate.OutputJSON || len(out.Schema) == 0:
		w.losses.Add("response_format", "the provider gives JSON only by a schema")
	case !w.rule.Structured:
		w.losses.Add("response_format", "the model has no structured output")
	case w.r.Format == translate.Anthropic:
		return out.Schema
	default:
		return w.lowerSchema(out.Schema, "response_format.json_schema.schema")
	}
	return nil
}
