// Package bedrock is the codec of Amazon Bedrock's Converse API: an Outbound.
// The model is part of the URL, not of the body; the codec looks at its name
// for what differs between families of models (see families).
//
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
package bedrock

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Outbound speaks Bedrock Converse to a provider. The zero value is ready to
// use; it is safe for concurrent use.
type Outbound struct {
	// Origin marks the reasoning state of answers, and tells which state the
	// provider may be sent. Empty, it follows from the model where that is
	// known, as OriginOf has it. An answer does not name its model: its state
	// is then "anthropic", as Claude models are those that sign on Converse.
	// Who knows the model sets Origin to OriginOf(model).
	Origin string
}

var (
	_ translate.Outbound    = Outbound{}
	_ translate.URLAcceptor = Outbound{}
)

// OriginOf returns the origin of a model's reasoning state: "anthropic" for
// Claude models, whose signatures hold on all of Claude's platforms, and
// "bedrock" for the others.
func OriginOf(model string) string { return familyOf(model).origin }

func (o Outbound) origin() string {
	if o.Origin == "" {
		return "anthropic"
	}
	return o.Origin
}

// AcceptsURL reports whether Bedrock reads the URL itself: those of S3 only.
func (o Outbound) AcceptsURL(m *translate.Media) bool { return strings.HasPrefix(m.URL, "s3://") }

// reasoningStyle is how a family is told to think.
type reasoningStyle int

const (
	noReasoning    reasoningStyle = iota
	claudeBudget                  // thinking:{type:"enabled",budget_tokens}
	claudeAdaptive                // thinking:{type:"adaptive"}, output_config:{effort}
	novaConfig                    // reasoningConfig:{type:"enabled",maxReasoningEffort}
	effortMember                  // reasoning_effort
	effortObject                  // reasoning:{effort}
)

// family is what differs between families of models on Converse.
type family struct {
	match      string // part of the model's ID
	origin     string
	reasoning  reasoningStyle
	topK       string // where top_k goes among the additional fields; empty: nowhere
	cache      bool   // cachePoint blocks are known; others are answered with 403
	cacheTools bool   // … also among the tools
	cacheTTL   bool   // … with a ttl
	noStop     bool   // no stop sequences
	noSampling bool   // no temperature and top_p
}

// families are looked through in order; the last one is every other model's.
// Sources: "Inference request parameters and response fields for foundation
// models", "Supported models, regions, and limits" of prompt caching, and
// Anthropic's list of models with manual thinking budgets.
var families = func() []family {
	claude := family{origin: "anthropic", topK: "top_k", cache: true, cacheTools: true, cacheTTL: true}
	var f []family
	for _, m := range []string{"claude-instant", "claude-v2", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus", "claude-3-5"} {
		c := claude
		c.match = m
		c.cache = m == "claude-3-5"
		f = append(f, c)
	}
	for _, m := range []string{"claude-3-7", "claude-sonnet-4-2025", "claude-opus-4-2025", "claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5"} {
		c := claude
		c.match, c.reasoning = m, claudeBudget
		f = append(f, c)
	}
	c := claude
	c.match, c.reasoning = "claude", claudeAdaptive
	return append(f, c,
		family{match: "nova", origin: "bedrock", reasoning: novaConfig, topK: "inferenceConfig", cache: true},
		family{match: "gpt-oss", origin: "bedrock", reasoning: effortMember, noStop: true},
		family{match: "openai.", origin: "bedrock", reasoning: effortObject, noStop: true, noSampling: true},
		family{origin: "bedrock"},
	)
}()

func familyOf(model string) *family {
	for i := range families {
		if strings.Contains(model, families[i].match) {
			return &families[i]
		}
	}
	return nil // not reached: the last one matches
}

// finishReasons are Converse's stop reasons.
var finishReasons = map[string]translate.FinishReason{
	"end_turn":                      translate.FinishStop,
	"stop_sequence":                 translate.FinishStopSequence,
	"tool_use":                      translate.FinishToolUse,
	"max_tokens":                    translate.FinishLength,
	"model_context_window_exceeded": translate.FinishLength,
	"guardrail_intervened":          translate.FinishFiltered,
	"content_filtered":              translate.FinishFiltered,
	"malformed_model_output":        translate.FinishError,
	"malformed_tool_use":            translate.FinishError,
}

func finish(native string, calls bool) translate.Finish {
	f := translate.Finish{Reason: finishReasons[native], Native: native}
	switch f.Reason {
	case "":
		f.Reason = translate.FinishOther
		fallthrough
	case translate.FinishStop, translate.FinishStopSequence:
		if calls {
			f.Reason = translate.FinishToolUse
		}
	}
	return f
}
