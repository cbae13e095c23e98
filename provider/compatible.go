package provider

import (
	"cmp"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// Compatible returns a Provider for any OpenAI-compatible server (vLLM,
// llama.cpp, LM Studio, a company's own). The base URL is what precedes
// /chat/completions. A key is sent where there is one, and not demanded. The
// result may be adjusted before it is used.
func Compatible(name, baseURL string) *HTTP {
	p := &HTTP{
		ID:        name,
		NoKey:     true,
		Endpoints: []Endpoint{{Format: translate.OpenAI, Path: "/chat/completions", Outbound: openai.Outbound{Origin: name, Dialect: commonDialect}}},
		Embedding: []Endpoint{{Path: "/embeddings"}},
		ListPath:  "/models",
		Forwards:  map[string]string{"/completions": "", "/images/": "", "/audio/": "", "/moderations": "", "/rerank": ""},
	}
	return p.at(strings.TrimSuffix(baseURL, "/"))
}

// commonDialect is what servers that copy OpenAI's format have in common: they
// know neither its developer role nor its later names and additions.
var commonDialect = openai.Dialect{SystemRole: "system", MaxTokensField: "max_tokens", FilterTools: true, TopK: true, MaxStops: -1}

// CustomConfig describes an OpenAI-compatible server in a few words, as
// CUSTOM_OPENAI_ENDPOINTS does.
type CustomConfig struct {
	Name    string // the route and the model prefix, as Provider.Name has it
	BaseURL string
	// Models are the server's models. Where there are some, the server is not
	// asked for its list.
	Models []string
	// ChatCompletionPath and ModelsPath are appended to BaseURL; empty:
	// /chat/completions and /models.
	ChatCompletionPath, ModelsPath string
}

// Custom returns a Provider like Compatible's for c.
func Custom(c CustomConfig) *HTTP {
	p := Compatible(c.Name, c.BaseURL)
	p.Endpoints[0].Path = cmp.Or(slash(c.ChatCompletionPath), p.Endpoints[0].Path)
	p.ListPath = cmp.Or(slash(c.ModelsPath), p.ListPath)
	p.Static = models(c.Models...)
	return p
}

func slash(path string) string {
	if path == "" || path[0] == '/' {
		return path
	}
	return "/" + path
}

// models returns models of which no more than the ID is known.
func models(ids ...string) []Model {
	list := make([]Model, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return list
}
