package provider

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// Azure OpenAI (Microsoft Foundry): OpenAI's own API under /openai/v1, or, with
// a dated api-version, one path per deployment. What OpenAI calls the model is
// the deployment's name. Keys go in api-key; Entra tokens are Bearer. Reasoning
// state belongs to the resource, so its origin is not OpenAI's
// (learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle).

// AzureConfig says where an Azure OpenAI resource is.
type AzureConfig struct {
	// Resource is the resource's name, as in https://NAME.openai.azure.com.
	Resource string
	// BaseURL stands in place of Resource: https://NAME.openai.azure.com or,
	// with its path, https://NAME.services.ai.azure.com/openai/v1.
	BaseURL string
	// APIVersion chooses dated deployments, as in "2024-10-21". Empty or "v1":
	// the v1 surface.
	APIVersion string
	// Deployments maps models to deployments, whose names are used as they
	// are where they are not in it. Its models are the list of models.
	Deployments map[string]string
	// Token gives Entra tokens for requests without a key; nil: keys alone.
	Token TokenSource
	// Claude says that the resource serves Claude, at /anthropic.
	Claude bool
}

// AzureOpenAI returns the provider "azure-openai".
func AzureOpenAI(c AzureConfig) *HTTP {
	root := azureRoot(c)
	p := &HTTP{
		ID:       "azure-openai",
		Auth:     azureAuth(c.Token),
		NoKey:    c.Token != nil,
		Owner:    "azure-openai",
		Forwards: map[string]string{"/completions": "", "/images/": "", "/audio/": ""},
		Static:   models(slices.Sorted(maps.Keys(c.Deployments))...),
	}
	if c.APIVersion == "" || c.APIVersion == "v1" {
		p.at(root + "/openai/v1")
		if u, err := url.Parse(root); err == nil && !azureHost(u.Hostname()) {
			p.at(cmp.Or(strings.TrimSuffix(c.BaseURL, "/"), p.BaseURL)) // a stand-in
		}
		p.Endpoints = openAIEndpoints("azure-openai")
		p.Embedding = []Endpoint{{Path: "/embeddings"}}
		p.ListPath = "/models"
	} else {
		p.at(root + "/openai")
		p.datedEndpoints(c.APIVersion)
	}
	deployment := func(model string) string { return cmp.Or(c.Deployments[model], model) }
	for _, list := range [][]Endpoint{p.Endpoints, p.Embedding} {
		for i := range list {
			list[i].ModelMap = deployment
		}
	}
	if c.Claude {
		p.addClaude(root, deployment)
	}
	return p
}

// azureRoot returns what precedes /openai.
func azureRoot(c AzureConfig) string {
	root := strings.TrimSuffix(c.BaseURL, "/")
	if root == "" {
		root = "https://" + url.PathEscape(c.Resource) + ".openai.azure.com"
	}
	root = strings.TrimSuffix(root, "/v1")
	return strings.TrimSuffix(root, "/openai")
}

func azureHost(host string) bool {
	for _, suffix := range []string{".azure.com", ".azure.us", ".azure.cn", ".azure-api.net"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

func azureAuth(source TokenSource) Auth {
	key := HeaderAuth("Api-Key")
	if source == nil {
		return key
	}
	return TokenAuth(source, key)
}

// datedEndpoints are those of an API version before v1. Responses came with
// 2025-03-01-preview.
func (p *HTTP) datedEndpoints(version string) {
	query := "?api-version=" + url.QueryEscape(version)
	at := func(path string) string { return "/deployments/{model}" + path + query }
	p.Endpoints = []Endpoint{{
		Format: translate.OpenAI, Path: at("/chat/completions"),
		Outbound: openai.Outbound{Origin: "azure-openai", Dialect: openai.Dialect{NoStreamOptions: version < "2024-09-01"}}, Rules: openAIChatRules,
	}}
	if version >= "2025-03-01" {
		for _, e := range openAIEndpoints("azure-openai") {
			if e.Format == translate.Responses {
				e.Path += query
				p.Endpoints = append(p.Endpoints, e)
			}
		}
	}
	p.Embedding = []Endpoint{{Path: at("/embeddings")}}
	p.ListPath = "/models" + query
	p.Forwards = nil
}

// addClaude adds Claude's endpoint, which lives beside /openai on the
// resource's other host.
func (p *HTTP) addClaude(root string, deployment func(string) string) {
	for i := range p.Endpoints {
		if p.Endpoints[i].Models == nil {
			p.Endpoints[i].Models = []string{"*"}
		}
		p.Endpoints[i].Models = append(slices.Clone(p.Endpoints[i].Models), "!*claude*")
	}
	p.Endpoints = append(p.Endpoints, Endpoint{
		Format: translate.Anthropic, Path: "/anthropic/v1/messages", Models: []string{"*claude*"}, ModelMap: deployment,
		BaseURL: strings.Replace(root, ".openai.azure.com", ".services.ai.azure.com", 1),
		Header:  anthropicVersion, Outbound: anthropic.Outbound{},
	})
}
