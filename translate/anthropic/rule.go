package anthropic

import "strings"

// Rule tells what a family of models takes. Its zero value is a model about
// which nothing is known: an old one that takes everything but thinking
// without a budget. https://docs.anthropic.com/en/docs/about-claude/models
type Rule struct {
	// Prefixes of the model's name, after any path and vendor
	// ("us.anthropic.claude-…"). None: every model.
	Prefixes []string
	// MaxTokens is sent where the request has none. 0: 4096.
	MaxTokens int64
	// Adaptive: thinking of type adaptive is taken.
	Adaptive bool
	// Budget: thinking of type enabled, with a budget, is taken.
	Budget bool
	// Disabled: thinking of type disabled is taken. BetweenTools: the type
	// between_tools is, and is the least thinking there is.
	Disabled, BetweenTools bool
	// Efforts are the words that output_config.effort takes, in ascending
	// order. None: the model has no effort.
	Efforts []string
	// ShortEffort: disabled and between_tools go with an effort of high at
	// the most.
	ShortEffort bool
	// NoSampling: temperature, top_p and top_k are refused.
	NoSampling bool
	// OneSampling: temperature and top_p exclude each other.
	OneSampling bool
	// NoForcedTool: a tool_choice of any or tool is refused.
	NoForcedTool bool
	// NoPrefill: a last assistant message is refused.
	NoPrefill bool
	// Structured: output_config.format is known.
	Structured bool
	// System: system messages may stand in the middle of the conversation.
	System bool
}

var (
	toHigh = []string{"low", "medium", "high"}
	toMax  = []string{"low", "medium", "high", "max"}
	all    = []string{"low", "medium", "high", "xhigh", "max"}
)

// DefaultRules returns the rules of the models known today; longer names come
// before names that start like them. The caller may change what it returns and
// set it as Outbound.Rules.
func DefaultRules() []Rule { return append([]Rule(nil), defaultRules...) }

var defaultRules = []Rule{
	{Prefixes: []string{"claude-opus-5-5"}, MaxTokens: 128000, Adaptive: true, Efforts: all,
		NoSampling: true, NoForcedTool: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-sonnet-5-5"}, MaxTokens: 128000, Adaptive: true, BetweenTools: true, Efforts: all, ShortEffort: true,
		NoSampling: true, NoForcedTool: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-haiku-5-5"}, MaxTokens: 128000, Adaptive: true, Disabled: true, Efforts: all, ShortEffort: true,
		NoSampling: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-fable-5-", "claude-mythos-5-"}, MaxTokens: 128000, Adaptive: true, Efforts: all,
		NoSampling: true, NoForcedTool: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-fable-5", "claude-mythos-5"}, MaxTokens: 128000, Adaptive: true, Efforts: all,
		NoSampling: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-opus-5"}, MaxTokens: 128000, Adaptive: true, Disabled: true, Efforts: all, ShortEffort: true,
		NoSampling: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-sonnet-5"}, MaxTokens: 128000, Adaptive: true, Disabled: true, Efforts: all,
		NoSampling: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-opus-4-7", "claude-opus-4-8"}, MaxTokens: 128000, Adaptive: true, Disabled: true, Efforts: all,
		NoSampling: true, NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-opus-4-6"}, MaxTokens: 128000, Adaptive: true, Budget: true, Disabled: true, Efforts: toMax,
		NoPrefill: true, Structured: true},
	{Prefixes: []string{"claude-sonnet-4-6"}, MaxTokens: 128000, Adaptive: true, Budget: true, Disabled: true, Efforts: toMax, Structured: true},
	{Prefixes: []string{"claude-opus-4-5"}, MaxTokens: 64000, Budget: true, Disabled: true, Efforts: toHigh, OneSampling: true, Structured: true},
	{Prefixes: []string{"claude-sonnet-4-5", "claude-haiku-4-5"}, MaxTokens: 64000, Budget: true, Disabled: true, OneSampling: true, Structured: true},
	{Prefixes: []string{"claude-opus-4-1"}, MaxTokens: 32000, Budget: true, Disabled: true, OneSampling: true, Structured: true},
	{Prefixes: []string{"claude-sonnet-4"}, MaxTokens: 64000, Budget: true, Disabled: true},
	{Prefixes: []string{"claude-opus-4"}, MaxTokens: 32000, Budget: true, Disabled: true},
	{Prefixes: []string{"claude-3-7"}, MaxTokens: 64000, Budget: true, Disabled: true},
	{Prefixes: []string{"claude-3-5"}, MaxTokens: 8192},
	{Prefixes: []string{"claude-3", "claude-2", "claude-instant"}, MaxTokens: 4096},
	// A server that speaks the format without being Claude.
	{MaxTokens: 4096, Budget: true, Disabled: true, Structured: true},
}

// rule returns the rule of a model.
func (o Outbound) rule(model string) Rule {
	rules := o.Rules
	if rules == nil {
		rules = defaultRules
	}
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	if _, name, ok := strings.Cut(model, "anthropic."); ok {
		model = name
	}
	for i := range rules { // they are large
		r := &rules[i]
		if len(r.Prefixes) == 0 {
			return *r
		}
		for _, p := range r.Prefixes {
			if strings.HasPrefix(model, p) {
				return *r
			}
		}
	}
	return Rule{}
}
