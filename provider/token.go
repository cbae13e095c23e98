package provider

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// TokenSource gives access tokens, as clouds want them in place of keys. It
// may be called concurrently. The zero expiry stands for a token that does not
// expire. The constructors that take one put a CachedToken around it.
type TokenSource interface {
	Token(ctx context.Context) (token string, expiry time.Time, err error)
}

// TokenSourceFunc makes a function a TokenSource.
type TokenSourceFunc func(ctx context.Context) (token string, expiry time.Time, err error)

// Token calls f.
func (f TokenSourceFunc) Token(ctx context.Context) (string, time.Time, error) { return f(ctx) }

// CachedToken keeps a TokenSource's token for as long as it holds. One caller
// at a time asks the source: before the expiry the others go on with the old
// token, after it they wait. A refresh that fails early is tried again later,
// and costs no request anything. It starts no goroutine: whoever needs the
// token fetches it, and where that caller goes away, the next one does. It is
// safe for concurrent use.
type CachedToken struct {
	source  TokenSource
	current atomic.Pointer[token]
	turn    chan struct{} // holds a value while somebody asks the source
	failure *tokenFailure // guarded by turn
	now     func() time.Time
}

// token is a token and when to look for the next one.
type token struct {
	value         string
	refresh, dead time.Time // zero: never
}

type tokenFailure struct {
	err error
	at  time.Time
}

const (
	refreshEarly  = 5 * time.Minute  // or a quarter of a shorter life
	expirySkew    = 10 * time.Second // a request takes its time to arrive
	fetchBound    = 30 * time.Second
	earlyBound    = 5 * time.Second
	retryInterval = 5 * time.Second
)

// CacheToken returns a cache of the source's token.
func CacheToken(source TokenSource) *CachedToken {
	if c, ok := source.(*CachedToken); ok {
		return c
	}
	return &CachedToken{source: source, turn: make(chan struct{}, 1), now: time.Now}
}

// Token returns a token that holds, from the source where need be. Its errors
// are the source's and the context's.
func (c *CachedToken) Token(ctx context.Context) (string, time.Time, error) {
	began := c.now()
	t := c.current.Load()
	switch {
	case t.fresh(began):
		return t.value, t.dead, nil
	case t.holds(began):
		select {
		case c.turn <- struct{}{}:
		default:
			return t.value, t.dead, nil
		}
	default:
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return "", time.Time{}, ctx.Err()
		}
	}
	defer func() { <-c.turn }()
	now := c.now()
	if t = c.current.Load(); t.fresh(now) {
		return t.value, t.dead, nil
	}
	if f := c.failure; f != nil {
		// The source failed while this caller waited, or just now.
		if t.holds(now) && now.Sub(f.at) < retryInterval {
			return t.value, t.dead, nil
		}
		if !t.holds(now) && f.at.After(began) {
			return "", time.Time{}, f.err
		}
	}
	bound := fetchBound
	if t.holds(now) { // nobody should wait long for what is not needed yet
		bound = earlyBound
	}
	fetched, err := c.fetch(ctx, bound)
	if err == nil {
		c.failure = nil
		c.current.Store(fetched)
		return fetched.value, fetched.dead, nil
	}
	if ctx.Err() == nil { // else it says nothing about the source
		c.failure = &tokenFailure{err, c.now()}
	}
	if t.holds(c.now()) {
		return t.value, t.dead, nil
	}
	return "", time.Time{}, err
}

var errNoToken = errors.New("the token source gave an empty token")

func (c *CachedToken) fetch(ctx context.Context, bound time.Duration) (*token, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	value, expiry, err := c.source.Token(ctx)
	if err != nil {
		return nil, err
	}
	if value == "" {
		return nil, errNoToken
	}
	t := &token{value: value}
	if !expiry.IsZero() {
		life := expiry.Sub(c.now())
		t.dead = expiry.Add(-min(expirySkew, life/10))
		t.refresh = expiry.Add(-min(refreshEarly, life/4))
	}
	return t, nil
}

func (t *token) fresh(now time.Time) bool {
	return t != nil && (t.refresh.IsZero() || now.Before(t.refresh))
}

func (t *token) holds(now time.Time) bool {
	return t != nil && (t.dead.IsZero() || now.Before(t.dead))
}

// TokenAuth authenticates by the source's token as Bearer, and by withKey
// where a request comes with a key of its own; a nil withKey is Bearer.
func TokenAuth(source TokenSource, withKey Auth) Auth {
	cached := CacheToken(source)
	if withKey == nil {
		withKey = Bearer
	}
	return func(ctx context.Context, r *http.Request, k rotate.Key) error {
		if !k.Secret.IsZero() {
			return withKey(ctx, r, k)
		}
		value, _, err := cached.Token(ctx)
		if err != nil {
			return tokenError(err)
		}
		r.Header.Set("Authorization", "Bearer "+value)
		return nil
	}
}

func tokenError(err error) error {
	var e *translate.Error
	if errors.As(err, &e) {
		return e
	}
	return &translate.Error{Kind: translate.Upstream, Message: "no credential for the provider could be had", Err: err}
}
