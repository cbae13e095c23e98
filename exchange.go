package llmproxy

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
	"github.com/go-llmproxy/llmproxy/translate/anthropic"
	"github.com/go-llmproxy/llmproxy/translate/gemini"
	"github.com/go-llmproxy/llmproxy/translate/openai"
	"github.com/go-llmproxy/llmproxy/translate/responses"
)

// exchange is one request on its way.
type exchange struct {
	p     *Proxy
	w     http.ResponseWriter
	r     *http.Request
	rt    route
	start time.Time

	body   []byte        // the client's, whole; nil on pass-through
	layout *jsonx.Layout // of body, once it was checked, and until a request is made of it
	bodies bodies        // that it and its translations stand in
	stream bool
	req    *translate.Request // body parsed, once it had to be
	owner  string             // ID of the key that made the reasoning state in req
	sealed bool               // body holds reasoning state that only req shows

	streamOptions []byte // OpenAI's member of the body

	forgotten bool  // body is no longer there
	input     int64 // its tokens, about

	values  [6]string // of the answer's header
	setting int       // how many of them are taken

	last  error // of its attempts
	first firstTry

	direct    bool        // the gateway failed: go around it
	committed bool        // the answer's header is out
	streaming atomic.Bool // it is a stream's
	gone      atomic.Bool // the client is gone, and the rest is read for its usage
	rec       Exchange
	admitted  *admitted // nil: the host was not asked

	text int64 // bytes of the answer's text so far
	told bool  // the provider has told the usage of all of it
}

// firstTry is what the first attempt takes, which mostly is the only one, in the
// exchange's own memory. Nothing of it is for observers, who may keep it.
type firstTry struct {
	targets [1]target
	attempt attempt
	tried   [1]string
}

// set sets a header, whose name is canonical, without memory of its own.
func (x *exchange) set(h http.Header, name, value string) {
	if x.setting == len(x.values) {
		h[name] = []string{value}
		return
	}
	i := x.setting
	x.values[i] = value
	x.setting++
	h[name] = x.values[i:x.setting:x.setting]
}

// inbound returns the server's side of a format.
func inbound(f translate.Format, jsonArray bool) translate.Inbound {
	switch f {
	case translate.Responses:
		return responses.Inbound{}
	case translate.Anthropic:
		return anthropic.Inbound{}
	case translate.Gemini:
		return gemini.Inbound{JSONArray: jsonArray}
	}
	return openai.Inbound{}
}

func (x *exchange) inbound() translate.Inbound { return inbound(x.rt.format, x.rt.jsonArray) }

// checkBody finds out whether the body is a JSON object, where its members
// stand, and whether it holds reasoning state.
func (x *exchange) checkBody() error {
	depth := x.p.Limits.JSONDepth
	var err error
	x.layout, x.sealed, err = jsonx.Find(depth, x.body, translate.SealedText)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jsonx.ErrTooDeep):
		return translate.Errorf(translate.InvalidRequest, bodyTooDeep, depth)
	case errors.Is(err, jsonx.ErrNotObject):
		return unusable(err)
	case len(x.body) == 0:
		return translate.Errorf(translate.InvalidRequest, "the request has no body")
	}
	return translate.Errorf(translate.InvalidRequest, "the request body is not JSON: %v", err)
}

func unusable(err error) error {
	return translate.Errorf(translate.InvalidRequest, "the request body is not usable: %v", err)
}

// modelMember checks the body, and returns its model and whether it asks for a
// stream.
func (x *exchange) modelMember() (model string, stream bool, err error) {
	if err := x.checkBody(); err != nil {
		return "", false, err
	}
	var found [3][]byte
	for i, name := range [...]string{"model", "stream", "stream_options"} {
		if found[i], err = x.layout.Member(name); err != nil {
			return "", false, unusable(err)
		}
	}
	x.streamOptions = found[2]
	switch jsonx.KindOf(found[0]) {
	case jsonx.String:
		var ok bool
		if model, ok = jsonx.Unquote(found[0]); !ok {
			return "", false, memberError("model", "the model is not a JSON string")
		}
	case jsonx.Invalid:
		return "", false, memberError("model", "the request names no model")
	default:
		return "", false, memberError("model", "model must be a string")
	}
	if strings.TrimSpace(model) == "" {
		return "", false, memberError("model", "the model is empty")
	}
	switch string(found[1]) {
	case "true":
		stream = true
	case "", "false", "null":
	default:
		return "", false, memberError("stream", "stream must be true or false")
	}
	return model, stream, nil
}

func memberError(param, msg string) error {
	e := translate.Errorf(translate.InvalidRequest, "%s", msg)
	e.Param = param
	return e
}

// strict reports whether losses are refused.
func (x *exchange) strict() bool {
	return x.p.strict || strings.EqualFold(first(x.r.Header, "Llmproxy-Strict"), "true")
}

// refuseLosses returns an error if the request cannot be translated without
// loss and somebody minds.
func (x *exchange) refuseLosses(losses []translate.Loss) error {
	if len(losses) == 0 || !x.strict() {
		return nil
	}
	var b strings.Builder
	for i, l := range losses {
		if i == 10 {
			b.WriteString("; …")
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(l.String())
	}
	return memberError(losses[0].Path, "the request cannot be translated without loss: "+b.String())
}

// fail answers with err, in the client's format. Where the answer is under way
// already there is nothing left to say but to break it off.
func (x *exchange) fail(err error) {
	x.rec.Err = err
	if x.r.Context().Err() != nil || errors.Is(err, errClientGone) {
		x.rec.Aborted = true // the server may not have noticed yet
	}
	if abort := (*abortError)(nil); errors.As(err, &abort) {
		panic(http.ErrAbortHandler)
	}
	if x.committed {
		return
	}
	var e *translate.Error
	switch {
	case x.r.Context().Err() != nil && errors.Is(err, context.Canceled):
		e = &translate.Error{Kind: translate.Canceled, Message: "the client went away", Err: err}
	default:
		e = keyError(err)
	}
	var allow *allowError
	if errors.As(err, &allow) {
		x.w.Header().Set("Allow", allow.allow)
	}
	x.committed = true
	var f *failure
	if errors.As(err, &f) && f.raw {
		copyHeader(x.w.Header(), f.header, rotate.Secret{}) // it is masked
		x.w.Header().Del("Content-Encoding")
		x.setAdmitted(x.w.Header())
		x.rec.Status = f.cause.Status
		x.w.WriteHeader(f.cause.Status)
		n, _ := x.w.Write(f.cause.Body)
		x.rec.BytesOut += int64(n)
		return
	}
	x.rec.Status = e.StatusCode()
	x.rec.BytesOut += int64(writeError(x.w, x.inbound(), e))
}

// keyError turns what a key pool says into what a client is told.
func keyError(err error) *translate.Error {
	var unavailable *rotate.UnavailableError
	var selection *rotate.SelectionError
	var e *translate.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &selection):
		return &translate.Error{Kind: translate.InvalidRequest, Message: selection.Error(), Err: err}
	case errors.As(err, &unavailable):
		e := &translate.Error{Kind: translate.RateLimit, RetryAfter: unavailable.RetryAfter, Err: err}
		e.Message = "all keys of " + unavailable.Provider + " are at their limit"
		return e
	case isNoKeys(err):
		return &translate.Error{Kind: translate.Upstream, Status: http.StatusServiceUnavailable, Message: "no key is configured for this provider and model", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &translate.Error{Kind: translate.Timeout, Message: "the request took too long", Err: err}
	}
	return &translate.Error{Kind: translate.Upstream, Status: http.StatusInternalServerError, Message: "the request could not be served", Err: err}
}

func isNoKeys(err error) bool { return errors.Is(err, rotate.ErrNoKeys) }

// WriteError answers r with err in the format of the client that sent it, for
// the host's own middleware in front of the Proxy. An err that is no
// *translate.Error, or holds none, becomes a 500 that tells nothing. Nothing
// must have been written to w. The format is guessed from the path, wherever the
// Proxy is mounted, and from the headers; in doubt it is OpenAI's.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	writeError(w, inbound(formatOf(r, r.URL.Path), false), keyError(err))
}

func writeError(w http.ResponseWriter, in translate.Inbound, e *translate.Error) int {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.RetryAfter > 0 {
		setRetryAfter(h, e.RetryAfter)
	}
	h.Del("Content-Length")
	w.WriteHeader(e.StatusCode())
	n, _ := w.Write(in.AppendError(nil, e))
	return n
}

// setRetryAfter rounds up to the whole seconds that RFC 9110 has, and tells
// the rest to clients that know OpenAI's retry-after-ms.
func setRetryAfter(h http.Header, d time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10))
	h.Set("Retry-After-Ms", strconv.FormatInt(d.Milliseconds(), 10))
}
