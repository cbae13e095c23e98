package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// xAI: Responses is what its documentation asks for; Chat Completions works
// but is declared deprecated, and shows no reasoning. Its Messages surface is
// gone (410). Reasoning models refuse penalties and stop
// (docs.x.ai/docs/guides/reasoning).

// Grok returns the provider "grok".
func Grok() *HTTP {
	p := &HTTP{
		ID: "grok",
		Endpoints: []Endpoint{
			{Format: translate.Responses, Path: "/responses", Outbound: responses.Outbound{Origin: "xai"}, Rules: grokRules("reasoning.effort")},
			{
				Format: translate.OpenAI, Path: "/chat/completions",
				Outbound: openai.Outbound{Origin: "xai", Dialect: openai.Dialect{SystemRole: "system", FilterTools: true}},
				Rules:    grokRules("reasoning_effort"),
			},
		},
		ListPath: "/models",
		Owner:    "xai",
		Forwards: map[string]string{"/images/": ""},
	}
	return p.at("https://api.x.ai/v1")
}

func grokRules(effort string) []Rule {
	return append([]Rule{
		{Models: []string{"grok-*", "!*non-reasoning*", "!grok-[1-3]*", "grok-3-mini*"}, Drop: []string{"presence_penalty", "frequency_penalty", "stop"}, Reason: reasoningModel},
		{Models: []string{"grok-4.20-reasoning*", "grok-4.20-non-reasoning*"}, Drop: []string{effort}, Reason: "the model's name fixes its effort"},
		{Translated: true, Drop: []string{"metadata", "logit_bias", "verbosity", "text.verbosity"}},
	}, efforts(effort, []effortRule{
		{nil, map[string]string{"minimal": "low", "max": "xhigh"}},
		{[]string{"grok-[1-3]*", "grok-4*", "!grok-4.[3-9]*"}, map[string]string{"none": "low"}},
		{[]string{"grok-[1-3]*", "grok-4*", "!grok-4.[6-9]*"}, map[string]string{"xhigh": "high"}},
	})...)
}
