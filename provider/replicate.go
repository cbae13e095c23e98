package provider

// Replicate: predictions of models that each have inputs of their own; no
// OpenAI surface, no embeddings as such. The list of all models has hundreds of
// pages, so the curated collection of language models is listed instead
// (replicate.com/docs/reference/http).

// Replicate returns the provider "replicate".
func Replicate() *HTTP {
	p := &HTTP{
		ID:       "replicate",
		ListPath: "/collections/language-models",
		Owner:    "replicate",
	}
	return p.at("https://api.replicate.com/v1")
}
