// Package cohere is the codec of Cohere's v2 API (https://docs.cohere.com):
// chat, as an Outbound, and embeddings.
//
// What Cohere calls a tool plan, the text that its models write before they
// call tools, is Thinking in the neutral model: it is not the answer, and
// Cohere wants it back. An assistant message with tool calls therefore goes
// out with its thinking as tool_plan, one without as thinking content. Cohere
// signs nothing, so its Thinking has no State.
//
// Caching is automatic: cache marks are reported as one Loss.
package cohere

import (
	"net/http"

	"github.com/go-llmproxy/llmproxy/translate"
)

// Outbound speaks Cohere v2 chat to a provider. The zero value is ready to
// use; it is safe for concurrent use.
type Outbound struct {
	// Origin tells which reasoning state the provider may be sent; empty is
	// "cohere". Thinking with state of another origin is left out.
	Origin string
}

var (
	_ translate.Outbound    = Outbound{}
	_ translate.URLAcceptor = Outbound{}
)

func (o Outbound) origin() string {
	if o.Origin == "" {
		return "cohere"
	}
	return o.Origin
}

// AcceptsURL reports whether Cohere fetches the URL itself: images only.
func (o Outbound) AcceptsURL(m *translate.Media) bool { return m.Kind == translate.Image }

// ParseError implements translate.Outbound.
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	e := translate.ParseErrorBody(status, h, body)
	if status == 498 { // Cohere's status for a blocked or invalid token
		e.Kind, e.Status = translate.Authentication, http.StatusUnauthorized
	}
	return e
}

// finishReasons are Cohere's reasons. The last ones are of older models.
var finishReasons = map[string]translate.FinishReason{
	"COMPLETE":      translate.FinishStop,
	"STOP_SEQUENCE": translate.FinishStopSequence,
	"MAX_TOKENS":    translate.FinishLength,
	"TOOL_CALL":     translate.FinishToolUse,
	"ERROR":         translate.FinishError,
	"TIMEOUT":       translate.FinishError,
	"ERROR_LIMIT":   translate.FinishLength,
	"ERROR_TOXIC":   translate.FinishFiltered,
}

// finish says why an answer ended. One that failed before it said anything is
// an error, which another key or provider may do better.
func finish(native string, calls, content bool) (translate.Finish, error) {
	f := translate.Finish{Reason: finishReasons[native], Native: native}
	switch {
	case f.Reason == translate.FinishError && !content && native == "TIMEOUT":
		return f, translate.Errorf(translate.Timeout, "the provider ran out of time")
	case f.Reason == translate.FinishError && !content:
		return f, translate.Errorf(translate.Upstream, "the provider failed to answer")
	case f.Reason == translate.FinishError, f.Reason == translate.FinishLength, f.Reason == translate.FinishFiltered:
	case calls:
		f.Reason = translate.FinishToolUse
	case f.Reason == "":
		f.Reason = translate.FinishOther
	}
	return f, nil
}
