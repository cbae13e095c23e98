// Package bedrock is the codec of Amazon Bedrock's Converse API.
package bedrock

import (
	"io"
	"iter"
	"net/http"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Outbound speaks Bedrock Converse to a provider.
type Outbound struct {
	// Origin marks reasoning state as this provider's; empty is by the model.
	Origin string
}

var _ translate.Outbound = Outbound{}

// AppendRequest implements translate.Outbound.
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	return dst, nil, translate.Errorf(translate.Unsupported, "not yet")
}

// ParseResponse implements translate.Outbound.
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) {
	return nil, translate.Errorf(translate.Unsupported, "not yet")
}

// Events implements translate.Outbound.
func (o Outbound) Events(body io.Reader) iter.Seq2[translate.Event, error] {
	return func(yield func(translate.Event, error) bool) { yield(translate.Event{}, translate.Truncated(nil)) }
}

// ParseError implements translate.Outbound.
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	return translate.ParseErrorBody(status, h, body)
}
