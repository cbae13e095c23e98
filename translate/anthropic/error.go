package anthropic

import (
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendError implements translate.Inbound.
func (in Inbound) AppendError(dst []byte, err *translate.Error) []byte {
	e := jsonx.Encoder{B: dst}
	// dst may hold anything, so the comma that the encoder might want is
	// none of ours.
	e.B = append(e.B, '{')
	e.Key("type").String("error").Key("error").Object()
	e.Key("type").String(errorType(err)).Key("message").String(err.Message)
	if err.Code != "" {
		e.Key("details").Object().Key("error_code").String(err.Code).EndObject()
	}
	return e.EndObject().EndObject().B
}

// errorType returns the format's word for a failure: the provider's own where
// it is one of the format's. OpenAI's invalid_request_error says less than the
// status: it stands with 401, 404 and 413, too.
func errorType(err *translate.Error) string {
	switch err.Type {
	case "authentication_error", "billing_error", "permission_error", "not_found_error",
		"conflict_error", "request_too_large", "rate_limit_error", "timeout_error", "api_error", "overloaded_error":
		return err.Type
	}
	switch err.Kind {
	case translate.InvalidRequest:
		if err.Status == http.StatusConflict {
			return "conflict_error"
		}
		return "invalid_request_error"
	case translate.Unsupported:
		return "invalid_request_error"
	case translate.Authentication:
		return "authentication_error"
	case translate.Permission:
		return "permission_error"
	case translate.NotFound:
		return "not_found_error"
	case translate.TooLarge:
		return "request_too_large"
	case translate.RateLimit:
		return "rate_limit_error"
	case translate.QuotaExceeded:
		return "billing_error"
	case translate.Overloaded:
		return "overloaded_error"
	case translate.Timeout:
		return "timeout_error"
	}
	return "api_error"
}

// ParseError implements translate.Outbound.
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	e := translate.ParseErrorBody(status, h, body)
	// An empty account is a 400 that no other word tells from a bad request.
	if e.Kind == translate.InvalidRequest && strings.Contains(e.Message, "credit balance is too low") {
		e.Kind = translate.QuotaExceeded
	}
	return e
}
