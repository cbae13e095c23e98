package responses

import (
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AppendError implements translate.Inbound.
func (in Inbound) AppendError(dst []byte, err *translate.Error) []byte {
	e := jsonx.Encoder{B: append(dst, '{')}
	e.Key("error")
	appendErrorObject(&e, err)
	return e.EndObject().B
}

func appendErrorObject(e *jsonx.Encoder, err *translate.Error) {
	e.Object().Key("message").String(err.Message).Key("type").String(errorType(err)).Key("param")
	stringOrNull(e, err.Param)
	e.Key("code")
	stringOrNull(e, knownCode(err))
	e.EndObject()
}

// errorType returns OpenAI's word for the kind of an error.
func errorType(err *translate.Error) string {
	switch err.Kind {
	case translate.InvalidRequest, translate.TooLarge, translate.Unsupported, translate.Canceled:
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
	}
	return "server_error"
}

// errorCode returns the code of a failed response, which must have one.
func errorCode(err *translate.Error) string {
	if c := knownCode(err); c != "" {
		return c
	}
	if err.Kind == translate.InvalidRequest {
		return "invalid_prompt"
	}
	return "server_error"
}

// knownCode returns the code that clients act on. Codex compacts its context
// on context_length_exceeded and retries most of the others, so what is not
// the provider's own word in OpenAI's manner is told by kind.
func knownCode(err *translate.Error) string {
	if c := err.Code; c != "" && strings.Trim(c, "abcdefghijklmnopqrstuvwxyz_") == "" {
		return c
	}
	switch err.Kind {
	case translate.TooLarge:
		return "request_too_large"
	case translate.Authentication:
		return "invalid_api_key"
	case translate.Permission:
		return "permission_denied"
	case translate.NotFound:
		return "not_found"
	case translate.RateLimit:
		return "rate_limit_exceeded"
	case translate.QuotaExceeded:
		return "insufficient_quota"
	case translate.Overloaded:
		return "server_is_overloaded"
	case translate.Unsupported:
		return "unsupported"
	}
	return ""
}
