package llmproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// failure is a provider's refusal, kept so that a client of the same format
// can be given it as it came.
type failure struct {
	cause  *translate.Error
	header http.Header
	raw    bool // the client reads the provider's format
}

func (f *failure) Error() string { return f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

// ownError reports whether an error has the shape that clients of the format
// read. Clouds that serve a vendor's format have errors of their own, and so
// have what stands in front of a provider and servers that are compatible but
// for that.
func ownError(f translate.Format, body []byte) bool {
	if f == translate.Gemini && bytes.HasPrefix(body, []byte("[")) {
		return true // an array's only element, where a stream was asked for as one
	}
	found, err := jsonx.Top(body, "error")
	if err != nil || jsonx.KindOf(found[0]) != jsonx.Object {
		return false
	}
	want := "message"
	if f == translate.Anthropic {
		want = "type" // Google's have none
	}
	inner, err := jsonx.Top(found[0], want)
	return err == nil && inner[0] != nil
}

func (a *attempt) parseError(resp *http.Response, body []byte) *translate.Error {
	var e *translate.Error
	if a.out != nil {
		e = a.out.ParseError(resp.StatusCode, resp.Header, body)
	} else {
		e = translate.ParseErrorBody(resp.StatusCode, resp.Header, body)
	}
	e.Body = body
	if a.refused(e) {
		// It is the proxy's credential that was refused, not the client's,
		// and providers quote parts of it.
		e.Err = errors.New(e.Message)
		e.Message = "the provider refused the proxy's credential"
	}
	return e
}

// refused reports whether an error is about the provider's key.
func (a *attempt) refused(e *translate.Error) bool {
	return e.Kind == translate.Authentication || e.Kind == translate.Permission
}

// blamesRequest reports a provider's 400 for what is the fault of the proxy's
// account, which Anthropic's is when its money is used up. A client would
// drop a request that is sound.
func blamesRequest(o rotate.Outcome, e *translate.Error) bool {
	return o.Class == rotate.QuotaExhausted && e.StatusCode() == http.StatusBadRequest
}

// broken says what came of an attempt that got no answer, or not all of it.
func (a *attempt) broken(ctx context.Context, err error) error {
	if a.r.Context().Err() != nil {
		a.result = rotate.Outcome{Class: rotate.Canceled}
		return context.Cause(a.r.Context())
	}
	a.result = a.p.classify(a.target.provider.Name(), 0, nil, nil, err)
	return a.explain(ctx, err)
}

// explain turns an error of reading or sending into a *translate.Error.
func (a *attempt) explain(ctx context.Context, err error) error {
	if err == nil || a.r.Context().Err() != nil || errors.Is(err, errClientGone) {
		return err
	}
	var timeout *timeoutError
	if errors.As(context.Cause(ctx), &timeout) {
		return &translate.Error{Kind: translate.Timeout, Message: timeout.msg, Err: err}
	}
	if limit := a.limitOf(err); limit != nil {
		return &translate.Error{Kind: translate.Upstream, Message: limit.Error(), Err: err}
	}
	var e *translate.Error
	if errors.As(err, &e) {
		maskError(err, a.key.Secret)
		return err
	}
	return &translate.Error{Kind: translate.Upstream, Message: "the provider could not be reached, or sent no header that can be read", Err: err}
}

// ended says what came of an answer whose status said success, and explains err.
func (a *attempt) ended(ctx context.Context, resp *http.Response, err error) error {
	name := a.target.provider.Name()
	if err == nil {
		a.result = a.p.classify(name, resp.StatusCode, resp.Header, nil, nil)
		return nil
	}
	var e *translate.Error
	switch {
	case a.r.Context().Err() != nil || errors.Is(err, errClientGone):
		a.result = rotate.Outcome{Class: rotate.Canceled}
	case errors.As(err, &e) && e.Status >= 400 && context.Cause(ctx) == nil:
		a.result = a.p.classify(name, e.Status, resp.Header, e.Body, nil)
	default:
		a.result = a.p.classify(name, 0, nil, nil, err)
	}
	return a.explain(ctx, err)
}

// readError reads the body of an error; rest reports that there is more.
func readError(resp *http.Response, limit int64) (body []byte, rest bool, err error) {
	r, err := decoded(resp, limit)
	if err != nil {
		return nil, false, nil
	}
	body, err = readAll(nil, io.LimitReader(r, limit))
	if err != nil && len(body) > 0 {
		err = nil // what came of it will do
	}
	return body, int64(len(body)) == limit, err
}
