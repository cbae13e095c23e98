package responses

import (
	"io"
	"iter"
	"net/http"

	"github.com/go-llmproxy/llmproxy/translate"
)

var errNotYet = translate.Errorf(translate.Unsupported, "not yet")

func (Inbound) ParseRequest(body []byte) (*translate.Request, error) { return nil, errNotYet }

func (Inbound) AppendResponse(dst []byte, req *translate.Request, resp *translate.Response) ([]byte, []translate.Loss) {
	return dst, nil
}

func (Inbound) NewEventWriter(req *translate.Request) translate.EventWriter { return nil }

func (Inbound) AppendError(dst []byte, err *translate.Error) []byte { return dst }

func (Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	return dst, nil, errNotYet
}

func (Outbound) ParseResponse(body []byte) (*translate.Response, error) { return nil, errNotYet }

func (Outbound) Events(body io.Reader) iter.Seq2[translate.Event, error] {
	return func(yield func(translate.Event, error) bool) { yield(translate.Event{}, errNotYet) }
}

func (Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	return translate.ParseErrorBody(status, h, body)
}
