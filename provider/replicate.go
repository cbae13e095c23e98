package provider

import (
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate/replicate"
)

// Replicate: predictions of models that each have inputs of their own; no
// OpenAI surface, no embeddings as such. A chat is several exchanges (create,
// then read the stream or wait, and cancel where the client goes away), which
// replicateTransport makes one of. A model is owner/name, owner/name:version or
// deployments/owner/name. The list of all models has hundreds of pages, so the
// curated collection of language models is listed instead
// (replicate.com/docs/reference/http).

// Replicate returns the provider "replicate".
func Replicate() *HTTP {
	at := func(path string, models ...string) Endpoint {
		return Endpoint{Format: replicate.Format, Path: path, Models: models, Outbound: replicate.Outbound{}}
	}
	version := at("/predictions", "*:*", "!deployments/*")
	version.ModelMap = func(model string) string { return model[strings.LastIndexByte(model, ':')+1:] }
	version.Rules = []Rule{{Set: [][2]string{{"version", "{model}"}}}}
	deployment := at("/deployments/{model...}/predictions", "deployments/*")
	deployment.ModelMap = func(model string) string { return strings.TrimPrefix(model, "deployments/") }
	p := &HTTP{
		ID:        "replicate",
		Endpoints: []Endpoint{deployment, version, at("/models/{model...}/predictions", "*")},
		ListPath:  "/collections/language-models",
		Owner:     "replicate",
		Wrap:      func(next http.RoundTripper) http.RoundTripper { return replicateTransport{next} },
	}
	return p.at("https://api.replicate.com/v1")
}
