package llmproxy

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// throughGateway returns the gateway for this request.
func (x *exchange) throughGateway() (*gateway.Gateway, error) {
	g := x.p.gateway
	if g == nil {
		return nil, translate.Errorf(translate.NotFound, "no gateway is configured")
	}
	if x.rt.gateway != "" {
		g = g.Named(x.rt.gateway)
	}
	x.rec.Gateway = g.Name
	return g, nil
}

// lease is a key that is held for a step of a universal request.
type lease struct {
	*attempt
	done func(rotate.Outcome)
}

// release gives back the keys of the steps that did not answer: what became of
// them is the gateway's secret.
func release(leases []lease) {
	for _, l := range leases {
		l.done(rotate.Outcome{Class: rotate.Canceled})
	}
}

// runUniversal has the gateway fail over: one request carries a step for each
// key of each target, up to the budget of attempts. It reports false where the
// gateway does not know a target; nothing has been sent then.
func (x *exchange) runUniversal(targets []target, j *job) (done bool, err error) {
	g, err := x.throughGateway()
	if err != nil {
		return true, err
	}
	if err := x.admit(j.op, &targets[0]); err != nil {
		return true, err
	}
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	var leases []lease
	defer func() { release(leases) }()
	var steps []gateway.Step
	for i := range targets {
		t := &targets[i]
		if _, ok := g.Slug(t.provider.Name()); !ok {
			return false, nil
		}
		var tried []string
		for len(steps) < x.p.Retry.Attempts {
			key, keyDone, kerr := x.p.acquire(ctx, t, x.scope(tried))
			if kerr != nil {
				if err == nil {
					err = kerr
				}
				break
			}
			a := &attempt{exchange: x, target: t, key: key, via: g, watch: watchdog{cancel: cancel}}
			leases = append(leases, lease{a, keyDone})
			tried = append(tried, key.ID)
			req, berr := a.build(ctx, j)
			if berr != nil {
				return true, berr
			}
			steps = append(steps, gateway.Step{Provider: t.provider.Name(), Request: req})
			if key.ID == "" {
				break
			}
		}
	}
	if len(steps) == 0 {
		return true, err
	}
	req, err := g.NewUniversal(ctx, steps)
	if err != nil {
		return false, nil // a step that has no place in the gateway
	}
	return true, x.sendUniversal(req, steps, leases, j)
}

// sendUniversal sends the request, and handles the answer as the attempt that
// the gateway says it is from.
func (x *exchange) sendUniversal(req *http.Request, steps []gateway.Step, leases []lease, j *job) error {
	began := x.p.now()
	first := leases[0].attempt
	first.watch.expect(x.p.Timeouts.ResponseHeader, errHeaderTimeout)
	resp, err := x.p.transport.RoundTrip(req) // its body is none of the exchange's
	first.watch.stop()
	if err != nil {
		first.aroundGateway(x.r.Context().Err() == nil)
		err = first.broken(req.Context(), err)
		first.entry = Attempt{Provider: first.target.provider.Name(), Model: first.target.model, Format: first.format, Host: first.host, Start: began}
		first.record(err)
		return err
	}
	defer resp.Body.Close()
	step, _ := gateway.StepOf(resp.Header)
	step = min(step, len(leases)-1)
	a := leases[step].attempt
	defer a.watch.stop()
	// The provider's own transport takes it from here: it may have more to
	// ask, or an answer to put into its format.
	if err := x.bodies.watch(steps[step].Request, a.copied); err != nil {
		return a.broken(req.Context(), err)
	}
	resp, err = transportOf(a.target.provider, &answered{resp, x.p.transport}).RoundTrip(steps[step].Request)
	a.entry = Attempt{Provider: a.target.provider.Name(), Model: a.target.model, Format: a.format, Key: a.key.ID, Host: a.host, Start: began}
	if err != nil {
		err = a.broken(req.Context(), err)
		a.record(err)
		return err
	}
	defer resp.Body.Close()
	x.rec.Provider, x.rec.Model, x.rec.Key, x.rec.ProviderFormat = a.target.provider.Name(), a.target.model, a.key.ID, a.format
	err = a.receive(req.Context(), resp, j)
	for i := range leases {
		if leases[i].attempt == a {
			give := leases[i].done
			leases[i].done = func(rotate.Outcome) { give(a.result) }
		}
	}
	a.record(err)
	return err
}

// answered is a transport whose first answer is there already.
type answered struct {
	first *http.Response
	next  http.RoundTripper
}

func (t *answered) RoundTrip(r *http.Request) (*http.Response, error) {
	if resp := t.first; resp != nil {
		t.first = nil
		return resp, nil
	}
	return t.next.RoundTrip(r)
}

// serveUniversal serves POST /: a client's own universal request. Keys are
// filled in for each step; what the client's step says itself wins.
func (x *exchange) serveUniversal() error {
	g, err := x.throughGateway()
	if err != nil {
		return err
	}
	if err := x.readBody(); err != nil {
		return err
	}
	steps, err := gateway.ParseSteps(x.body)
	if err != nil || len(steps) == 0 {
		return translate.Errorf(translate.InvalidRequest, "the request body is no universal request: an array of {provider, endpoint, headers, query}")
	}
	if err := x.admit(provider.Forward, &target{provider: gatewayProvider{}}); err != nil {
		return err
	}
	ctx := x.r.Context()
	var leases []lease
	defer func() { release(leases) }()
	headers := make([]http.Header, len(steps))
	for i, s := range steps {
		name, ok := g.ProviderOf(s.Provider)
		pr := x.p.byName[name]
		if !ok || pr == nil {
			return memberError("provider", "no provider "+quote(s.Provider)+" is configured")
		}
		t := &target{provider: pr}
		key, done, err := x.p.acquire(ctx, t, rotate.Scope{Select: x.rt.keys})
		if err != nil && !isNoKeys(err) { // without a key the gateway may have one stored
			return err
		}
		if err == nil {
			leases = append(leases, lease{&attempt{exchange: x, target: t, key: key}, done})
		}
		if headers[i], err = stepHeaders(ctx, pr, key, s.Headers); err != nil {
			return err
		}
		x.rec.Provider = name
	}
	body, err := gateway.AppendSteps(make([]byte, 0, len(x.body)+512), steps, headers)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = headersUp(x.r.Header, false, true)
	req.Header.Set("Content-Type", "application/json")
	g.Authorize(req.Header)
	return x.relayGateway(req, leases)
}

// stepHeaders returns a step's headers: what the provider needs, and over it
// what the client wrote. A client that brings a credential is given no key.
func stepHeaders(ctx context.Context, pr provider.Provider, key rotate.Key, own http.Header) (http.Header, error) {
	for _, name := range credentialHeaders {
		if own.Get(name) != "" {
			key = rotate.Key{}
		}
	}
	req, err := pr.NewRequest(ctx, &provider.Call{Op: provider.Pass, Method: http.MethodPost, Path: "/"}, key)
	if err != nil {
		return nil, err
	}
	h := req.Header
	if gateway.Signed(h) { // over another address and body: the gateway may sign with a key of its own
		for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
			h.Del(name)
		}
	}
	for name, v := range own {
		h[name] = v
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	return h, nil
}

// serveCompat serves /compat/…: the gateway's OpenAI-shaped endpoint. The key
// is that of the provider which the model names.
func (x *exchange) serveCompat() error {
	g, err := x.throughGateway()
	if err != nil {
		return err
	}
	if err := x.readBody(); err != nil {
		return err
	}
	model, stream, err := x.modelMember()
	if err != nil {
		return err
	}
	x.rec.ModelAsked, x.rec.Stream = model, stream
	address, err := provider.JoinPath(g.URL()+"/compat", strings.TrimPrefix(x.rt.path, "/compat"))
	if err != nil {
		return err // it would leave the gateway, for another account's
	}
	request := func(ctx context.Context, key rotate.Key) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, x.r.Method, address, bytes.NewReader(x.body))
		if err != nil {
			return nil, translate.Errorf(translate.InvalidRequest, "the address cannot be built from this request")
		}
		req.Header = headersUp(x.r.Header, false, false)
		req.Header.Set("Content-Type", "application/json")
		if !key.Secret.IsZero() {
			req.Header.Set("Authorization", "Bearer "+key.Secret.Reveal())
		}
		g.Authorize(req.Header)
		return req, nil
	}
	slug, rest, _ := strings.Cut(model, "/")
	name, ok := g.ProviderOf(slug)
	if pr := x.p.byName[name]; ok && pr != nil {
		return x.run([]target{{provider: pr, model: rest}}, &job{op: provider.Forward, raw: true, answer: (*attempt).relayRaw, request: func(ctx context.Context, a *attempt) (*http.Request, error) {
			a.via = g
			return request(ctx, a.key)
		}})
	}
	if slug != "dynamic" && !ok {
		return memberError("model", "no provider "+quote(slug)+" is configured")
	}
	if err := x.admit(provider.Forward, &target{provider: gatewayProvider{}, model: model}); err != nil {
		return err
	}
	// A dynamic route, or a provider whose key is stored in the gateway.
	req, err := request(x.r.Context(), rotate.Key{})
	if err != nil {
		return err
	}
	return x.relayGateway(req, nil)
}

// relayGateway sends a request that the gateway alone answers for, and passes
// the answer on as it is.
func (x *exchange) relayGateway(req *http.Request, leases []lease) error {
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	a := &attempt{exchange: x, target: &target{provider: gatewayProvider{}}, watch: watchdog{cancel: cancel}}
	defer func() { a.watch.stop() }() // a may be another by then
	a.entry.Start = x.p.now()
	a.watch.expect(x.p.Timeouts.ResponseHeader, errHeaderTimeout)
	err := x.bodies.watch(req, false)
	if err != nil {
		return a.broken(ctx, err)
	}
	resp, err := x.p.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = a.broken(ctx, err)
		a.record(err)
		return err
	}
	defer resp.Body.Close()
	if step, ok := gateway.StepOf(resp.Header); ok && step < len(leases) {
		answered := &leases[step]
		a.target, a.key = answered.target, answered.key
		x.rec.Provider, x.rec.Key = a.target.provider.Name(), a.key.ID
		outcome := x.p.classify(x.rec.Provider, resp.StatusCode, resp.Header, nil, nil)
		give := answered.done
		answered.done = func(rotate.Outcome) { give(outcome) }
	}
	maskHeader(resp.Header, a.key.Secret)
	a.watch.expect(x.p.Timeouts.FirstContent, errContentTimeout)
	err = a.relayRaw(resp)
	err = a.ended(ctx, resp, err)
	a.entry.Provider, a.entry.Key = x.rec.Provider, a.key.ID
	a.entry.Status, a.entry.Gateway = resp.StatusCode, gateway.InfoOf(resp.Header)
	a.record(err)
	return err
}

// gatewayProvider stands for the gateway where no provider is known.
type gatewayProvider struct{}

func (gatewayProvider) Name() string                      { return "ai-gateway" }
func (gatewayProvider) Formats(string) []translate.Format { return nil }
func (gatewayProvider) NewRequest(context.Context, *provider.Call, rotate.Key) (*http.Request, error) {
	return nil, translate.Errorf(translate.Unsupported, "the gateway is no provider")
}
