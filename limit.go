package llmproxy

import (
	"errors"
	"fmt"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/internal/sse"
)

// Limits bound what one request may hold in memory. A zero field means its
// default.
type Limits struct {
	// RequestBody bounds the bytes of a request's body, and what they are once
	// inflated; 64 MiB. Pass-through has no bound.
	RequestBody int64 `validate:"gte=1"`
	// ResponseBody bounds the bytes of a provider's answer that are held: of a
	// whole one that is parsed, of a stream that is gathered for a client that
	// asked for none, of a stream's beginning before its content, and of the
	// content of a stream that is translated, as some formats repeat it at the
	// end; 64 MiB.
	ResponseBody int64 `validate:"gte=1"`
	ErrorBody    int64 `validate:"gte=1"` // bytes of a provider's error that are read; 1 MiB
	Replay       int64 `validate:"gte=0"` // bytes of a pass-through body that are kept for a second attempt; 1 MiB
	// ResponseHeader bounds the bytes of a provider's header; 1 MiB. Only for
	// the default transport.
	ResponseHeader int64 `validate:"gte=1"`
	// Event bounds the bytes of one event of a provider's stream; 16 MiB,
	// and at most 1 GiB.
	// Providers that stream in a format of their own, Bedrock's models behind
	// InvokeModel and Replicate, have that bound always.
	Event int64 `validate:"gte=1,lte=1073741824"`
	// Inflated bounds what a compressed request body, or a provider's
	// compressed answer, streams included, may become; 256 MiB. A body is
	// bound by RequestBody besides. Pass-through inflates nothing.
	Inflated int64 `validate:"gte=1"`
	// JSONDepth bounds how deep the values of a request's body nest; 10,000,
	// which is the most. A provider's answer has that bound always.
	JSONDepth int `validate:"gte=1,lte=10000"`
}

// limitError says which of the Limits something exceeded. Its text is for the
// client.
type limitError struct {
	format string
	limit  int64
}

func (e *limitError) Error() string { return fmt.Sprintf(e.format, e.limit) }

const (
	bodyTooLarge   = "the request body is larger than %d bytes"
	bodyTooDeep    = "the request body is nested deeper than %d levels"
	inflatesTooFar = "the request body inflates to more than %d bytes"
	answerTooLarge = "the provider's answer is larger than %d bytes"
	answerInflates = "the provider's answer inflates to more than %d bytes"
	eventTooLong   = "the provider sent an event of more than %d bytes"
	noContent      = "the provider sent %d bytes without content"
)

// limitOf returns the limit that a provider's answer exceeded; nil where it
// failed otherwise.
func (a *attempt) limitOf(err error) *limitError {
	var limit *limitError
	switch {
	case errors.As(err, &limit):
		return limit
	case errors.Is(err, sse.ErrTooLong), errors.Is(err, eventstream.ErrTooLong):
		return &limitError{eventTooLong, a.p.Limits.Event}
	}
	return nil
}
