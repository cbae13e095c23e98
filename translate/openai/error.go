package openai

import (
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendError implements translate.Inbound.
func (in Inbound) AppendError(dst []byte, err *translate.Error) []byte {
	e := jsonx.Encoder{B: dst}
	e.B = append(e.B, '{')
	e.Key("error").Object().Key("message").String(err.Message).Key("type").String(errorType(err))
	e.Key("param")
	stringOrNull(&e, err.Param)
	e.Key("code")
	stringOrNull(&e, errorCode(err))
	e.EndObject().EndObject()
	return e.B
}

func stringOrNull(e *jsonx.Encoder, s string) {
	if s == "" {
		e.Null()
		return
	}
	e.String(s)
}

// errorType returns the provider's own type where it is one of OpenAI's, and
// else OpenAI's word for the kind.
func errorType(err *translate.Error) string {
	if openAIType(err.Type) {
		return err.Type
	}
	switch err.Kind {
	case translate.InvalidRequest, translate.Unsupported, translate.TooLarge:
		if err.StatusCode() == 409 {
			return "conflict"
		}
		return "invalid_request_error"
	case translate.Authentication:
		return "authentication_error"
	case translate.Permission:
		return "permission_error"
	case translate.NotFound:
		return "not_found_error"
	case translate.RateLimit:
		return "rate_limit_error"
	case translate.QuotaExceeded:
		return "insufficient_quota"
	case translate.Overloaded:
		return "service_unavailable_error"
	case translate.Timeout:
		return "timeout"
	}
	return "server_error"
}

func openAIType(t string) bool {
	switch t {
	case "invalid_request_error", "authentication_error", "permission_error", "not_found_error", "rate_limit_error",
		"server_error", "service_unavailable_error", "insufficient_quota", "tokens", "requests", "model_not_found":
		return true
	}
	return false
}

// errorCode returns the provider's code where it is a word as OpenAI has them,
// and not google.rpc's capitals or a bare HTTP status.
func errorCode(err *translate.Error) string {
	if openAIType(err.Type) && err.Type != err.Code {
		return err.Code
	}
	if err.Code == "" && err.Kind == translate.TooLarge {
		return "request_too_large" // OpenAI has no type for it
	}
	for i, c := range err.Code {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c == '_' || c >= '0' && c <= '9')) {
			return ""
		}
	}
	return err.Code
}
