package gateway

import (
	"net/url"
	"strings"
)

// rule says how a provider's addresses turn into the gateway's.
type rule struct {
	slug string
	// prefix of the provider's URL that the slug stands for. A "*" in the
	// host stands for one label; what it matches goes to path.
	prefix string
	// path rewrites what follows the prefix; nil leaves it. It reports false
	// for what the gateway does not take.
	path func(matched, rest string) (string, bool)
}

// rules has the gateway's slugs, by the providers' names in this module.
// Hugging Face is missing because the gateway's slug leads to an address that
// is gone, Ollama because it is local.
var rules = map[string][]rule{
	"openai":           {{slug: "openai", prefix: "https://api.openai.com/v1"}},
	"anthropic":        {{slug: "anthropic", prefix: "https://api.anthropic.com"}},
	"google-ai-studio": {{slug: "google-ai-studio", prefix: "https://generativelanguage.googleapis.com"}},
	"google-vertex-ai": {{slug: "google-vertex-ai", prefix: "https://*-aiplatform.googleapis.com"}},
	"azure-openai":     {{slug: "azure-openai", prefix: "https://*.openai.azure.com/openai/deployments", path: azure}},
	"aws-bedrock":      {{slug: "aws-bedrock", prefix: "https://bedrock-runtime.*.amazonaws.com", path: bedrock}},
	"cohere":           {{slug: "cohere", prefix: "https://api.cohere.com"}},
	"mistral":          {{slug: "mistral", prefix: "https://api.mistral.ai"}},
	"deepseek":         {{slug: "deepseek", prefix: "https://api.deepseek.com"}},
	"grok":             {{slug: "grok", prefix: "https://api.x.ai"}},
	"groq":             {{slug: "groq", prefix: "https://api.groq.com/openai/v1"}},
	"cerebras":         {{slug: "cerebras", prefix: "https://api.cerebras.ai/v1"}},
	"perplexity":       {{slug: "perplexity-ai", prefix: "https://api.perplexity.ai"}},
	"openrouter":       {{slug: "openrouter", prefix: "https://openrouter.ai/api"}},
	"replicate":        {{slug: "replicate", prefix: "https://api.replicate.com/v1"}},
	"workers-ai": {
		{slug: "workers-ai", prefix: "https://api.cloudflare.com/client/v4/accounts/*/ai/run"},
		{slug: "workers-ai", prefix: "https://api.cloudflare.com/client/v4/accounts/*/ai", path: workersAI},
	},
}

// Slug returns the gateway's name for a provider; false where it has none.
func (g *Gateway) Slug(providerName string) (string, bool) {
	if s, ok := g.Slugs[providerName]; ok {
		return s, s != "-"
	}
	r, ok := rules[providerName]
	if !ok {
		return "", false
	}
	return r[0].slug, true
}

// ProviderOf returns the provider that a slug stands for.
func (g *Gateway) ProviderOf(slug string) (string, bool) {
	for name, s := range g.Slugs {
		if s == slug && s != "-" {
			return name, true
		}
	}
	for name, r := range rules {
		if r[0].slug == slug && g.Slugs[name] == "" {
			return name, true
		}
	}
	return "", false
}

// endpoint returns what of a provider's URL follows the slug.
func (g *Gateway) endpoint(u *url.URL, providerName string) (endpoint, slug string, ok bool) {
	if s, custom := g.Slugs[providerName]; custom {
		return u.EscapedPath(), s, s != "-"
	}
	for _, r := range rules[providerName] {
		matched, rest, ok := matchPrefix(r.prefix, u.Scheme+"://"+u.Host+u.EscapedPath())
		if !ok {
			continue
		}
		if r.path != nil {
			if rest, ok = r.path(matched, rest); !ok {
				continue
			}
		}
		return rest, r.slug, true
	}
	return "", "", false
}

// matchPrefix matches a URL against a prefix in which a "*" stands for one or
// more characters other than '/' and '.'. The prefix ends where a segment does.
func matchPrefix(prefix, u string) (matched, rest string, ok bool) {
	before, after, wild := strings.Cut(prefix, "*")
	rest, ok = strings.CutPrefix(u, before)
	if !ok {
		return "", "", false
	}
	if wild {
		i := strings.IndexAny(rest, "/.")
		if after != "" && after[0] == '-' { // {region}-aiplatform…: the label ends in the rest of the pattern
			i = strings.Index(rest, after)
			if i >= 0 && strings.ContainsAny(rest[:i], "/.") {
				return "", "", false
			}
		}
		if i <= 0 {
			return "", "", false
		}
		matched, rest = rest[:i], rest[i:]
		if rest, ok = strings.CutPrefix(rest, after); !ok {
			return "", "", false
		}
	}
	return matched, rest, rest == "" || rest[0] == '/'
}

// azure turns /deployments/{dep}/… of {resource}.openai.azure.com into
// /{resource}/{dep}/…. The v1 surface has no documented path.
func azure(resource, rest string) (string, bool) { return "/" + resource + rest, rest != "" }

func bedrock(region, rest string) (string, bool) {
	return "/bedrock-runtime/" + region + rest, strings.HasPrefix(rest, "/model/")
}

// workersAI takes the OpenAI surface, /v1/…; models are listed elsewhere.
func workersAI(_, rest string) (string, bool) { return rest, strings.HasPrefix(rest, "/v1/") }
