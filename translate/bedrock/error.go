package bedrock

import (
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/eventstream"
	"github.com/go-llmproxy/llmproxy/translate"
)

// exceptions tells what a client is to make of Bedrock's exceptions, by name in
// lower case without "exception". Those of a caller's credentials are 403 on
// the wire, and the model's own failures 424.
var exceptions = map[string]struct {
	kind   translate.ErrorKind
	status int
}{
	"validation":                 {translate.InvalidRequest, 400},
	"conflict":                   {translate.InvalidRequest, 400},
	"accessdenied":               {translate.Permission, 403},
	"expiredtoken":               {translate.Authentication, 401},
	"invalidsignature":           {translate.Authentication, 401},
	"signaturedoesnotmatch":      {translate.Authentication, 401},
	"unrecognizedclient":         {translate.Authentication, 401},
	"incompletesignature":        {translate.Authentication, 401},
	"resourcenotfound":           {translate.NotFound, 404},
	"throttling":                 {translate.RateLimit, 429},
	"modelnotready":              {translate.Overloaded, 503},
	"servicequotaexceeded":       {translate.QuotaExceeded, 429},
	"modeltimeout":               {translate.Timeout, 504},
	"modelerror":                 {translate.Upstream, 502},
	"modelstreamerror":           {translate.Upstream, 502},
	"internalserver":             {translate.Upstream, 500},
	"internalfailure":            {translate.Upstream, 500},
	"serviceunavailable":         {translate.Overloaded, 503},
	"unknownoperation":           {translate.NotFound, 404},
	"requestentitytoolarge":      {translate.TooLarge, 413},
	"requesttimeout":             {translate.Timeout, 504},
	"toomanyrequests":            {translate.RateLimit, 429},
	"missingauthentication":      {translate.Authentication, 401},
	"missingauthenticationtoken": {translate.Authentication, 401},
}

// ParseError implements translate.Outbound. The exception's name stands in a
// header, or in the body.
func (o Outbound) ParseError(status int, h http.Header, body []byte) *translate.Error {
	e := translate.ParseErrorBody(status, h, body)
	name := h.Get("X-Amzn-Errortype")
	if name == "" {
		name = e.Type
	}
	classify(e, name)
	return e
}

// classify sets what the exception's name tells. Names come as
// "com.amazon.x#ThrottlingException:http://…", all but the name optional.
func classify(e *translate.Error, name string) {
	name, _, _ = strings.Cut(name, ":")
	name = name[strings.LastIndexByte(name, '#')+1:]
	if name == "" {
		return
	}
	e.Type = name
	key := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), "exception"), "error")
	if key == "model" || key == "modelstream" { // ModelErrorException
		key += "error"
	}
	if x, ok := exceptions[key]; ok {
		e.Kind, e.Status = x.kind, x.status
	}
}

// exception reads a frame that reports a failure inside a stream; nil for an
// event.
func (o Outbound) exception(f *eventstream.Frame) *translate.Error {
	switch string(f.Text(":message-type")) {
	case "event", "":
		return nil
	case "error": // of the transport: the frame has no payload
		e := &translate.Error{Kind: translate.Upstream, Status: http.StatusInternalServerError, Message: string(f.Text(":error-message"))}
		if e.Message == "" {
			e.Message = "the provider broke off its answer"
		}
		classify(e, string(f.Text(":error-code")))
		return e
	}
	e := translate.ParseErrorBody(http.StatusInternalServerError, nil, append([]byte(nil), f.Payload...))
	classify(e, string(f.Text(":exception-type")))
	return e
}
