package llmproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// envProvider says which variables configure a provider: PREFIX_API_KEY holds
// its keys and PREFIX_BASE_URL moves it.
type envProvider struct {
	prefix string
	other  string // another name of PREFIX_API_KEY
	make   func(*env) *provider.HTTP
	// keyless providers are configured by their base URL alone, too.
	keyless bool
	needs   []string // variables that must stand beside the key
	key     string   // where the key's variable is not PREFIX_API_KEY
}

func plain(f func() *provider.HTTP) func(*env) *provider.HTTP {
	return func(*env) *provider.HTTP { return f() }
}

// envProviders returns the providers of FromEnv, in the order of their routes.
func envProviders() []envProvider {
	return []envProvider{
		{prefix: "OPENAI", make: plain(provider.OpenAI)},
		{prefix: "GEMINI", make: plain(provider.GoogleAIStudio)},
		{prefix: "ANTHROPIC", make: plain(provider.Anthropic)},
		{prefix: "CEREBRAS", make: plain(provider.Cerebras)},
		{prefix: "COHERE", make: plain(provider.Cohere)},
		{prefix: "DEEPSEEK", make: plain(provider.DeepSeek)},
		{prefix: "GROK", make: plain(provider.Grok)},
		{prefix: "GROQ", make: plain(provider.Groq)},
		{prefix: "MISTRAL", make: plain(provider.Mistral)},
		{prefix: "PERPLEXITY", other: "PERPLEXITYAI_API_KEY", make: plain(provider.Perplexity)},
		{prefix: "AZURE_OPENAI", needs: []string{"AZURE_OPENAI_BASE_URL"}, make: func(e *env) *provider.HTTP {
			return provider.AzureOpenAI(provider.AzureConfig{BaseURL: e.get("AZURE_OPENAI_BASE_URL"), APIVersion: e.get("AZURE_OPENAI_API_VERSION")})
		}},
		{prefix: "GOOGLE_VERTEX", key: "GOOGLE_VERTEX_ACCESS_TOKEN", needs: []string{"GOOGLE_VERTEX_PROJECT"}, make: func(e *env) *provider.HTTP {
			return provider.VertexAI(provider.VertexConfig{Project: e.get("GOOGLE_VERTEX_PROJECT"), Location: e.get("GOOGLE_VERTEX_LOCATION")})
		}},
		{prefix: "AWS_BEDROCK", key: "AWS_BEARER_TOKEN_BEDROCK", needs: []string{"AWS_REGION"}, make: func(e *env) *provider.HTTP {
			return provider.Bedrock(provider.BedrockConfig{Region: e.get("AWS_REGION")})
		}},
		{prefix: "OPENROUTER", make: plain(provider.OpenRouter)},
		{prefix: "CLOUDFLARE", needs: []string{"CLOUDFLARE_ACCOUNT_ID"}, make: func(e *env) *provider.HTTP {
			return provider.WorkersAI(e.get("CLOUDFLARE_ACCOUNT_ID"))
		}},
		{prefix: "HUGGINGFACE", make: plain(provider.HuggingFace)},
		{prefix: "REPLICATE", make: plain(provider.Replicate)},
		{prefix: "OLLAMA", keyless: true, make: plain(func() *provider.HTTP { return provider.Ollama("") })},
	}
}

// FromEnv configures the Proxy from environment variables, which lookup
// returns; pass os.LookupEnv. The environment is read when New is called, and
// not again. A variable that is wrong is an error of New, which names it and
// quotes no secret; nil is one, too.
//
//   - PROXY_API_KEY: the keys of clients. Without one every request is refused,
//     unless DEV is "true".
//   - OPENAI_API_KEY, GEMINI_API_KEY, ANTHROPIC_API_KEY, …: the keys of a
//     provider, which is configured by having one. OPENAI_BASE_URL, … move it:
//     the value replaces the whole base URL, path included.
//   - CUSTOM_OPENAI_ENDPOINTS: a JSON array of OpenAI-compatible servers, each
//     with name, baseUrl, and perhaps apiKeys, models, chatCompletionPath and
//     modelsPath.
//   - DEFAULT_MODEL: what the model "default" stands for.
//   - ENABLE_GLOBAL_ROUND_ROBIN: "false" picks keys at random instead of in
//     turn.
//   - PATH_PREFIX: where the handler is mounted, for routers that do not strip.
//
// Where a variable holds keys it is one string, a list with commas, or a JSON
// array of strings. docs/configuration.md lists all variables.
func FromEnv(lookup func(string) (string, bool)) Option {
	return func(c *config) {
		if lookup == nil {
			c.fault("FromEnv: nil lookup")
			return
		}
		e := &env{config: c, lookup: lookup, validate: validator.New(validator.WithRequiredStructEnabled())}
		e.proxy()
		for _, ep := range envProviders() {
			e.provider(ep)
		}
		e.custom()
	}
}

// env reads variables into a config.
type env struct {
	*config
	lookup   func(string) (string, bool)
	validate *validator.Validate
}

func (e *env) get(name string) string {
	v, ok := e.lookup(name)
	if !ok {
		return ""
	}
	return strings.TrimSpace(v)
}

// boolean reads a variable that is "true" or "false".
func (e *env) boolean(name string) (v, given bool) {
	switch s := strings.ToLower(e.get(name)); s {
	case "":
		return false, false
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	e.fault("%s: must be true or false", name)
	return false, false
}

func (e *env) proxy() {
	for _, k := range e.keyList("PROXY_API_KEY") {
		e.proxyKeys = append(e.proxyKeys, rotate.NewSecret(k))
	}
	dev, _ := e.boolean("DEV")
	e.open = e.open || dev
	if m := e.get("DEFAULT_MODEL"); m != "" {
		e.defaultModel = m
	}
	if on, given := e.boolean("ENABLE_GLOBAL_ROUND_ROBIN"); given && !on {
		e.poolOptions = append(e.poolOptions, rotate.WithPolicy(rotate.Random{}))
	}
	if prefix := e.get("PATH_PREFIX"); prefix != "" {
		WithPathPrefix(prefix)(e.config)
	}
	e.refuse = true
	e.aiGateway()
}

func (e *env) aiGateway() {
	name, token, base := e.get("AI_GATEWAY_NAME"), e.get("CF_AIG_TOKEN"), e.baseURL("AI_GATEWAY_BASE_URL")
	if name == "" && token == "" && base == "" {
		return
	}
	account := e.get("CLOUDFLARE_ACCOUNT_ID")
	if account == "" {
		e.fault("CLOUDFLARE_ACCOUNT_ID: must be set beside AI_GATEWAY_NAME")
		return
	}
	e.gateway = &gateway.Gateway{Account: account, Name: name, BaseURL: base}
	if token != "" {
		e.gateway.Token = rotate.NewSecret(token)
	}
}

func (e *env) provider(ep envProvider) {
	keyName := ep.key
	if keyName == "" {
		keyName = ep.prefix + "_API_KEY"
	}
	keys := e.keyList(keyName)
	if len(keys) == 0 && ep.other != "" {
		keys = e.keyList(ep.other)
	}
	base := e.baseURL(ep.prefix + "_BASE_URL")
	if len(keys) == 0 && !(ep.keyless && base != "") {
		return
	}
	for _, n := range ep.needs {
		if e.get(n) == "" {
			e.fault("%s: must be set beside %s", n, keyName)
			return
		}
	}
	p := ep.make(e)
	if base != "" && p.ID != "azure-openai" {
		p.BaseURL = base
	}
	if ep.keyless && len(keys) == 0 {
		p.NoKey = true
	}
	WithProvider(p)(e.config)
	for _, k := range keys {
		e.keys[p.ID] = append(e.keys[p.ID], rotate.Key{Secret: rotate.NewSecret(k)})
	}
}

func (e *env) baseURL(name string) string {
	v := strings.TrimRight(e.get(name), "/")
	if v == "" {
		return ""
	}
	if e.validate.Var(v, "http_url") != nil || strings.ContainsAny(v, "?#") {
		e.fault("%s: must be an http or https URL without query", name)
		return ""
	}
	return v
}

// keyList reads a variable that holds keys. Faults name the variable and
// never its value.
func (e *env) keyList(name string) []string {
	v := e.get(name)
	var list stringList
	if strings.HasPrefix(v, "[") {
		if json.Unmarshal([]byte(v), &list) != nil {
			e.fault("%s: is no JSON array of strings", name)
			return nil
		}
	} else {
		list = strings.Split(v, ",")
	}
	var keys []string
	for _, k := range list {
		if k = strings.TrimSpace(k); k == "" {
			continue
		}
		if strings.ContainsFunc(k, func(r rune) bool { return r < '!' || r == 0x7f }) {
			e.fault("%s: a key holds white space or a control character", name)
			continue
		}
		keys = append(keys, k)
	}
	return keys
}

// stringList is a JSON array of strings, or one string.
type stringList []string

func (l *stringList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return errNotStrings
		}
		*l = stringList{s}
		return nil
	}
	var list []string
	if json.Unmarshal(b, &list) != nil {
		return errNotStrings
	}
	*l = list
	return nil
}

// errNotStrings stands for json's own errors, which quote the value.
var errNotStrings = errors.New("expected an array of strings")

// customEndpoint is an entry of CUSTOM_OPENAI_ENDPOINTS.
type customEndpoint struct {
	Name               string     `json:"name" validate:"required"`
	BaseURL            string     `json:"baseUrl" validate:"required,http_url"`
	APIKeys            stringList `json:"apiKeys"`
	Models             stringList `json:"models"`
	ChatCompletionPath string     `json:"chatCompletionPath" validate:"omitempty,startswith=/"`
	ModelsPath         string     `json:"modelsPath" validate:"omitempty,startswith=/"`
}

const customVar = "CUSTOM_OPENAI_ENDPOINTS"

func (e *env) custom() {
	v := e.get(customVar)
	if v == "" {
		return
	}
	var list []customEndpoint
	if err := json.Unmarshal([]byte(v), &list); err != nil {
		e.fault("%s: is no JSON array of endpoints (name, baseUrl, apiKeys, models, chatCompletionPath, modelsPath)", customVar)
		return
	}
	for i, c := range list {
		var faults validator.ValidationErrors
		if errors.As(e.validate.Struct(c), &faults) {
			for _, f := range faults {
				e.fault("%s[%d].%s: must be %s %s", customVar, i, f.Field(), f.Tag(), f.Param())
			}
			continue
		}
		if !providerName.MatchString(c.Name) {
			e.fault("%s[%d].Name: must match %s", customVar, i, providerName)
			continue
		}
		WithProvider(provider.Custom(provider.CustomConfig{
			Name: c.Name, BaseURL: c.BaseURL, Models: c.Models, ChatCompletionPath: c.ChatCompletionPath, ModelsPath: c.ModelsPath,
		}))(e.config)
		for _, k := range c.APIKeys {
			if k = strings.TrimSpace(k); k != "" {
				e.keys[c.Name] = append(e.keys[c.Name], rotate.Key{Secret: rotate.NewSecret(k)})
			}
		}
	}
}

// refuseAll is the authentication of a proxy from an environment without
// PROXY_API_KEY.
func refuseAll(*http.Request) (string, error) { return "", errUnauthorized }
