package translate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

// ParseErrorBody reads a provider's error, in any of the shapes that providers
// have: {"error":{…}}, {"error":"…"}, {"message":"…"}, {"detail":…},
// {"errors":[…]}, the same inside an array, HTML and plain text. Codecs start
// from it. A status below 400 is the status of an answer that reports its
// failure under success; the error's own code then tells the status.
func ParseErrorBody(status int, h http.Header, body []byte) *Error {
	e := &Error{Status: status, Body: body}
	var b errorBody
	if jsonx.Valid(body) {
		b.value(jsonx.NewDecoder(body), 0)
	} else {
		b.message = plainMessage(body)
	}
	e.Message, e.Type, e.Code, e.Param = b.message, b.typ, b.code, b.param
	if e.Status < 400 {
		e.Status = StatusOfCode(firstNonEmpty(b.code, b.typ), b.typ)
	}
	e.Kind = KindOfStatus(e.Status)
	if e.Status == http.StatusTooManyRequests && isQuota(b.code, b.typ) {
		e.Kind = QuotaExceeded
	}
	if e.Message == "" {
		e.Message = "the provider answered " + strconv.Itoa(e.Status)
		if t := http.StatusText(e.Status); t != "" {
			e.Message += " " + t
		}
	}
	e.RetryAfter = retryAfter(h, b.retryDelay)
	return e
}

func firstNonEmpty(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

// isQuota tells the 429s that waiting does not help.
func isQuota(words ...string) bool {
	for _, w := range words {
		if strings.Contains(w, "insufficient_quota") || strings.Contains(w, "credit_balance") || strings.Contains(w, "spend_limit") {
			return true
		}
	}
	return false
}

// errorBody gathers what an error's JSON tells, the outermost word first.
type errorBody struct {
	message, typ, code, param, retryDelay string
}

func set(dst *string, v string) {
	if *dst == "" {
		*dst = v
	}
}

func (b *errorBody) value(d *jsonx.Decoder, depth int) {
	if depth > 6 {
		d.Skip()
		return
	}
	switch d.Kind() {
	case jsonx.String:
		set(&b.message, d.String())
	case jsonx.Array:
		for range d.Elements() {
			b.value(d, depth+1)
		}
	case jsonx.Object:
		for key := range d.Members() {
			b.member(string(key), d, depth)
		}
	default:
		d.Skip()
	}
}

func (b *errorBody) member(key string, d *jsonx.Decoder, depth int) {
	switch key {
	case "error", "errors", "detail", "message", "msg", "Message":
		b.value(d, depth+1)
	case "type", "__type":
		if v := scalar(d); v != "error" {
			set(&b.typ, v)
		}
	case "status": // google.rpc's word; elsewhere the HTTP status
		if d.Kind() == jsonx.String {
			set(&b.typ, d.String())
		}
	case "code", "error_code":
		set(&b.code, scalar(d))
	case "param":
		set(&b.param, scalar(d))
	case "reason": // google.rpc.ErrorInfo
		set(&b.code, scalar(d))
	case "details":
		inner := errorBody{}
		inner.value(d, depth+1)
		set(&b.retryDelay, inner.retryDelay)
		// An ErrorInfo's reason says more than google.rpc's number, and
		// Anthropic's error_code more than its type.
		if inner.code != "" {
			b.code = inner.code
		}
	case "retryDelay":
		set(&b.retryDelay, scalar(d))
	}
}

// scalar reads a string or a number as text; codes are either.
func scalar(d *jsonx.Decoder) string {
	switch d.Kind() {
	case jsonx.String:
		return d.String()
	case jsonx.Number:
		return string(d.Number())
	}
	d.Skip()
	return ""
}

func plainMessage(body []byte) string {
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("<")) {
		return "" // an HTML page tells a client nothing
	}
	return strings.ToValidUTF8(string(body[:min(len(body), 500)]), "")
}

// retryAfter reads the hints that tell how long to wait.
func retryAfter(h http.Header, retryDelay string) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	if v := h.Get("Retry-After"); v != "" {
		if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 {
			return time.Duration(s * float64(time.Second))
		}
		if at, err := http.ParseTime(v); err == nil {
			return max(time.Until(at), 0)
		}
	}
	if d, err := time.ParseDuration(retryDelay); err == nil && d > 0 {
		return d
	}
	return 0
}

// StatusOfCode guesses the HTTP status of a failure that is reported under
// HTTP 200, in a stream above all, from its code or type: a number, or a word
// that OpenAI, Anthropic or google.rpc use.
func StatusOfCode(code, typ string) int {
	if n, err := strconv.Atoi(code); err == nil && n >= 400 && n < 600 {
		return n
	}
	words := strings.ToLower(code + " " + typ)
	for _, c := range []struct {
		word   string
		status int
	}{
		{"insufficient_quota", 429}, {"rate_limit", 429}, {"resource_exhausted", 429}, {"throttling", 429}, {"too_many_requests", 429},
		{"authentication", 401}, {"unauthenticated", 401}, {"invalid_api_key", 401},
		{"billing", 402}, {"permission", 403}, {"not_found", 404}, {"too_large", 413},
		{"overload", 529}, {"unavailable", 503}, {"capacity", 503}, {"timeout", 504}, {"deadline", 504},
		{"invalid", 400}, {"context_length", 400}, {"failed_precondition", 400}, {"content_filter", 400}, {"tool_use_failed", 400}, {"json_validate_failed", 400}, {"validation", 400},
	} {
		if strings.Contains(words, c.word) {
			return c.status
		}
	}
	return http.StatusInternalServerError
}

// errTruncated is in the chain of the *Error that Truncated returns.
var errTruncated = errors.New("the stream ended before it was complete")

// Truncated returns the *Error for a stream that ends without its format's
// terminal marker; err is the reader's error, nil or io.EOF for a clean end.
func Truncated(err error) *Error {
	cause := errTruncated
	if err != nil && err != io.EOF {
		cause = fmt.Errorf("%w: %w", errTruncated, err)
	}
	return &Error{Kind: Upstream, Message: "the provider's answer ended before it was complete", Err: cause}
}

// IsTruncated reports whether err is of Truncated's making.
func IsTruncated(err error) bool { return errors.Is(err, errTruncated) }

var errMalformed = errors.New("the provider's answer is not what its format says")

// Malformed returns the *Error for a provider's answer that is not what its
// format says.
func Malformed(err error) *Error {
	cause := errMalformed
	if err != nil {
		cause = fmt.Errorf("%w: %w", errMalformed, err)
	}
	return &Error{Kind: Upstream, Message: "the provider's answer could not be understood", Err: cause}
}

// IsMalformed reports whether err is of Malformed's making.
func IsMalformed(err error) bool { return errors.Is(err, errMalformed) }
