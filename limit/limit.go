// Package limit holds principals to requests and tokens a minute and to money
// a day:
//
//	limiter := limit.New(func(ctx context.Context, principal string) (limit.Limits, error) {
//		return limit.Limits{Requests: 60, Tokens: 100_000, Money: 5 * price.Dollar}, nil
//	})
//	proxy, err := llmproxy.New(llmproxy.WithAdmission(limiter.Admit), …)
//
// A principal is whom the host's llmproxy.AuthFunc names; those without a name
// share the limits of the principal "".
//
// What a request will take is reserved before it goes on, and settled at its
// end by what it took: requests that run at the same time can exceed a limit
// only by what they take beyond what was reserved for them. A reservation that
// is lost, with its process, comes back by itself: within a minute or so, and
// money at the end of the day.
//
// Requests and tokens are in token buckets: a minute's worth may come at once,
// and what was taken flows back evenly. Hence a wait is known to the
// millisecond, nothing is set free for all at the same moment, and in no span
// of time is more settled than the limit for that span and one minute's worth
// more, plus what was given back in it of reservations from before it. Money is
// counted by the day in UTC, as budgets are, and belongs to the day in which
// its request began.
package limit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Limits are what a principal may use. A field that is zero is no limit; one
// that is negative lets nothing through. A limit counts up to 2^36, money up
// to about four million dollars.
type Limits struct {
	Requests int64     // a minute; those that fail count, those refused here do not
	Tokens   int64     // a minute: input and output together, cached ones too
	Money    price.USD // a day in UTC
}

const (
	mostAmount = 1 << 36
	mostMoney  = 1 << 52
)

// within returns the limits in the range that every Store can count in.
func (l Limits) within() Limits {
	return Limits{min(l.Requests, mostAmount), min(l.Tokens, mostAmount), min(l.Money, mostMoney)}
}

// LimitsFunc returns the limits of a principal. It is asked for each request,
// on the request's goroutine. A *translate.Error refuses the request; another
// error is as if the Store had failed.
type LimitsFunc func(ctx context.Context, principal string) (Limits, error)

// Limiter admits requests. It is safe for concurrent use, and starts no
// goroutine.
type Limiter struct {
	limits   LimitsFunc
	store    Store
	local    *Memory // while store fails
	timeout  time.Duration
	refuse   bool
	onError  func(ctx context.Context, err error)
	clock    func() time.Time
	unknown  int64
	most     int64
	unpriced price.USD

	closed atomic.Int64 // when the store may be asked again; 0: it did not fail
}

// Option configures a Limiter.
type Option func(*Limiter)

// WithStore keeps what was used in s, which processes may share: sqllimit and
// redislimit have some. The default, and nil, is a Memory.
//
// While the store fails or is slower than the timeout (WithTimeout), the limits
// are those of each process alone, in its memory; or requests are refused
// (WithRefusal). What was reserved in a store that fails until the request's
// end is not settled. A store that failed is left alone for a moment, so that
// one that hangs does not hold up every request.
func WithStore(s Store) Option { return func(l *Limiter) { l.store = s } }

// WithTimeout bounds one call of the store; the default is a second, as the
// requests of one principal may have to wait for each other there. A time of 0 or
// less is the default.
func WithTimeout(d time.Duration) Option {
	return func(l *Limiter) {
		if d > 0 {
			l.timeout = d
		}
	}
}

// WithRefusal refuses requests with 503 while the store fails, for hosts to
// which a limit is worth more than an answer.
func WithRefusal() Option { return func(l *Limiter) { l.refuse = true } }

// WithErrorFunc sets what is told of a store's failures, on the request's
// goroutine, and concurrently for different requests. The default, and nil,
// tells nobody.
func WithErrorFunc(f func(ctx context.Context, err error)) Option {
	return func(l *Limiter) {
		if f != nil {
			l.onError = f
		}
	}
}

// WithOutput sets how many tokens are reserved for an answer: unknown where the
// client does not say how long it may be, 1,024 by default; and most where it
// allows for more than that, 0 for no such bound. Clients that allow for far
// more than they get leave room unused for as long as they run. With a bound it
// is used, at the price of what an answer may take beyond it.
func WithOutput(unknown, most int64) Option {
	return func(l *Limiter) {
		if l.unknown = max(unknown, 0); most > 0 {
			l.most = most
		}
	}
}

// WithUnpriced sets what a request costs whose model has no price, or that
// tells no usage, such as one for an image. The default is a cent; 0 is free.
func WithUnpriced(cost price.USD) Option {
	return func(l *Limiter) { l.unpriced = max(cost, 0) }
}

// WithClock sets the clock of the Limiter and of its own memory, for tests.
// The default, and nil, is time.Now.
func WithClock(now func() time.Time) Option { return func(l *Limiter) { l.clock = now } }

// New returns a Limiter. With nil limits nobody is limited. Of two options that
// set the same thing the later wins; a nil one does nothing.
func New(limits LimitsFunc, opts ...Option) *Limiter {
	l := &Limiter{limits: limits, timeout: time.Second, onError: func(context.Context, error) {}, clock: time.Now,
		unknown: 1024, most: mostAmount, unpriced: price.Dollar / 100}
	for _, o := range opts {
		if o != nil {
			o(l)
		}
	}
	if l.clock == nil {
		l.clock = time.Now
	}
	if l.limits == nil {
		l.limits = func(context.Context, string) (Limits, error) { return Limits{}, nil }
	}
	l.local = NewMemory(l.clock)
	if l.store == nil {
		l.store = l.local
	}
	return l
}

// Admit is the llmproxy.AdmitFunc of the Limiter. It refuses with 429 and
// Retry-After where requests or tokens are short, and with 402 where money is:
// a 429 would be tried again by every SDK, and there is none before the next
// day. The answer's header tells what is left of requests and tokens.
func (l *Limiter) Admit(ctx context.Context, q *llmproxy.Admission) (func(*llmproxy.Exchange), error) {
	limits, err := l.limits(ctx, q.Principal)
	if refused := (*translate.Error)(nil); errors.As(err, &refused) {
		return nil, err
	} else if err != nil {
		l.onError(ctx, err)
		return nil, l.unlimited(ctx, err)
	}
	if limits = limits.within(); limits == (Limits{}) {
		return nil, nil
	}
	e := l.estimate(q)
	reserved := e.amounts().within(limits)
	store := l.store
	state, ok, err := l.take(ctx, q.Principal, limits, reserved)
	if err != nil {
		if err := l.unlimited(ctx, err); err != nil {
			return nil, err
		}
		store = l.local
		state, ok, _ = store.Take(ctx, q.Principal, limits, reserved)
	}
	setHeader(q.Header, q.ClientFormat, limits, state)
	if !ok {
		return nil, refusal(limits, state, reserved)
	}
	return func(x *llmproxy.Exchange) {
		delta := l.spent(q, e, x).of(limits).minus(reserved)
		if delta == (Amounts{}) {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
		defer cancel()
		if err := store.Settle(ctx, q.Principal, limits, state.Day, delta); err != nil {
			l.onError(ctx, err)
		}
	}, nil
}

// pause is how long a store that failed is left alone.
const pause = 200 * time.Millisecond

// take asks the store, unless it failed just now: then one request at a time
// finds out whether it is back, and the others do not wait for that.
func (l *Limiter) take(ctx context.Context, principal string, limits Limits, want Amounts) (State, bool, error) {
	if until := l.closed.Load(); until != 0 {
		now := l.clock().UnixNano()
		if now < until || !l.closed.CompareAndSwap(until, now+int64(l.timeout+pause)) {
			return State{}, false, errLeftAlone
		}
	}
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	state, ok, err := l.store.Take(bounded, principal, limits, want)
	switch {
	case err == nil:
		if l.closed.Load() != 0 {
			l.closed.Store(0)
		}
	case ctx.Err() == nil: // else the client went away, which is no fault of the store
		l.closed.Store(l.clock().UnixNano() + int64(pause))
		l.onError(ctx, err)
	}
	return state, ok, err
}

var errLeftAlone = errors.New("limit: the store failed just now")

// unlimited decides what becomes of a request whose limits cannot be told; nil:
// it goes on.
func (l *Limiter) unlimited(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return err
	case l.refuse:
		return &translate.Error{Kind: translate.Overloaded, Message: "the limits cannot be checked at the moment", Err: err}
	}
	return nil
}
