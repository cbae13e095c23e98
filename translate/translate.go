// Package translate holds the neutral model of a chat exchange, and the
// interfaces of the codecs that turn it into each wire format and back.
//
// A codec's Inbound side is the server's: it parses a client's request and
// writes the answer in the client's format. Its Outbound side is the client's:
// it writes a request for a provider and parses the provider's answer. Any
// Inbound combines with any Outbound, so n formats need n codecs, not n².
//
//	client ──ParseRequest──▶ Request ──AppendRequest──▶ provider
//	client ◀─AppendResponse─ Response ◀─ParseResponse── provider
//	client ◀──EventWriter─── Event…   ◀────Events────── provider   (streams)
//	client ◀──AppendError─── *Error   ◀──ParseError──── provider
//
// The model is block-structured, the most structured of the formats: decoders
// infer structure that their format leaves out, encoders flatten it. What a
// format cannot carry is never dropped silently: it is a Loss, or an *Error
// where the request makes no sense without it. JSON that a provider or client
// gives meaning to (schemas, tool arguments) stays as it was written.
//
// Where both sides speak the same format nothing is translated at all: the
// bytes pass, and this package is not asked.
package translate

import (
	"io"
	"iter"
	"net/http"
	"slices"
)

// Format names a wire format.
type Format string

// The formats that have a codec. The first four have both sides, the others
// only the Outbound one: no client speaks them.
const (
	OpenAI    Format = "openai"    // OpenAI Chat Completions
	Responses Format = "responses" // OpenAI Responses
	Anthropic Format = "anthropic" // Anthropic Messages
	Gemini    Format = "gemini"    // Gemini generateContent
	Cohere    Format = "cohere"    // Cohere v2 chat
	Bedrock   Format = "bedrock"   // Amazon Bedrock Converse
)

// Inbound is the server's side of a format. Implementations are immutable and
// safe for concurrent use; what one stream needs lives in its EventWriter.
type Inbound interface {
	// ParseRequest parses a client's request. Its error is an *Error meant
	// for the client, which names the member at fault. The Request aliases
	// body, which must not change while it is in use.
	ParseRequest(body []byte) (*Request, error)
	// AppendResponse appends the whole answer to req as the client reads it,
	// and returns what its format cannot carry.
	AppendResponse(dst []byte, req *Request, resp *Response) ([]byte, []Loss)
	// NewEventWriter returns the writer of one streamed answer to req.
	NewEventWriter(req *Request) EventWriter
	// AppendError appends the body of an error response.
	AppendError(dst []byte, err *Error) []byte
}

// EventWriter writes one streamed answer. It is used by one goroutine.
type EventWriter interface {
	// AppendEvent appends what the client reads for e: nothing, or one or
	// more whole frames. Events come in the order that Event's grammar fixes.
	AppendEvent(dst []byte, e *Event) []byte
	// AppendError appends the format's own failure and ends the stream: no
	// success marker follows. It may be called at any time before EventStop.
	AppendError(dst []byte, err *Error) []byte
	// Losses returns what could not be written so far.
	Losses() []Loss
}

// Outbound is the client's side of a format. Implementations are immutable
// and safe for concurrent use.
type Outbound interface {
	// AppendRequest appends the request that a provider is sent for r, which
	// it does not change, and returns what the format cannot carry. Where the
	// request makes no sense without that, the error is an *Error with Kind
	// InvalidRequest or Unsupported. The same r always gives the same bytes,
	// so that provider-side prompt caches hit.
	AppendRequest(dst []byte, r *Request) ([]byte, []Loss, error)
	// ParseResponse parses a provider's whole answer. A body that reports a
	// failure under HTTP 200 gives an *Error. Both may alias
	// body.
	ParseResponse(body []byte) (*Response, error)
	// Events parses a streamed answer as it comes. A failure inside the
	// stream gives an *Error; so does an end without the format's terminal
	// marker. After an error the iteration ends. Each Event is valid until
	// the next step; its strings stay valid.
	Events(body io.Reader) iter.Seq2[*Event, error]
	// ParseError parses the body of a provider's answer whose status says
	// that it failed, whatever the body holds.
	ParseError(status int, h http.Header, body []byte) *Error
}

// Summarizer is an Outbound that can tell what a whole answer says about itself
// without decoding its content, which an answer that passes untouched needs
// only for the record. The Response has no Parts; its errors are those of
// ParseResponse. Nothing in it aliases body, but for the Body of an *Error.
type Summarizer interface {
	Summarize(body []byte) (*Response, error)
}

// Summarize returns what a whole answer says about itself, by way of
// ParseResponse where o is no Summarizer.
func Summarize(o Outbound, body []byte) (*Response, error) {
	if s, ok := o.(Summarizer); ok {
		return s.Summarize(body)
	}
	return o.ParseResponse(body)
}

// Loss reports something of a request or a response that the other side's
// format cannot carry, and that was left out or changed for that reason.
type Loss struct {
	Path   string // where it stood, in the terms of the format it came from: "messages[2].content[0]"
	Reason string // why, in a few words
}

func (l Loss) String() string { return l.Path + ": " + l.Reason }

// Losses collects losses. The zero value is empty and ready to use.
type Losses []Loss

// maxLosses bounds how many losses are named, and maxOnce how many of those that
// are looked for before.
const (
	maxLosses = 1000
	maxOnce   = 100
)

// Add records a loss. Of very many the last ones are not named.
func (l *Losses) Add(path, reason string) {
	switch {
	case len(*l) < maxLosses:
		*l = append(*l, Loss{path, reason})
	case len(*l) == maxLosses:
		*l = append(*l, Loss{"…", "there are more"})
	}
}

// AddOnce records a loss that is not recorded yet: every chunk of a stream may hold
// the same. Of very many different ones the last are not recorded.
func (l *Losses) AddOnce(path, reason string) {
	if loss := (Loss{path, reason}); len(*l) < maxOnce && !slices.Contains(*l, loss) {
		*l = append(*l, loss)
	}
}

// Member is a named JSON value that the neutral model has no place for.
type Member struct {
	Name  string
	Value []byte // JSON, as it was written
}
