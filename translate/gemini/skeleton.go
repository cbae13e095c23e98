package gemini

import (
	"io"
	"iter"
	"net/http"

	"github.com/go-llmproxy/llmproxy/translate"
)

var errSoon = translate.Errorf(translate.Unsupported, "the Gemini codec is not complete")

func (Inbound) ParseRequest([]byte) (*translate.Request, error) { return nil, errSoon }
func (Inbound) AppendResponse(dst []byte, _ *translate.Request, _ *translate.Response) ([]byte, []translate.Loss) {
	return dst, nil
}
func (Inbound) NewEventWriter(*translate.Request) translate.EventWriter { return nil }
func (Inbound) AppendError(dst []byte, _ *translate.Error) []byte       { return dst }
func (Outbound) AppendRequest(dst []byte, _ *translate.Request) ([]byte, []translate.Loss, error) {
	return dst, nil, errSoon
}
func (Outbound) ParseResponse([]byte) (*translate.Response, error) { return nil, errSoon }
func (Outbound) Events(io.Reader) iter.Seq2[translate.Event, error] {
	return func(yield func(translate.Event, error) bool) { yield(translate.Event{}, errSoon) }
}
func (Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	return translate.ParseErrorBody(status, h, body)
}

// ParseCountRequest parses a request of countTokens.
func (Inbound) ParseCountRequest([]byte) (*translate.Request, error) { return nil, errSoon }

// AppendCountResponse appends the answer to a request of countTokens.
func (Inbound) AppendCountResponse(dst []byte, tokens int64) []byte { return dst }

// AppendCountRequest appends the request of countTokens for r.
func (Outbound) AppendCountRequest(dst []byte, _ *translate.Request) ([]byte, []translate.Loss, error) {
	return dst, nil, errSoon
}

// ParseCountResponse parses the answer of countTokens.
func (Outbound) ParseCountResponse([]byte) (int64, error) { return 0, errSoon }
