package provider

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/openai"
)

// Vertex AI: each vendor's models in the vendor's own format. Gemini by
// generateContent; Claude by rawPredict, whose body names its API version and
// not its model; other models by an OpenAI surface. Access tokens are Bearer;
// express mode takes an API key and has Gemini alone
// (cloud.google.com/vertex-ai/generative-ai/docs). Package provider/vertex has
// token sources for service accounts, metadata servers and workload identity.

// VertexConfig says where Vertex AI is used.
type VertexConfig struct {
	Project string
	// Location is a region ("us-central1"), "us", "eu" or "global", which an
	// empty one is, too.
	Location string
	// Token gives access tokens for requests without a key; nil: the keys are
	// access tokens, or in express mode API keys.
	Token TokenSource
	// Express says that the keys are API keys of express mode, which has no
	// project and no location.
	Express bool
	// Models are the list of models; empty: Google's own are listed by the
	// API, other vendors' are not.
	Models []string
}

// vertexVersion is the API version that Claude's body names on Vertex AI.
const vertexVersion = "vertex-2023-10-16"

// VertexAI returns the provider "google-vertex-ai".
func VertexAI(c VertexConfig) *HTTP {
	host := vertexHost(c.Location)
	p := &HTTP{
		ID:        "google-vertex-ai",
		Owner:     "google",
		Static:    models(c.Models...),
		ListPath:  "/publishers/google/models?pageSize=200",
		ListBase:  "https://" + host + "/v1beta1",
		PageParam: "pageToken",
	}
	geminis := []string{"gemini*", "gemma*", "google/*", "learnlm*"}
	p.Endpoints = []Endpoint{vertexGemini("generateContent", "streamGenerateContent?alt=sse", geminis)}
	p.Counters = []Endpoint{vertexGemini("countTokens", "", geminis)}
	if c.Express {
		p.Auth = HeaderAuth("X-Goog-Api-Key")
		return p.at("https://" + host + "/v1")
	}
	if c.Token != nil {
		p.Auth, p.NoKey = TokenAuth(c.Token, nil), true
	}
	p.ListHeader = http.Header{"X-Goog-User-Project": {c.Project}}
	tuned := vertexGemini("generateContent", "streamGenerateContent?alt=sse", []string{"endpoints/*"})
	tuned.Path = strings.Replace(tuned.Path, "/publishers/google/models/", "/endpoints/", 1)
	tuned.StreamPath = strings.Replace(tuned.StreamPath, "/publishers/google/models/", "/endpoints/", 1)
	claudes := []string{"claude*", "anthropic/*"}
	p.Endpoints = append(p.Endpoints, tuned,
		Endpoint{
			Format: translate.Anthropic, Models: claudes, ModelMap: vertexModel,
			Path:       "/publishers/anthropic/models/{model}:rawPredict",
			StreamPath: "/publishers/anthropic/models/{model}:streamRawPredict",
			Outbound:   anthropic.Outbound{Version: vertexVersion, OmitModel: true, NoURLs: true},
			Rules:      append([]Rule{{Set: [][2]string{{"model", ""}}}}, vertexVersionRules...),
		},
		Endpoint{
			Format: translate.OpenAI, Path: "/endpoints/openapi/chat/completions",
			Models:   append(except(append(geminis, claudes...)), "!endpoints/*"),
			Outbound: openai.Outbound{Origin: "google-vertex-ai", Dialect: openai.Dialect{SystemRole: "system", MaxTokensField: "max_tokens", FilterTools: true}},
		},
	)
	p.Counters = append(p.Counters, Endpoint{
		Format: translate.Anthropic, Models: claudes, ModelMap: vertexModel,
		Path:     "/publishers/anthropic/models/count-tokens:rawPredict",
		Outbound: anthropic.Outbound{Version: vertexVersion, NoURLs: true},
		Rules:    vertexVersionRules,
	})
	p.Embedding = []Endpoint{{Path: "/publishers/google/models/{model}:predict", ModelMap: vertexModel, Embeddings: vertexEmbeddings{}}}
	return p.at("https://" + host + "/v1/projects/" + url.PathEscape(c.Project) + "/locations/" + url.PathEscape(cmp.Or(c.Location, "global")))
}

// vertexVersionRules put the API version, which Anthropic has in a header, into
// the body. A newer one than Vertex's own name stands for is kept.
var vertexVersionRules = []Rule{
	{Default: [][2]string{{"anthropic_version", "{header Anthropic-Version}"}}},
	{Replace: [][3]string{{"anthropic_version", `"2023-06-01"`, `"` + vertexVersion + `"`}}},
	{Default: [][2]string{{"anthropic_version", `"` + vertexVersion + `"`}}},
}

func vertexGemini(method, stream string, models []string) Endpoint {
	e := Endpoint{
		Format: translate.Gemini, Models: models, ModelMap: vertexModel,
		Path: "/publishers/google/models/{model}:" + method, Outbound: gemini.Outbound{Vertex: true},
	}
	if stream != "" {
		e.StreamPath = "/publishers/google/models/{model}:" + stream
	}
	return e
}

// vertexModel takes off the vendor or the collection in front of a name.
func vertexModel(model string) string {
	for _, prefix := range []string{"google/", "anthropic/", "endpoints/", "models/"} {
		model = strings.TrimPrefix(model, prefix)
	}
	return model
}

// vertexHost returns the host of a location.
func vertexHost(location string) string {
	switch location {
	case "", "global":
		return "aiplatform.googleapis.com"
	case "us", "eu":
		return "aiplatform." + location + ".rep.googleapis.com"
	}
	return url.PathEscape(location) + "-aiplatform.googleapis.com"
}
