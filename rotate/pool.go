package rotate

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is the KeyRotator that keeps its state in memory, and, with a Shared
// engine, the one that a fleet of processes shares. It is safe for concurrent
// use, owns no goroutine, and needs no closing.
//
// Acquire takes the keys that are not cooling down, asks the policy which of
// them it is to be, and books the attempt; done books the outcome.
type Pool struct {
	store   Store
	policy  Policy
	rules   Rules
	backoff Backoff
	wait    time.Duration
	ttl     time.Duration
	clock   func() time.Time // nil: the time package's own, which is faster
	epoch   time.Time
	log     *slog.Logger
	fleet   *fleet // nil: this process alone
	events  func(Event)

	sharedTimeout time.Duration
	refuse        bool
	block         int

	mu        sync.Mutex // guards growth of providers
	providers atomic.Pointer[map[string]*provider]
}

// NewPool returns a pool over the store's keys. Without options it is strictly
// round robin, fails at once when all keys are cooling down, and asks the store
// at most once a second per provider (a StaticStore once). A nil store has no keys.
func NewPool(store Store, opts ...PoolOption) *Pool {
	if store == nil {
		store = &StaticStore{}
	}
	p := &Pool{store: store, policy: RoundRobin{}, rules: defaultRules, ttl: time.Second, log: slog.New(slog.DiscardHandler),
		sharedTimeout: 50 * time.Millisecond, block: 1}
	if _, ok := store.(*StaticStore); ok {
		p.ttl = forever
	}
	for _, opt := range opts {
		if opt != nil {
			opt(p)
		}
	}
	p.backoff = p.backoff.withDefaults()
	p.epoch = time.Now()
	if p.clock != nil {
		p.epoch = p.clock()
	}
	p.epoch = p.epoch.Add(-1) // instant 0 means never
	p.providers.Store(&map[string]*provider{})
	return p
}

// forever is a duration that no sum of it and an instant overflows.
const forever = time.Duration(1 << 61)

// instant is a time in nanoseconds since the pool was made, on the monotonic clock.
type instant = int64

func (p *Pool) now() instant {
	if p.clock == nil {
		return int64(time.Since(p.epoch))
	}
	return int64(p.clock().Sub(p.epoch))
}

// wall turns an instant into a time of day for people; 0 is the zero Time.
func (p *Pool) wall(t instant) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return p.epoch.Add(time.Duration(t))
}

func (p *Pool) provider(name string) *provider {
	if pp := (*p.providers.Load())[name]; pp != nil {
		return pp
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.providers.Load()
	if pp := old[name]; pp != nil {
		return pp
	}
	grown := make(map[string]*provider, len(old)+1)
	for k, v := range old {
		grown[k] = v
	}
	pp := newProvider(p, name)
	grown[name] = pp
	p.providers.Store(&grown)
	return pp
}

// Refresh makes the pool ask the store again before it hands out another of the
// provider's keys, for hosts that know when their keys change.
func (p *Pool) Refresh(providerName string) {
	pp := p.provider(providerName)
	pp.fresh.Add(1)
	if set := pp.set.Load(); set != nil {
		set.expires.Store(0)
	}
}

// Acquire returns the key for one attempt, and the function that reports what
// came of it. See KeyRotator.
func (p *Pool) Acquire(ctx context.Context, s Scope) (Key, func(Outcome), error) {
	if err := ctx.Err(); err != nil {
		return Key{}, nil, err
	}
	now := p.now()
	v, err := p.view(ctx, &s, now)
	if err != nil {
		return Key{}, nil, err
	}
	// The common case takes no lock and allocates nothing.
	if p.fleet == nil && len(s.Exclude) == 0 && s.Owner == "" {
		if r := v.roster(now); len(r.fresh) > 0 {
			e := r.fresh[p.policy.Pick(Candidates{list: r.fresh, counter: &v.ring.turn, affinity: s.Affinity, now: now})]
			return e.take(now)
		}
	}
	return p.acquire(ctx, &s, v, now)
}

// view finds the keys that may serve the scope at all.
func (p *Pool) view(ctx context.Context, s *Scope, now instant) (*view, error) {
	pp := p.provider(s.Provider)
	set := pp.set.Load()
	if set == nil || now >= set.expires.Load() {
		var err error
		if set, err = pp.load(ctx); err != nil {
			return nil, err
		}
	}
	v := set.view(s.Model)
	if v == nil || s.Select.set {
		return set.narrow(pp, s.Model, s.Select)
	}
	if len(v.entries) == 0 {
		return nil, ErrNoKeys
	}
	return v, nil
}

// acquire is Acquire with everything that can stand in the way: excluded keys,
// an owner, a fleet, and keys that are all cooling down.
func (p *Pool) acquire(ctx context.Context, s *Scope, v *view, now instant) (Key, func(Outcome), error) {
	var waited time.Duration
	for {
		e, err := p.choose(ctx, v, s, now)
		if err != nil {
			return Key{}, nil, err
		}
		if e != nil {
			return e.take(now)
		}
		unavailable, pause := v.unavailable(s, now)
		if unavailable.Tried >= unavailable.Keys || waited+pause > p.wait {
			return Key{}, nil, unavailable
		}
		if err := sleep(ctx, pause); err != nil {
			return Key{}, nil, err
		}
		waited += pause
		now = p.now()
		if v, err = p.view(ctx, s, now); err != nil {
			return Key{}, nil, err
		}
	}
}

// choose returns the entry to use, or nil when none can be used now.
func (p *Pool) choose(ctx context.Context, v *view, s *Scope, now instant) (*entry, error) {
	var turn uint64
	counter, stripe := v.ring.counter(s.Exclude)
	shared := false
	if p.fleet != nil {
		var err error
		if turn, shared, err = p.fleet.next(ctx, v, stripe); err != nil {
			return nil, err
		}
	}
	r := v.roster(now)
	if s.Owner != "" {
		if e := r.find(s.Owner); e != nil && !excluded(s.Exclude, s.Owner) {
			return e, nil
		}
	}
	// A key at rest is one that a 429 is expected of: it serves when no other can.
	list := without(r.fresh, s.Exclude)
	if len(list) == 0 {
		list = without(r.resting, s.Exclude)
	}
	if len(list) == 0 {
		return nil, nil
	}
	c := Candidates{list: list, counter: counter, affinity: s.Affinity, now: now}
	if shared {
		c.counter, c.turn = nil, turn
	}
	return list[p.policy.Pick(c)], nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func excluded(ids []string, id string) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}

func without(list []*entry, ids []string) []*entry {
	if len(ids) == 0 {
		return list
	}
	out := make([]*entry, 0, len(list))
	for _, e := range list {
		if !excluded(ids, e.key.ID) {
			out = append(out, e)
		}
	}
	return out
}

// Classify reads an answer by the pool's own rules; see the function Classify.
func (p *Pool) Classify(providerName string, status int, h http.Header, body []byte, err error) Outcome {
	return p.rules.Classify(providerName, status, h, body, err)
}
