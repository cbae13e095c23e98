package gemini

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ParseError implements translate.Outbound. Google answers a key that it does
// not know with 400.
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	e := translate.ParseErrorBody(status, h, body)
	if e.Code == "API_KEY_INVALID" {
		e.Kind = translate.Authentication
	}
	return e
}

// AppendError implements translate.Inbound.
func (in Inbound) AppendError(dst []byte, err *translate.Error) []byte {
	e := jsonx.Encoder{}
	appendError(e.Object(), err)
	return append(dst, e.EndObject().B...)
}

func appendError(e *jsonx.Encoder, err *translate.Error) {
	e.Key("error").Object().Key("code").Int(int64(err.StatusCode())).Key("message").String(err.Message).Key("status").String(statusName(err))
	if err.RetryAfter > 0 {
		e.Key("details").Array().Object().Key("@type").String("type.googleapis.com/google.rpc.RetryInfo").Key("retryDelay").String(duration(err.RetryAfter)).EndObject().EndArray()
	}
	e.EndObject()
}

// duration returns d as Protocol Buffers write it in JSON: in seconds alone,
// rounded up to milliseconds.
func duration(d time.Duration) string {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) + "s"
}

// statusName returns google.rpc's word for a failure: the provider's own where
// it is one.
func statusName(err *translate.Error) string {
	if err.Type != "" && err.Type == strings.ToUpper(err.Type) && !strings.ContainsAny(err.Type, " .") {
		return err.Type
	}
	switch err.Kind {
	case translate.InvalidRequest, translate.TooLarge:
		if err.Status == http.StatusConflict {
			return "ABORTED"
		}
		return "INVALID_ARGUMENT"
	case translate.Authentication:
		return "UNAUTHENTICATED"
	case translate.Permission:
		return "PERMISSION_DENIED"
	case translate.NotFound:
		return "NOT_FOUND"
	case translate.RateLimit, translate.QuotaExceeded:
		return "RESOURCE_EXHAUSTED"
	case translate.Overloaded:
		return "UNAVAILABLE"
	case translate.Timeout:
		return "DEADLINE_EXCEEDED"
	case translate.Unsupported:
		return "UNIMPLEMENTED"
	case translate.Canceled:
		return "CANCELLED"
	}
	return "INTERNAL"
}
