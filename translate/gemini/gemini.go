// Package gemini translates Gemini's generateContent format, as Google AI
// Studio and Vertex AI speak it: https://ai.google.dev/api/generate-content.
//
// The model's name and whether the answer is streamed stand in the URL, not in
// the body: ParseRequest leaves Request.Model and Request.Stream to the caller.
package gemini

import (
	"net/url"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Origin is the origin of the thought signatures that Gemini gives out.
const Origin = "gemini"

// Inbound is the server's side of the format. The zero value is ready to use.
type Inbound struct {
	// JSONArray makes streams one JSON array that grows, as
	// streamGenerateContent answers without alt=sse, instead of SSE.
	JSONArray bool
}

// Outbound is the client's side of the format. The zero value speaks to Google
// AI Studio.
type Outbound struct {
	// Origin is that of the provider's thought signatures; empty: "gemini".
	Origin string
	// Vertex says that the provider is Vertex AI: calls have no IDs, labels
	// may be given, serviceTier and store may not.
	Vertex bool
	// OpenAPISchema writes every schema in the OpenAPI subset that the format
	// had first, for models that do not take JSON Schema. Gemma and Gemini 1
	// get it in any case.
	OpenAPISchema bool
}

var (
	_ translate.Inbound     = Inbound{}
	_ translate.Outbound    = Outbound{}
	_ translate.URLAcceptor = Outbound{}
)

func (o Outbound) origin() string {
	if o.Origin == "" {
		return Origin
	}
	return o.Origin
}

// AcceptsURL reports whether the provider fetches the media's URL itself: a
// file of the Files API, of Cloud Storage, or a YouTube video.
func (o Outbound) AcceptsURL(m *translate.Media) bool {
	u, err := url.Parse(m.URL)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "gs":
		return true
	case "https", "http":
		switch strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.") {
		case "youtube.com", "m.youtube.com", "youtu.be":
			return true
		}
		return isFileURI(m.URL)
	}
	return false
}

// isFileURI reports whether s names a file of the Files API, which nobody can
// read without the key that uploaded it.
func isFileURI(s string) bool {
	rest, ok := strings.CutPrefix(s, "https://generativelanguage.googleapis.com/")
	return ok && strings.Contains(rest, "files/")
}
