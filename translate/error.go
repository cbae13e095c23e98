package translate

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ErrorKind is what went wrong, in terms that every format has a word for.
type ErrorKind string

// The kinds of errors.
const (
	InvalidRequest ErrorKind = "invalid_request" // 400, 405, 409, 415, 422
	Authentication ErrorKind = "authentication"  // 401
	Permission     ErrorKind = "permission"      // 403
	NotFound       ErrorKind = "not_found"       // 404, 410
	TooLarge       ErrorKind = "too_large"       // 413
	RateLimit      ErrorKind = "rate_limit"      // 429, worth a retry
	QuotaExceeded  ErrorKind = "quota"           // 402, and 429 that no retry helps
	Overloaded     ErrorKind = "overloaded"      // 503, 529
	Timeout        ErrorKind = "timeout"         // 408, 504
	Unsupported    ErrorKind = "unsupported"     // 501: nobody can do this here
	Upstream       ErrorKind = "upstream"        // 500, 502: the provider failed
	Canceled       ErrorKind = "canceled"        // 499: the client went away
)

// Error is a failure. It has two audiences: Message is for the client and
// says nothing that the client should not know; Err is for the log.
type Error struct {
	Kind    ErrorKind
	Status  int    // HTTP status for the client; 0: by Kind
	Message string // for the client

	// What the provider said in its own words, kept for clients that speak
	// its format: error.type, error.code and error.param.
	Type, Code, Param string

	RetryAfter time.Duration // 0: unknown
	Body       []byte        // the provider's own body, if it sent one
	Err        error         // for the log; may be nil
}

// Errorf returns an Error of a kind with a message for the client.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	s := string(e.Kind) + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// StatusCode returns the HTTP status for the client.
func (e *Error) StatusCode() int {
	if e.Status != 0 {
		return e.Status
	}
	switch e.Kind {
	case InvalidRequest:
		return http.StatusBadRequest
	case Authentication:
		return http.StatusUnauthorized
	case Permission:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case RateLimit:
		return http.StatusTooManyRequests
	case QuotaExceeded:
		return http.StatusPaymentRequired
	case Overloaded:
		return http.StatusServiceUnavailable
	case Timeout:
		return http.StatusGatewayTimeout
	case Unsupported:
		return http.StatusNotImplemented
	case Canceled:
		return 499
	}
	return http.StatusBadGateway
}

// KindOfStatus returns the kind that an HTTP status stands for.
func KindOfStatus(status int) ErrorKind {
	switch status {
	case http.StatusUnauthorized:
		return Authentication
	case http.StatusPaymentRequired:
		return QuotaExceeded
	case http.StatusForbidden:
		return Permission
	case http.StatusNotFound, http.StatusGone:
		return NotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return Timeout
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	case http.StatusTooManyRequests:
		return RateLimit
	case 498, http.StatusServiceUnavailable, 529:
		return Overloaded
	case 499:
		return Canceled
	case http.StatusNotImplemented:
		return Unsupported
	}
	if status >= 400 && status < 500 {
		return InvalidRequest
	}
	return Upstream
}

// AsError returns err as an *Error: the one in its chain, or a new one of kind
// Upstream whose cause is err and whose message tells nothing.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Upstream, Message: "the provider's answer could not be read", Err: err}
}
