// Package provider knows LLM providers: where each one is, how it
// authenticates, which formats it speaks for which model, and in what it
// departs from them. A Provider does no I/O: it turns a Call and a key into an
// *http.Request, so it can be tested as data.
//
// Most providers are one struct literal of HTTP. Any OpenAI-compatible server
// is one call of Compatible:
//
//	provider.Compatible("my-llm", "https://llm.example.com/v1")
package provider

import (
	"context"
	"io"
	"net/http"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Provider is where a proxy can send requests. Implementations are immutable
// and safe for concurrent use. What a provider can do beyond chat and
// pass-through it shows by implementing Translator, Lister, Embedder,
// Supporter, Keyless, Wrapper or http.RoundTripper as well; HTTP implements
// them all but the last. One that is an http.RoundTripper sends its requests
// itself.
type Provider interface {
	// Name is the provider's route and the prefix of its models: "openai".
	// It matches ^[a-z0-9][a-z0-9._-]*$.
	Name() string
	// Formats returns the formats in which the provider serves chat for the
	// model, most faithful first; none where it serves no chat.
	Formats(model string) []translate.Format
	// NewRequest builds the request for c with the credential of k, ready to
	// be sent. It may change c.Body's JSON where the provider departs from
	// its format, and then adds to c.Losses what it left out. Errors are
	// *translate.Error where the call cannot be made for this provider
	// (Kind Unsupported or InvalidRequest).
	NewRequest(ctx context.Context, c *Call, k rotate.Key) (*http.Request, error)
}

// Op is what a Call asks for.
type Op string

// The operations.
const (
	Chat        Op = "chat"         // one chat request in Format
	CountTokens Op = "count_tokens" // count the tokens of a chat request in Format
	Embed       Op = "embeddings"   // embeddings, in the provider's own format
	Models      Op = "models"       // list the models; Path holds the page token, if any
	Forward     Op = "forward"      // an OpenAI route by its Path ("/images/generations"), in the provider's own format
	Pass        Op = "pass"         // anything under the provider's address
)

// Call is one thing to ask of a provider.
type Call struct {
	Op     Op
	Format translate.Format // of Chat and CountTokens
	Model  string           // in the provider's own terms, without its prefix
	Stream bool

	// Body is the JSON to send, but for Edits, which are still to be made in
	// it: after them it names Model where its format does (see JSON). For
	// Forward and Pass the body may come as a stream instead, in BodyReader,
	// of ContentLength bytes (-1: unknown).
	Body  []byte
	Edits []Edit
	// Layout is where the members of Body stand, if that is known; nil: they
	// are looked for where it matters. It is good until NewRequest returns.
	Layout        *jsonx.Layout
	BodyReader    io.Reader
	ContentLength int64
	ContentType   string // of the body; empty: application/json

	// Method, Path and Query are Pass's (and Forward's): the method, the
	// escaped path below the provider's address, starting with a slash, and
	// the raw query.
	Method, Path, Query string

	// Header holds the client's headers that may go upstream; no credential
	// is among them. NewRequest may keep the map and add to it, but changes
	// none of its values in place.
	Header http.Header
	// Translated says that Body was made from another format, so that the
	// client did not choose its parameters for this provider.
	Translated bool
	// Losses receives what NewRequest leaves out of Body; may be nil.
	Losses *translate.Losses
}

// Edit changes a member at the top of a JSON object: it sets it to Value, which
// is JSON, or drops it where Value is nil.
type Edit struct {
	Name  string
	Value []byte
}

// JSON returns Body with the Edits made: Body itself where there are none.
func (c *Call) JSON() ([]byte, error) {
	body, err := edited(nil, c, c.Model, nil)
	if err != nil {
		return nil, err
	}
	return body.join(), nil
}

// Translator is a Provider that has codecs of its own for its formats. Where
// a Provider is none, or returns nil, a format's codec is used as it is.
type Translator interface {
	Outbound(f translate.Format, model string) translate.Outbound
}

// Embedder is a Provider whose embeddings are not in OpenAI's format. A nil
// codec means that they are.
type Embedder interface {
	Embeddings(model string) translate.EmbeddingCodec
}

// Supporter is a Provider that can tell whether it serves an operation, so
// that a caller learns it before a key is taken.
type Supporter interface {
	Supports(op Op, f translate.Format, model string) bool
}

// Keyless is a Provider that may be called without a key, such as a server on
// the local network.
type Keyless interface {
	KeyOptional() bool
}

// Wrapper is a Provider whose calls take more than one HTTP exchange, or whose
// answers must be made into what the call's format says. Transport returns
// what sends its requests, by way of next; it is asked once for each next and
// must be safe for concurrent use.
type Wrapper interface {
	Transport(next http.RoundTripper) http.RoundTripper
}

// Lister is a Provider whose models can be listed, by NewRequest with Models.
type Lister interface {
	// ParseModels reads one page of the list, and returns the token of the
	// next one, empty at the end.
	ParseModels(body []byte) (models []Model, next string, err error)
	// StaticModels returns the models that are known without asking; where
	// it returns some, the provider is not asked.
	StaticModels() []Model
}

// Model is an entry of a provider's model list.
type Model struct {
	ID          string // without the provider's prefix
	OwnedBy     string
	DisplayName string
	Created     int64 // Unix seconds; 0: unknown
	// ContextWindow and MaxOutput are in tokens; 0: unknown.
	ContextWindow, MaxOutput int64
}
