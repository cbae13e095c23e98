// Package llmproxy puts one LLM endpoint inside a server that already runs.
//
// A Proxy is an http.Handler. Clients that speak OpenAI Chat, OpenAI
// Responses, Anthropic Messages or Gemini reach any configured provider
// through it, with pooled keys that rotate:
//
//	p, err := llmproxy.New(llmproxy.FromEnv(os.LookupEnv))
//	if err != nil {
//		log.Fatal(err)
//	}
//	http.Handle("/llm/", http.StripPrefix("/llm", p))
//
// A request names its provider in the model, "anthropic/claude-sonnet-5-5".
// Where the provider speaks the client's format the bytes pass untouched; else
// both are translated, and what cannot be translated is reported in the
// Llmproxy-Loss header (package translate).
//
// A failure before the first content is tried again, with another key and with
// the next target of an alias (WithAlias, WithRetry); one after it ends the answer
// as a failure in the client's own format.
//
// The host owns the server, the logger, the transport, authentication and the
// storage of keys. The package starts no goroutine that outlives a request,
// and reads no environment but through FromEnv.
//
// Its parts, most of which can be used by themselves:
//
//   - package provider: where providers are and what they speak, and any
//     OpenAI-compatible server in one line
//   - package rotate: pools of keys; Store is the interface of a key store of
//     one's own, Transport a pool for any SDK, and packages rotate/sqlrotate and
//     rotate/redisrotate share pools between processes
//   - package gateway: Cloudflare AI Gateway (WithGateway)
//   - package limit: requests, tokens and money for each principal
//     (WithAdmission)
//   - package price: what tokens cost (WithPrices)
//   - package translate: the formats, and the neutral model between them
//   - package observe/otel: OpenTelemetry traces and metrics (WithObserver)
//
// Routes, variables and what happens when a provider fails are in the
// repository's docs.
package llmproxy

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// Proxy is the endpoint. It is made by New, immutable, and safe for concurrent
// use. Nothing outlives a request, so there is nothing to close; an
// http.Server's Shutdown waits for the streams that are open.
type Proxy struct {
	config
	byName     map[string]provider.Provider
	transports map[string]http.RoundTripper // by provider
	models     modelCache
	checks     keyChecks
	history    history
	cache      *answers // nil: none
	reserve    *reserve

	gate    *gate // of all requests
	gates   map[string]*gate
	breaker breaker
}

// New returns a Proxy. Its error joins one error for each option that is wrong,
// and quotes no secret.
func New(opts ...Option) (*Proxy, error) {
	p := &Proxy{config: defaults()}
	for _, o := range opts {
		if o != nil {
			o(&p.config)
		}
	}
	if err := p.config.finish(); err != nil {
		return nil, err
	}
	p.byName = make(map[string]provider.Provider, len(p.providers))
	p.transports = make(map[string]http.RoundTripper, len(p.providers))
	p.gate, p.gates = newGate(p.Concurrency.Total, p.Concurrency), map[string]*gate{}
	p.cache = newAnswers(p.Cache)
	p.reserve = newReserve(p.heapReserve)
	p.breaker.streak = p.Retry.Streak
	p.breaker.health, _ = p.rotator.(targetHealth)
	for _, pr := range p.providers {
		p.byName[pr.Name()] = pr
		p.transports[pr.Name()] = transportOf(pr, p.transport)
		p.gates[pr.Name()] = newGate(p.Concurrency.PerProvider, p.Concurrency)
	}
	return p, nil
}

// transportOf returns what sends a provider's requests: the provider itself
// where it needs no network, its wrapper of next, or next.
func transportOf(pr provider.Provider, next http.RoundTripper) http.RoundTripper {
	switch t := pr.(type) {
	case http.RoundTripper:
		return t
	case provider.Wrapper:
		return t.Transport(next)
	}
	return next
}

// Providers returns the names of the providers, in the order in which they
// were configured.
func (p *Proxy) Providers() []string {
	names := make([]string, len(p.providers))
	for i, pr := range p.providers {
		names[i] = pr.Name()
	}
	return names
}

// ServeHTTP serves one request. Paths are relative to where the host mounts
// the handler: strip the prefix by http.StripPrefix, or name it with
// WithPathPrefix.
//
// Where an answer that is under way must not look whole it panics with
// http.ErrAbortHandler, as net/http's servers expect; middleware that recovers
// from panics lets that one pass. A ResponseWriter that middleware puts in
// between has Flush, or Unwrap for http.ResponseController, or streams wait in
// its buffer; for WebSockets the same holds for Hijack.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.reserve.enter()
	defer p.reserve.leave()
	x := p.newExchange(w, r)
	defer x.finish()
	if p.cors.handle(w, r) {
		x.rec.Route, x.rec.Status = "preflight", http.StatusNoContent
		return
	}
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

func (p *Proxy) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{p: p, w: w, r: r, start: p.now()}
	x.rec.ID = requestID(r)
	x.rec.Method, x.rec.Start = r.Method, x.start
	x.set(w.Header(), "X-Request-Id", x.rec.ID)
	return x
}

// serve serves the request. An error it returns has not been written.
func (x *exchange) serve() error {
	if err := x.find(); err != nil {
		return err
	}
	if !x.rt.local {
		if err := x.p.gate.enter(x.r.Context()); err != nil {
			return err
		}
		defer x.p.gate.leave()
	}
	return x.rt.serve(x)
}

// find routes the request and authenticates it.
func (x *exchange) find() error {
	path, ok := x.p.mounted(x.r)
	if !ok {
		return noRoute(x.r)
	}
	rt, err := x.p.route(x.r, path)
	x.rt, x.rec.Route, x.rec.ClientFormat = rt, rt.name, rt.format
	if err != nil {
		return err
	}
	if rt.serve == nil {
		return noRoute(x.r)
	}
	if rt.public {
		return nil
	}
	principal, err := x.p.auth(x.r)
	if err != nil {
		if rt.name == "/status" && wantsPage(x.r) {
			x.w.Header().Set("WWW-Authenticate", `Basic realm="llmproxy", charset="UTF-8"`) // the key as password
		}
		return authError(err)
	}
	x.rec.Principal = principal
	return nil
}

// requestID returns the client's X-Request-Id where it is short and plain, and
// a new one otherwise.
func requestID(r *http.Request) string {
	if id := first(r.Header, "X-Request-Id"); id != "" && len(id) <= 128 && isToken(id) {
		return id
	}
	b := [4 + 24]byte{'r', 'e', 'q', '_'}
	var random [12]byte // it has to be no secret
	binary.LittleEndian.PutUint64(random[:], rand.Uint64())
	binary.LittleEndian.PutUint32(random[8:], rand.Uint32())
	hex.Encode(b[4:], random[:])
	return string(b[:])
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == ',' || c == ';' {
			return false
		}
	}
	return true
}

// acquire takes a key for a target. A provider that needs none and has none is
// called with a zero Key.
func (p *Proxy) acquire(ctx context.Context, t *target, s rotate.Scope) (rotate.Key, func(rotate.Outcome), error) {
	s.Provider, s.Model = t.provider.Name(), t.model
	k, done, err := p.rotator.Acquire(ctx, s)
	if err != nil {
		if kl, ok := t.provider.(provider.Keyless); ok && kl.KeyOptional() && isNoKeys(err) {
			return rotate.Key{}, func(rotate.Outcome) {}, nil
		}
		return rotate.Key{}, nil, err
	}
	return k, done, nil
}

func (p *Proxy) now() time.Time { return p.clock() }
