package provider

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// DeepSeek: Chat Completions on the bare host (/v1 is an alias), and Messages
// under /anthropic, with x-api-key or Bearer. While a request has tools, each
// assistant turn must bring back its reasoning_content, or the answer is 400
// (api-docs.deepseek.com/guides/thinking_mode).

// DeepSeek returns the provider "deepseek".
func DeepSeek() *HTTP {
	p := &HTTP{
		ID: "deepseek",
		Endpoints: []Endpoint{
			{
				Format: translate.OpenAI, Path: "/chat/completions",
				Outbound: openai.Outbound{Origin: "deepseek", Dialect: openai.Dialect{
					SystemRole: "system", ReasoningField: "reasoning_content", EchoReasoning: true,
					MaxTokensField: "max_tokens", FilterTools: true, MaxStops: 16,
				}},
				Rules: deepSeekRules,
			},
			{
				Format: translate.Anthropic, Path: "/anthropic/v1/messages", Beside: "/v1", Auth: HeaderAuth("X-Api-Key"),
				Header: anthropicVersion, Outbound: anthropic.Outbound{Origin: "deepseek"},
			},
		},
		ListPath: "/models",
		Owner:    "deepseek",
		Forwards: map[string]string{"/completions": "/beta/completions"},
		PassAuth: func(path string) Auth {
			if strings.HasPrefix(path, "/anthropic/") {
				return HeaderAuth("X-Api-Key")
			}
			return nil
		},
	}
	return p.at("https://api.deepseek.com")
}

var deepSeekRules = []Rule{
	{Rename: [][2]string{{"max_completion_tokens", "max_tokens"}, {"user", "user_id"}}},
	{If: "response_format.type", IfValue: `"json_schema"`, Set: [][2]string{{"response_format", `{"type":"json_object"}`}}, Reason: "DeepSeek does not enforce a schema, only JSON"},
	{If: "reasoning_effort", IfValue: `"none"`, Set: [][2]string{{"thinking", `{"type":"disabled"}`}, {"reasoning_effort", ""}}},
	// Its efforts are low, high and max, and stand for these.
	{Replace: [][3]string{
		{"reasoning_effort", `"minimal"`, `"low"`}, {"reasoning_effort", `"medium"`, `"high"`}, {"reasoning_effort", `"xhigh"`, `"max"`},
	}},
	{Translated: true, Drop: []string{"seed", "logit_bias", "parallel_tool_calls", "metadata", "service_tier", "store", "verbosity", "prompt_cache_key"}},
}
