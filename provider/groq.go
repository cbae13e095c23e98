package provider

import (
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// Groq: Chat Completions, and Responses in beta and without state. It refuses
// a few of OpenAI's parameters outright (console.groq.com/docs/openai) and
// shows reasoning in "reasoning".

// Groq returns the provider "groq".
func Groq() *HTTP {
	p := &HTTP{
		ID: "groq",
		Endpoints: []Endpoint{
			{
				Format: translate.OpenAI, Path: "/chat/completions",
				Outbound: openai.Outbound{Origin: "groq", Dialect: openai.Dialect{SystemRole: "system", ReasoningField: "reasoning", FilterTools: true}},
				Rules: append([]Rule{
					{Drop: []string{"logprobs", "top_logprobs", "logit_bias"}, Reason: "Groq refuses it"},
					{Translated: true, Drop: []string{"frequency_penalty", "presence_penalty", "metadata", "store", "prediction", "verbosity"}, Reason: "without effect on Groq"},
				}, efforts("reasoning_effort", []effortRule{
					{[]string{"*gpt-oss*"}, map[string]string{"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}},
					{[]string{"*qwen3-*"}, map[string]string{"minimal": "default", "low": "default", "medium": "default", "high": "default", "xhigh": "default", "max": "default"}},
				})...),
			},
			{
				Format: translate.Responses, Path: "/responses",
				Outbound: responses.Outbound{Origin: "groq", Dialect: responses.Dialect{NoEncryptedReasoning: true, NoStore: true, ReasoningText: true}},
			},
		},
		Embedding: []Endpoint{{Path: "/embeddings"}},
		ListPath:  "/models",
		Forwards:  map[string]string{"/audio/": ""},
	}
	return p.at("https://api.groq.com/openai/v1")
}
