package anthropic

import (
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

func isHTTP(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

func (in Inbound) ParseRequest(body []byte) (*translate.Request, error) {
	return nil, translate.Errorf(translate.Unsupported, "not available")
}
func (in Inbound) AppendResponse(dst []byte, req *translate.Request, resp *translate.Response) ([]byte, []translate.Loss) {
	return dst, nil
}
func (in Inbound) NewEventWriter(req *translate.Request) translate.EventWriter { return nil }
func (in Inbound) AppendError(dst []byte, err *translate.Error) []byte         { return dst }
func (o Outbound) AppendRequest(dst []byte, r *translate.Request) ([]byte, []translate.Loss, error) {
	return dst, nil, nil
}
func (o Outbound) ParseResponse(body []byte) (*translate.Response, error) { return nil, nil }
func (o Outbound) Events(body io.Reader) iter.Seq2[translate.Event, error] {
	return func(func(translate.Event, error) bool) {}
}
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	return translate.ParseErrorBody(status, h, body)
}
