package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// OpenAI: every model is served by Responses, most by Chat Completions, too.
// Reasoning models refuse sampling parameters, and function tools together
// with reasoning on Chat (platform.openai.com/docs/guides/latest-model), so
// what is translated goes to them by Responses.

// reasons are OpenAI's models that reason. Responses serves them best.
var reasons = []string{"o[1-9]*", "gpt-[5-9]*", "codex-*", "!gpt-*-chat*"}

// chatless are OpenAI's models that Chat Completions does not serve, or not
// with tools.
var chatless = []string{"gpt-*-pro*", "gpt-*codex*", "codex-*", "o[1-9]-pro*", "*deep-research*", "computer-use-*", "gpt-6-astra*", "gpt-6.1-sol*"}

func except(patterns []string) []string {
	out := []string{"*"}
	for _, p := range patterns {
		out = append(out, "!"+p)
	}
	return out
}

// OpenAI returns the provider "openai".
func OpenAI() *HTTP {
	p := &HTTP{
		ID:        "openai",
		Endpoints: openAIEndpoints("openai"),
		Embedding: []Endpoint{{Path: "/embeddings"}},
		ListPath:  "/models",
		Forwards:  map[string]string{"/completions": "", "/images/": "", "/audio/": "", "/moderations": ""},
	}
	return p.at("https://api.openai.com/v1")
}

// openAIEndpoints are those of OpenAI's models, wherever they are served.
func openAIEndpoints(origin string) []Endpoint {
	return []Endpoint{
		{Format: translate.Responses, Path: "/responses", Models: reasons, Outbound: responses.Outbound{Origin: origin}, Rules: openAIResponsesRules},
		{Format: translate.OpenAI, Path: "/chat/completions", Models: except(chatless), Outbound: openai.Outbound{Origin: origin}, Rules: openAIChatRules},
		// Models that do not reason refuse to be asked for their reasoning.
		{Format: translate.Responses, Path: "/responses", Outbound: responses.Outbound{Origin: origin, Dialect: responses.Dialect{NoEncryptedReasoning: true}}, Rules: openAIResponsesRules},
	}
}

const (
	reasoningModel = "reasoning models do not take it"
	effortModel    = "not an effort of this model; the nearest one is used"
)

var (
	alwaysReason = []string{"o[1-9]*", "gpt-5", "gpt-5-*", "gpt-5.[1-9]-chat*", "gpt-6-astra*", "gpt-6.1-sol*", "!gpt-5-chat*"}
	mayReason    = []string{"gpt-5.[1-9]*", "gpt-6*", "!gpt-*-chat*", "!gpt-6-astra*", "!gpt-6.1-sol*"}
	mutedReason  = []string{"gpt-5.[1-4]*", "!gpt-*-chat*"} // they reason when asked to
	sampling     = []string{"temperature", "top_p", "top_logprobs"}
)

// openAIChatRules hold for clients of Chat Completions as well: OpenAI answers
// 400 in each case.
var openAIChatRules = []Rule{
	{Models: []string{"o[1-9]*", "gpt-[5-9]*", "!gpt-*-chat*"}, Rename: [][2]string{{"max_tokens", "max_completion_tokens"}}},
	{Models: alwaysReason, Drop: []string{"temperature", "top_p", "logprobs", "top_logprobs"}, Reason: reasoningModel},
	{Models: append(append([]string{}, reasons...), alwaysReason...), Drop: []string{"presence_penalty", "frequency_penalty", "logit_bias"}, Reason: reasoningModel},
	{Models: []string{"o3*", "o4-mini*"}, Drop: []string{"stop"}, Reason: reasoningModel},
	{Models: mayReason, If: "reasoning_effort", Unless: "reasoning_effort", UnlessValue: `"none"`, Drop: []string{"temperature", "top_p", "logprobs", "top_logprobs"}, Reason: reasoningModel},
}

// openAIResponsesRules are about what clients of other formats send along.
var openAIResponsesRules = append([]Rule{
	{Models: alwaysReason, Translated: true, Drop: sampling, Reason: reasoningModel},
	{Models: append(append([]string{}, mayReason...), "!gpt-5.[1-4]*"), Translated: true, Unless: "reasoning.effort", UnlessValue: `"none"`, Drop: sampling, Reason: reasoningModel},
	{Models: mutedReason, Translated: true, If: "reasoning.effort", Unless: "reasoning.effort", UnlessValue: `"none"`, Drop: sampling, Reason: reasoningModel},
}, efforts("reasoning.effort", []effortRule{
	{[]string{"o[1-9]*"}, map[string]string{"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}},
	{[]string{"gpt-5", "gpt-5-*"}, map[string]string{"none": "minimal", "xhigh": "high", "max": "high"}},
	{[]string{"gpt-5.1*"}, map[string]string{"minimal": "low", "xhigh": "high", "max": "high"}},
	{[]string{"gpt-5.[2-5]*"}, map[string]string{"minimal": "low", "max": "xhigh"}},
	{[]string{"gpt-5.[6-9]*", "gpt-6*"}, map[string]string{"minimal": "low"}},
	{[]string{"gpt-6-astra*", "gpt-6.1-sol*"}, map[string]string{"none": "low"}},
})...)

// effortRule says which efforts models do not know, and the nearest they do.
type effortRule struct {
	models  []string
	nearest map[string]string
}

// efforts returns rules that fit the effort of translated requests.
func efforts(member string, rules []effortRule) []Rule {
	var out []Rule
	for _, e := range rules {
		r := Rule{Models: e.models, Translated: true, Reason: effortModel}
		for _, word := range []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"} {
			if to, ok := e.nearest[word]; ok {
				r.Replace = append(r.Replace, [3]string{member, `"` + word + `"`, `"` + to + `"`})
			}
		}
		out = append(out, r)
	}
	return out
}
