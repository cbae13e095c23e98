package rotate

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Transport is an http.RoundTripper that gives any client of a provider, its
// official SDK for one, a pool of keys with failover. The SDK is configured with
// any key; the Transport puts the pool's in its place.
//
//	client := openai.NewClient(
//		option.WithAPIKey("unused"),
//		option.WithHTTPClient(&http.Client{Transport: &rotate.Transport{Rotator: pool, Provider: "openai"}}))
//
// An answer that is the key's fault (Class.KeyFault) is tried again with another
// key, before any of it reaches the client. Faults of the target are left to the
// client, whose SDK has its own retries. When no other key is left the client
// gets the last answer, marked "X-Should-Retry: false", so that its retries do
// not multiply with the Transport's. An error inside a 200, in a stream for one,
// is the client's to see: the Transport does not look into answers.
//
// An attempt ends, and its key is given back, when the answer's body is closed
// or read to its end. When no key can be had at all, RoundTrip returns the
// rotator's error; errors.As finds it in what the client returns.
//
// A Transport is safe for concurrent use; its fields must not be changed once it is used.
type Transport struct {
	Rotator  KeyRotator // required
	Provider string     // as in Scope

	// Base sends the requests; nil is http.DefaultTransport.
	Base http.RoundTripper
	// Authorize puts the key into the request, which is a copy. Nil replaces the
	// credential in the header where the client has one (Authorization, X-Api-Key,
	// Api-Key or X-Goog-Api-Key), or else sets Authorization: Bearer.
	Authorize func(*http.Request, Key)
	// Scope adds what the request says about its conversation (see Conversation),
	// and may correct the model, which is found in the path or the JSON body. The
	// body is nil when it is larger than MaxBody. A nil Scope adds nothing.
	Scope func(r *http.Request, body []byte, s *Scope)
	// Attempts is how many keys one request may try; 0 means 3. Retries that the
	// client announces (X-Stainless-Retry-Count) are taken off it.
	Attempts int
	// MaxBody is how large a request body may be to be kept for another attempt; 0
	// means 32 MiB. A larger one, without a GetBody, is sent once.
	MaxBody int64
	// Rules reads the answers; nil means the Rotator's, when it is a *Pool, or DefaultRules.
	Rules Rules
}

// RoundTrip sends the request with a key of the pool.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Rotator == nil {
		closeBody(req)
		return nil, errors.New("rotate: Transport without a Rotator")
	}
	if strayed(req) {
		return t.base().RoundTrip(withoutCredentials(req))
	}
	body, err := readBody(req, t.MaxBody)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	scope := Scope{Provider: t.Provider, Model: requestModel(req.URL, body.start)}
	if t.Scope != nil {
		t.Scope(req, body.start, &scope)
	}
	var last *http.Response
	for left := t.attempts(req); ; left-- {
		key, done, err := t.Rotator.Acquire(req.Context(), scope)
		if err != nil {
			if last != nil { // what the provider said tells more
				last.Header.Set("X-Should-Retry", "false")
				return last, nil
			}
			return nil, err
		}
		if last != nil {
			last.Body.Close()
		}
		resp, o, err := t.attempt(req, body, key, done)
		if err != nil || !o.Class.KeyFault() {
			return resp, err
		}
		if left <= 1 || !body.replays {
			resp.Header.Set("X-Should-Retry", "false")
			return resp, nil
		}
		last = resp
		scope.Exclude = append(scope.Exclude, key.ID)
	}
}

// attempt sends the request once. It calls done, now or when the answer's body ends.
func (t *Transport) attempt(req *http.Request, body *requestBody, key Key, done func(Outcome)) (*http.Response, Outcome, error) {
	out := req.Clone(req.Context())
	if err := body.attach(out); err != nil {
		done(Outcome{Class: Canceled}) // nothing was sent
		return nil, Outcome{}, err
	}
	if t.Authorize != nil {
		t.Authorize(out, key)
	} else {
		authorize(out, key)
	}
	resp, err := t.base().RoundTrip(out)
	if err != nil {
		o := t.classify(0, nil, nil, err)
		if req.Context().Err() != nil {
			o.Class = Canceled
		}
		done(o)
		return nil, o, err
	}
	if resp.StatusCode >= 400 {
		head, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		o := t.classify(resp.StatusCode, resp.Header, head, nil)
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
		done(o)
		return resp, o, nil
	}
	o := t.classify(resp.StatusCode, resp.Header, nil, nil)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		done(o) // the body is a connection, which must stay one
		return resp, o, nil
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, req: req, outcome: o, done: done}
	return resp, o, nil
}

func (t *Transport) classify(status int, h http.Header, body []byte, err error) Outcome {
	rules := t.Rules
	if rules == nil {
		if p, ok := t.Rotator.(*Pool); ok {
			return p.Classify(t.Provider, status, h, body, err)
		}
		rules = defaultRules
	}
	return rules.Classify(t.Provider, status, h, body, err)
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

func (t *Transport) attempts(req *http.Request) int {
	n := t.Attempts
	if n <= 0 {
		n = 3
	}
	// A client that retries spends the same budget.
	if retries, err := strconv.Atoi(req.Header.Get("X-Stainless-Retry-Count")); err == nil && retries > 0 {
		n -= retries
	}
	return max(n, 1)
}

// credentialHeaders are where providers take keys; a value may carry a scheme.
var credentialHeaders = [...]string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"}

func authorize(req *http.Request, key Key) {
	found := false
	for _, name := range credentialHeaders {
		old := req.Header.Get(name)
		if old == "" {
			continue
		}
		found = true
		scheme, _, ok := strings.Cut(old, " ")
		if name == "Authorization" && ok {
			req.Header.Set(name, scheme+" "+key.Secret.Reveal())
		} else {
			req.Header.Set(name, key.Secret.Reveal())
		}
	}
	if !found && !key.Secret.IsZero() {
		req.Header.Set("Authorization", "Bearer "+key.Secret.Reveal())
	}
}

// strayed reports whether a redirect led the request to another host, which must
// not see a key: http.Client drops Authorization there, but not X-Api-Key.
func strayed(req *http.Request) bool {
	first := req
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	return first.URL.Host != req.URL.Host || first.URL.Scheme == "https" && req.URL.Scheme != "https"
}

func withoutCredentials(req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	for _, name := range credentialHeaders {
		req.Header.Del(name)
	}
	return req
}

// watchedBody calls done when the answer has been read or given up.
type watchedBody struct {
	io.ReadCloser
	req     *http.Request
	outcome Outcome
	once    sync.Once
	done    func(Outcome)
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		o := b.outcome
		switch {
		case err == io.EOF:
		case b.req.Context().Err() != nil:
			o = Outcome{Class: Canceled}
		default:
			o = Outcome{Class: TargetFault, Status: o.Status}
		}
		b.end(o)
	}
	return n, err
}

// Close gives the key back. That the client has read enough is no fault: the
// key worked.
func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(b.outcome)
	return err
}

func (b *watchedBody) end(o Outcome) { b.once.Do(func() { b.done(o) }) }
