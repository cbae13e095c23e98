package bedrock

import (
	"strconv"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Claude's smallest budget, and what is left for the answer where the request
// bounds neither.
const (
	minBudget  = 1024
	answerRoom = 8192
)

// planThinking decides on Claude's thinking budget, which must be smaller than
// max_tokens, and which the rest of the request depends on.
func (w *writer) planThinking() {
	re := w.r.Reasoning
	wanted := re.Effort != "none" && (re.Effort != "" || re.Budget != 0)
	switch w.fam.reasoning {
	case claudeAdaptive:
		w.thinks = wanted
	case claudeBudget:
		if wanted {
			w.planBudget()
		}
	case noReasoning:
		if wanted {
			w.losses.Add("reasoning", "the model cannot be told on Bedrock how much to think")
		}
	}
}

func (w *writer) planBudget() {
	re := w.r.Reasoning
	budget := re.Budget
	if budget <= 0 {
		if budget = translate.EffortBudget(re.Effort); budget < 0 {
			budget = translate.EffortBudget("medium")
		}
	}
	budget = max(budget, minBudget)
	if w.inToolLoop() {
		w.losses.Add("reasoning", "Claude cannot start to think inside a tool loop that began without thinking")
		return
	}
	switch {
	case w.maxTokens == nil:
		n := budget + answerRoom
		w.maxTokens = &n
	case *w.maxTokens <= minBudget:
		w.losses.Add("reasoning", "max_tokens leaves no room for Claude's thinking")
		return
	case budget >= *w.maxTokens:
		budget = *w.maxTokens - 1
		w.losses.Add("reasoning", "the budget is cut to "+strconv.FormatInt(budget, 10)+" tokens, below max_tokens")
	}
	w.thinking, w.thinks = budget, true
}

// inToolLoop reports whether the conversation ends in results of tools that
// were called without thinking that can be sent back: Claude refuses to think
// on then.
func (w *writer) inToolLoop() bool {
	n := len(w.turns)
	if n < 2 || len(w.turns[n-1].Parts) == 0 {
		return false
	}
	if _, ok := w.turns[n-1].Parts[0].(*translate.ToolResult); !ok {
		return false
	}
	for _, p := range w.turns[n-2].Parts {
		if _, ok := p.(*translate.Thinking); ok {
			return false
		}
	}
	return true
}

// additionalFields writes what Converse hands to the model as it is.
func (w *writer) additionalFields() {
	re, fam := w.r.Reasoning, w.fam
	start := len(w.B)
	w.Key("additionalModelRequestFields").Object()
	empty := len(w.B)
	effort := re.Effort
	if effort == "" {
		effort = translate.BudgetEffort(re.Budget)
		if re.Budget == 0 {
			effort = ""
		}
	}
	if w.r.TopK != nil && !w.thinks {
		switch fam.topK {
		case "top_k":
			w.Key("top_k").Int(*w.r.TopK)
		case "inferenceConfig":
			w.Key("inferenceConfig").Object().Key("topK").Int(*w.r.TopK).EndObject()
		}
	}
	switch fam.reasoning {
	case claudeBudget:
		if w.thinks {
			w.Key("thinking").Object().Key("type").String("enabled").Key("budget_tokens").Int(w.thinking).EndObject()
		}
	case claudeAdaptive:
		w.adaptive(effort)
	case novaConfig:
		if level := nearest(effort, "low", "medium", "high"); level != "" && level != "none" {
			w.Key("reasoningConfig").Object().Key("type").String("enabled").Key("maxReasoningEffort").String(level).EndObject()
		}
	case effortMember:
		if level := nearest(effort, "low", "medium", "high"); level != "" {
			if level == "none" {
				w.losses.Add("reasoning", "the model always thinks; it is asked to think little")
				level = "low"
			}
			w.Key("reasoning_effort").String(level)
		}
	case effortObject:
		if effort != "" {
			w.Key("reasoning").Object().Key("effort").String(effort).EndObject()
		}
	}
	if len(w.B) == empty {
		w.B = w.B[:start]
		return
	}
	w.EndObject()
}

func (w *writer) adaptive(effort string) {
	if effort == "none" {
		w.Key("thinking").Object().Key("type").String("disabled").EndObject()
		return
	}
	if !w.thinks {
		return
	}
	w.Key("thinking").Object().Key("type").String("adaptive")
	switch w.r.Reasoning.Summary {
	case "":
	case "none":
		w.Key("display").String("omitted")
	default:
		w.Key("display").String("summarized")
	}
	w.EndObject()
	if level := nearest(effort, "low", "medium", "high", "xhigh", "max"); level != "" {
		w.Key("output_config").Object().Key("effort").String(level).EndObject()
	}
}

// nearest returns the level that comes closest to effort among those that a
// family knows, which are in order: "minimal" is the lowest, and what is above
// the highest is the highest. "none" and "" are returned as they are.
func nearest(effort string, levels ...string) string {
	switch effort {
	case "", "none":
		return effort
	case "minimal":
		return levels[0]
	}
	for _, l := range levels {
		if l == effort {
			return l
		}
	}
	return levels[len(levels)-1]
}
