package rotate

import (
	"log/slog"
	"time"
)

// PoolOption configures a Pool. Of two that set the same thing the later wins; a
// nil one does nothing.
type PoolOption func(*Pool)

// WithPolicy sets how a key is chosen among those that can serve; nil is RoundRobin.
func WithPolicy(policy Policy) PoolOption {
	return func(p *Pool) {
		if policy != nil {
			p.policy = policy
		}
	}
}

// WithClock sets where the pool takes the time from, for tests. Times with a
// monotonic reading, as time.Now gives them, make the pool immune to changes of
// the wall clock. Waiting (WithWait) uses the time package's timers all the same.
func WithClock(now func() time.Time) PoolOption { return func(p *Pool) { p.clock = now } }

// WithRules sets the table by which Pool.Classify, a Transport over the pool and
// the proxy read answers; nil is DefaultRules.
func WithRules(rules Rules) PoolOption {
	return func(p *Pool) {
		if rules != nil {
			p.rules = rules
		}
	}
}

// WithWait lets Acquire wait up to d in all when every key is cooling down,
// provided that one recovers within that time. The default is 0, and so is less:
// fail at once.
func WithWait(d time.Duration) PoolOption { return func(p *Pool) { p.wait = d } }

// WithCacheTTL sets how long the store's answer is good; the default is a second,
// and for ever for a StaticStore. 0 or less asks the store for every key handed
// out.
func WithCacheTTL(d time.Duration) PoolOption { return func(p *Pool) { p.ttl = max(d, 0) } }

// WithLogger sets where the pool tells of cooldowns, of a failing store and of a
// failing shared engine; nil is nowhere, the default. Secrets are never logged.
func WithLogger(l *slog.Logger) PoolOption {
	return func(p *Pool) {
		if l != nil {
			p.log = l
		}
	}
}

// WithEvents sets a function that is told what the logger is told. It is called
// in the goroutine of a request, concurrently, and must not block; nil tells
// nobody, the default.
func WithEvents(f func(Event)) PoolOption { return func(p *Pool) { p.events = f } }

// WithBackoff sets the pauses for which a provider gives no hint.
func WithBackoff(b Backoff) PoolOption { return func(p *Pool) { p.backoff = b } }

// Backoff holds the pauses for which a provider gives no hint. A zero field is
// its default.
type Backoff struct {
	First        time.Duration // after a first RateLimited without a hint; doubles with each more: 1s
	Max          time.Duration // where the doubling ends: 60s
	Quota        time.Duration // after QuotaExhausted: 1h
	Unauthorized time.Duration // after Unauthorized: 10m
	Target       time.Duration // a target, after its first fault; doubles: 1s
	TargetMax    time.Duration // where the doubling ends: 30s
}

func (b Backoff) withDefaults() Backoff {
	for _, f := range []struct {
		d    *time.Duration
		dflt time.Duration
	}{
		{&b.First, time.Second}, {&b.Max, time.Minute}, {&b.Quota, time.Hour},
		{&b.Unauthorized, 10 * time.Minute}, {&b.Target, time.Second}, {&b.TargetMax, 30 * time.Second},
	} {
		if *f.d <= 0 {
			*f.d = f.dflt
		}
	}
	return b
}

// double returns first doubled n-1 times, at most limit. It has no jitter: that
// keys recover together does no harm, as requests are spread over them anyway.
func double(first, limit time.Duration, n int32) time.Duration {
	d := first
	for ; n > 1 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// Event is something that an operator may want to know.
type Event struct {
	Kind     EventKind
	Provider string
	Model    string
	KeyID    string
	Class    Class
	For      time.Duration // of KeyCooling: how long, from now on
	Err      error         // of StoreFailed and SharedLost
}

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events.
const (
	KeyCooling      EventKind = iota // a key began to cool, or cools for longer
	StoreFailed                      // the store failed; its last good answer is used
	SharedLost                       // the shared engine failed or was too slow; see WithShared
	SharedRecovered                  // it answers again
)

var eventNames = [...]string{"key cooling", "key store failed", "shared state lost", "shared state recovered"}

// String returns the kind in words.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

func (p *Pool) tell(e Event) {
	if p.events != nil {
		p.events(e)
	}
	level := slog.LevelInfo
	attrs := []any{slog.String("provider", e.Provider)}
	if e.Kind == KeyCooling {
		attrs = append(attrs, slog.String("model", e.Model), slog.String("key", e.KeyID), slog.String("class", e.Class.String()), slog.Duration("for", e.For))
	}
	if e.Err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	p.log.Log(background, level, "rotate: "+e.Kind.String(), attrs...)
}
