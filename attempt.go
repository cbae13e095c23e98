package llmproxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// job is what an exchange wants of a provider: how to ask, and what to do with
// the answer.
type job struct {
	op provider.Op
	// call builds the call for a target and a key. It is asked anew for each
	// attempt.
	call func(a *attempt) (*provider.Call, error)
	// answer handles a response whose status says success. An error before
	// the exchange is committed may lead to another attempt.
	answer func(a *attempt, resp *http.Response) error
	// request replaces the provider's own way of building the request; nil:
	// it is built from call.
	request func(ctx context.Context, a *attempt) (*http.Request, error)
	// raw says that the provider's errors go to the client as they are.
	raw bool
	// single says that the body can be sent only once.
	single func() bool
}

// attempt is one try at one target with one key.
type attempt struct {
	*exchange
	target *target
	key    rotate.Key
	format translate.Format // in which the target is called
	out    translate.Outbound
	losses translate.Losses
	host   string // where the provider is
	length int64  // of the answer's body; -1: unknown

	copied  bool // the request shares no memory with a small body
	unasked bool // the client did not ask for the usage that its stream will tell

	watch  watchdog
	reader bodyReader       // of a chat's answer
	via    *gateway.Gateway // that the request goes through; nil: none

	give   func(rotate.Outcome) // gives the key back
	gate   *gate                // that it has entered
	unhook func() bool          // has the attempt not mind that the client goes away
	entry  Attempt              // for the record
	result rotate.Outcome       // for the pool
}

// begin begins an attempt, up to its request.
func (x *exchange) begin(t *target, j *job, tried *[]string) (_ *attempt, _ *http.Request, err error) {
	a := &x.first.attempt
	if a.exchange != nil { // whose timer may still look at it
		a = new(attempt)
	}
	a.exchange, a.target = x, t
	a.result.Class = rotate.Canceled // a panic must return the key, too
	if err := a.take(tried); err != nil {
		return nil, nil, err
	}
	begun := false
	defer func() {
		if !begun {
			a.release()
		}
	}()
	req, err := a.newRequest(j)
	if err != nil {
		// The request cannot be made for this target; the next may take it.
		return nil, nil, &noAttempt{err, x.r.Context().Err() == nil}
	}
	begun = true
	return a, req, nil
}

// send sends the request, handles the answer, and ends the attempt. What an open
// stream needs no longer is left to functions that have returned by then: a
// goroutine's stack stays as large as it once was.
func (a *attempt) send(req *http.Request, j *job) error {
	defer a.release()
	resp, err := a.roundTrip(req)
	if err == nil {
		defer resp.Body.Close()
		err = a.receive(req.Context(), resp, j)
	}
	a.record(err)
	return err
}

// take takes a key, and a place among the provider's requests.
func (a *attempt) take(tried *[]string) error {
	x := a.exchange
	x.rec.Provider, x.rec.Model = a.target.provider.Name(), a.target.model
	key, give, err := x.p.acquire(x.r.Context(), a.target, x.scope(*tried))
	if err != nil {
		return &noAttempt{err, true}
	}
	gate := x.p.gates[x.rec.Provider]
	if err := gate.enter(x.r.Context()); err != nil {
		give(a.result)
		return &noAttempt{err, x.r.Context().Err() == nil}
	}
	a.key, a.give, a.gate = key, give, gate
	*tried = append(*tried, key.ID)
	x.rec.Key = key.ID
	return nil
}

// newRequest builds the request.
func (a *attempt) newRequest(j *job) (*http.Request, error) {
	x := a.exchange
	ctx := x.r.Context()
	if x.p.OnAbort.Drain > 0 {
		ctx = a.draining(ctx)
	} else {
		ctx, a.watch.cancel = context.WithCancelCause(ctx)
	}
	// What an attempt told before it failed is not true of the next one.
	x.rec.ResponseID, x.rec.ResponseModel, x.rec.Finish, x.rec.Usage = "", "", translate.Finish{}, nil
	x.text, x.told = 0, false
	a.entry = Attempt{Provider: x.rec.Provider, Model: a.target.model, Key: a.key.ID, Start: x.p.now()}
	req, err := a.request(ctx, j)
	x.layout.Release() // while it is at hand: after the wait another processor may go on
	x.layout = nil
	a.entry.Format, a.entry.Host = a.format, a.host
	if err == nil {
		x.rec.ProviderFormat = a.format
	}
	return req, err
}

// draining returns a context that does not end with the client's at once.
func (a *attempt) draining(client context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(client))
	a.watch.cancel = cancel
	a.unhook = context.AfterFunc(client, func() { a.clientGone(cancel) })
	return ctx
}

// release ends the attempt, and gives back what it has taken.
func (a *attempt) release() {
	defer a.gate.leave()
	if a.unhook != nil {
		defer a.unhook()
	}
	if a.watch.cancel != nil {
		defer a.watch.cancel(nil)
	}
	a.watch.stop()
	a.give(a.result)
}

// record adds the attempt to the exchange's record and tells the observers.
func (a *attempt) record(err error) {
	x := a.exchange
	a.entry.Class, a.entry.Err, a.entry.Duration = a.result.Class, err, x.p.now().Sub(a.entry.Start)
	x.rec.Attempts = append(x.rec.Attempts, a.entry)
	for _, o := range x.p.observers {
		if o.Attempt != nil {
			o.Attempt(x.r.Context(), &x.rec, &x.rec.Attempts[len(x.rec.Attempts)-1])
		}
	}
}

// clientGone ends the attempt, or gives a stream the time to tell its usage.
func (x *exchange) clientGone(cancel context.CancelCauseFunc) {
	if !x.streaming.Load() {
		cancel(context.Canceled)
		return
	}
	x.gone.Store(true)
	time.AfterFunc(x.p.OnAbort.Drain, func() { cancel(errClientGone) })
}

func (x *exchange) scope(tried []string) rotate.Scope {
	s := rotate.Scope{Select: x.rt.keys, Exclude: tried, Owner: x.owner}
	if x.p.affinity != nil {
		s.Affinity = x.p.affinity(x.r, x.body)
	}
	return s
}

func (a *attempt) request(ctx context.Context, j *job) (*http.Request, error) {
	if j.request != nil {
		return j.request(ctx, a)
	}
	req, err := a.build(ctx, j)
	if err != nil {
		return nil, err
	}
	return req, a.reach(req)
}

// build has the provider build its request, for its own address.
func (a *attempt) build(ctx context.Context, j *job) (*http.Request, error) {
	call, err := j.call(a)
	if err != nil {
		return nil, err
	}
	call.Losses = &a.losses
	_, a.copied = a.target.provider.(*provider.HTTP)
	req, err := a.target.provider.NewRequest(ctx, call, a.key)
	if err != nil {
		return nil, err
	}
	if err := a.refuseLosses(a.losses); err != nil {
		return nil, err
	}
	if a.host = req.URL.Host; req.URL.Scheme == "http" && req.URL.Port() == "" {
		a.host += ":80"
	}
	return req, nil
}

// reach sends the request through the gateway, where there is one that knows
// the provider.
func (a *attempt) reach(req *http.Request) error {
	g := a.p.gateway
	if g == nil && a.rt.gateway != "" {
		return translate.Errorf(translate.InvalidRequest, "no gateway is configured")
	}
	if g != nil && !a.direct {
		if a.rt.gateway != "" {
			g = g.Named(a.rt.gateway)
		}
		if g.Rewrite(req, a.target.provider.Name()) {
			a.via, a.rec.Gateway = g, g.Name
			return nil
		}
	}
	a.rec.Gateway = ""
	for name := range req.Header {
		if strings.HasPrefix(name, "Cf-Aig-") && a.r.Header[name] != nil { // the client's, for a gateway
			delete(req.Header, name)
		}
	}
	return nil
}

// aroundGateway has the next attempt go around a gateway that failed itself,
// where the host wants that.
func (a *attempt) aroundGateway(failed bool) {
	if failed && a.via != nil && a.via.DirectOnFailure {
		a.direct = true
	}
}

// roundTrip sends the request, and returns the answer.
func (a *attempt) roundTrip(req *http.Request) (*http.Response, error) {
	a.watch.expect(a.p.Timeouts.ResponseHeader, errHeaderTimeout)
	if err := a.bodies.watch(req, a.copied); err != nil {
		return nil, a.broken(req.Context(), err)
	}
	resp, err := a.p.transports[a.target.provider.Name()].RoundTrip(req)
	if err != nil {
		a.aroundGateway(a.r.Context().Err() == nil)
		return nil, a.broken(req.Context(), err)
	}
	return resp, nil
}

// receive handles an answer.
func (a *attempt) receive(ctx context.Context, resp *http.Response, j *job) error {
	a.answered(resp)
	if resp.StatusCode < 300 || j.raw && resp.StatusCode < 400 {
		return a.ended(ctx, resp, j.answer(a, resp))
	}
	return a.refusal(ctx, resp, j)
}

// answered notes what an answer's header says.
func (a *attempt) answered(resp *http.Response) {
	a.entry.Status, a.length = resp.StatusCode, resp.ContentLength
	if resp.StatusCode >= 300 || a.via != nil { // else writeHeader masks what it passes on
		maskHeader(resp.Header, a.key.Secret)
	}
	if a.via != nil {
		a.entry.Gateway = gateway.InfoOf(resp.Header)
	}
	a.watch.expect(a.p.Timeouts.FirstContent, errContentTimeout)
}

// refusal handles an answer whose status says failure.
func (a *attempt) refusal(ctx context.Context, resp *http.Response, j *job) error {
	body, rest, err := readError(resp, a.p.Limits.ErrorBody)
	if err != nil {
		return a.broken(ctx, err)
	}
	a.result = a.p.classify(a.target.provider.Name(), resp.StatusCode, resp.Header, body, nil)
	mask(body, a.key.Secret)
	a.aroundGateway(gateway.Failed(resp.StatusCode, resp.Header, body))
	if j.raw && (rest || !a.result.Retryable()) {
		// Nothing can be gained by holding it back.
		resp.Body = readCloser{io.MultiReader(newBytesReader(body), resp.Body), resp.Body}
		return j.answer(a, resp)
	}
	e := a.parseError(resp, body)
	blamed := !j.raw && blamesRequest(a.result, e)
	raw := j.raw || a.format == a.rt.format && !a.refused(e) && !blamed && ownError(a.format, body)
	if blamed {
		e.Kind, e.Status, e.Type, e.Code = translate.QuotaExceeded, http.StatusPaymentRequired, "", ""
	}
	return &failure{e, resp.Header, raw && len(body) > 0}
}

type readCloser struct {
	io.Reader
	io.Closer
}

// isStream reports whether a response is a stream of events.
func isStream(h http.Header) bool {
	t, _, _ := strings.Cut(first(h, "Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(t)) {
	case "text/event-stream", "application/vnd.amazon.eventstream", "application/x-ndjson", "application/stream+json":
		return true
	}
	return false
}
