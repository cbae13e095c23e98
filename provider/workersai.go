package provider

import (
	"net/url"
	"strconv"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// Workers AI: an OpenAI surface under /v1 beside its own /run, which
// pass-through reaches; Responses for gpt-oss alone
// (developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility).
// Models are listed by a search with numbered pages. Images must be data URLs.
// max_tokens is small by default, 256 for many models; a client that wants
// more has to say so.

// WorkersAI returns the provider "workers-ai" of a Cloudflare account.
func WorkersAI(accountID string) *HTTP {
	p := &HTTP{
		ID: "workers-ai",
		Endpoints: []Endpoint{
			{
				Format: translate.OpenAI, Path: "/v1/chat/completions",
				Outbound: openai.Outbound{Origin: "workers-ai", Dialect: openai.Dialect{
					SystemRole: "system", MaxTokensField: "max_tokens", DataURLsOnly: true, FilterTools: true,
				}},
				Rules: append([]Rule{
					{Translated: true, Drop: []string{"store", "metadata", "verbosity", "service_tier", "prompt_cache_key", "safety_identifier", "user", "logit_bias"}},
				}, efforts("reasoning_effort", []effortRule{{nil, map[string]string{"minimal": "low", "xhigh": "high", "max": "high"}}})...),
			},
			{
				Format: translate.Responses, Path: "/v1/responses", Models: []string{"*gpt-oss*"},
				Outbound: responses.Outbound{Origin: "workers-ai", Dialect: responses.Dialect{NoEncryptedReasoning: true, NoStore: true, ReasoningText: true}},
			},
		},
		Embedding:  []Endpoint{{Path: "/v1/embeddings"}},
		ListPath:   "/models/search?task=Text%20Generation&per_page=100",
		PageParam:  "page",
		ListModels: cloudflareModels,
		Owner:      "cloudflare",
	}
	return p.at("https://api.cloudflare.com/client/v4/accounts/" + url.PathEscape(accountID) + "/ai")
}

// cloudflareModels reads a numbered page: where it is a full one, there may be
// another.
func cloudflareModels(body []byte) ([]Model, string, error) {
	list, _, err := ParseModelList(body)
	if err != nil {
		return nil, "", err
	}
	var page, size, count, total int64
	d := jsonx.NewDecoder(body)
	for key := range d.Members() {
		if string(key) != "result_info" {
			continue
		}
		for key := range d.Members() {
			switch string(key) {
			case "page":
				page = d.Int()
			case "per_page":
				size = d.Int()
			case "count":
				count = d.Int()
			case "total_count":
				total = d.Int()
			}
		}
	}
	if d.Err() == nil && page > 0 && size > 0 && count > 0 && page*size < total {
		return list, strconv.FormatInt(page+1, 10), nil
	}
	return list, "", nil
}
