// Package anthropic speaks Anthropic's Messages format, as a server and as a
// client: https://docs.anthropic.com/en/api/messages.
//
// A thinking block's signature and a redacted block's data are reasoning
// state. Inbound shows a client any provider's state there, sealed where it is
// not Anthropic's own (translate.State.Seal). Thinking without state is given
// a sealed mark as its signature, because clients drop or refuse unsigned
// blocks; ParseRequest reads that mark, and an absent signature, as thinking
// without state. State of a tool call itself (Gemini's) has no place in the
// format and rides in the call's ID (translate.PackToolID).
package anthropic

import "github.com/go-llmproxy/llmproxy/translate"

// Origin is the origin of the signatures that Anthropic gives out.
const Origin = "anthropic"

// unsignedOrigin marks the signature of thinking that has no state.
const unsignedOrigin = "unsigned"

// Inbound is the server's side of the format. The zero value is ready to use.
type Inbound struct {
	counting bool // requests are count_tokens', which need no max_tokens
}

// Outbound is the client's side of the format. The zero value speaks to
// Anthropic itself. Its fields must not change while it is in use.
//
// A tool call of the history that has no result passes as it is: the provider
// refuses it, and its message says what is missing.
type Outbound struct {
	// Origin marks the reasoning state that this provider gives out. Empty:
	// "anthropic".
	Origin string
	// Version, where it is not empty, is written as the body's
	// anthropic_version: "vertex-2023-10-16", "bedrock-2023-05-31".
	Version string
	// OmitModel leaves the model out of the body, as it stands in the URL
	// (Vertex AI, Bedrock's InvokeModel).
	OmitModel bool
	// OmitStream leaves stream out of the body (Bedrock's InvokeModel).
	OmitStream bool
	// NoURLs says that the provider fetches no URLs (Vertex AI, Bedrock).
	NoURLs bool
	// FillToolResults answers tool calls that have no result in the history
	// with an error result, each a Loss, instead of having the provider
	// refuse the request.
	FillToolResults bool
	// Rules tell what each model takes; nil: DefaultRules. The first one that
	// matches counts.
	Rules []Rule
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

// AcceptsURL reports whether the provider fetches the media's URL itself.
func (o Outbound) AcceptsURL(m *translate.Media) bool {
	return !o.NoURLs && (m.Kind == translate.Image || m.Kind == translate.File) && isHTTP(m.URL)
}
