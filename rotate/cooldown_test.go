package rotate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a clock that moves when told.
type fake struct {
	mu sync.Mutex
	t  time.Time
}

func newFake() *fake { return &fake{t: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)} }

func (f *fake) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.t
}

func (f *fake) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t = f.t.Add(d)
}

var limit = Outcome{Class: RateLimited, Status: 429}

type bench struct {
	*testing.T
	*fake
	p *Pool
}

func newBench(t *testing.T, keys []Key, opts ...PoolOption) bench {
	f := newFake()
	return bench{t, f, NewPool(Static(map[string][]Key{"p": keys}), append([]PoolOption{WithClock(f.now)}, opts...)...)}
}

func (b bench) use(o Outcome) string {
	b.Helper()
	return b.useFor(Scope{Provider: "p", Model: "m"}, o)
}

func (b bench) useFor(s Scope, o Outcome) string {
	b.Helper()
	k, done, err := b.p.Acquire(context.Background(), s)
	if err != nil {
		b.Fatalf("Acquire: %v", err)
	}
	done(o)
	return k.ID
}

// wait returns how long until a key can be had; 0 when one can be had now.
func (b bench) wait() time.Duration {
	_, done, err := b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "m"})
	if err == nil {
		done(Outcome{Class: Canceled})
		return 0
	}
	var u *UnavailableError
	if !errors.As(err, &u) {
		b.Fatal(err)
	}
	return u.RetryAfter
}

// pitfall 8: the latest deadline counts, whatever the order.
func TestCooldownIsNeverShortened(t *testing.T) {
	b := newBench(t, manyKeys(1))
	ctx, s := context.Background(), Scope{Provider: "p", Model: "m"}
	_, first, _ := b.p.Acquire(ctx, s)
	_, second, _ := b.p.Acquire(ctx, s)
	_, third, _ := b.p.Acquire(ctx, s)
	first(Outcome{Class: RateLimited, RetryAfter: time.Minute})
	second(Outcome{Class: RateLimited, RetryAfter: time.Second})
	if d := b.wait(); d != time.Minute {
		t.Errorf("a shorter, later deadline leaves %v", d)
	}
	b.pass(30 * time.Second)
	third(Outcome{Class: RateLimited, RetryAfter: time.Hour})
	if d := b.wait(); d != time.Hour {
		t.Errorf("a longer one leaves %v", d)
	}
	b.pass(time.Hour - time.Nanosecond)
	if d := b.wait(); d != time.Nanosecond {
		t.Errorf("just before the end: %v", d)
	}
	b.pass(time.Nanosecond)
	if d := b.wait(); d != 0 {
		t.Errorf("at the end: %v", d)
	}
}

// pitfall 8: many at once, under the race detector, in any order.
func TestCooldownsAtOnce(t *testing.T) {
	b := newBench(t, manyKeys(1))
	var dones []func(Outcome)
	for range 25 {
		_, done, err := b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		dones = append(dones, done)
	}
	var wg sync.WaitGroup
	for i, done := range dones {
		wg.Go(func() { done(Outcome{Class: RateLimited, RetryAfter: time.Duration(i+1) * time.Second}) })
	}
	wg.Wait()
	if d := b.wait(); d != 25*time.Second {
		t.Errorf("waits %v, want the longest, 25s", d)
	}
}

// pitfall 10: without a hint the pause doubles, per key, until a success.
func TestBackoff(t *testing.T) {
	b := newBench(t, manyKeys(1))
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		b.use(limit)
		if d := b.wait(); d != want*time.Second {
			t.Errorf("waits %v, want %v", d, want*time.Second)
		}
		b.pass(b.wait())
	}
	b.use(Outcome{})
	b.use(limit)
	if d := b.wait(); d != time.Second {
		t.Errorf("after a success: %v", d)
	}
}

// Requests that were under way together fail together: one strike, not 25. And
// one of them that still succeeds does not end the backoff.
func TestBackoffCountsOnce(t *testing.T) {
	b := newBench(t, manyKeys(1))
	var dones []func(Outcome)
	for range 26 {
		_, done, _ := b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "m"})
		dones = append(dones, done)
	}
	for _, done := range dones[1:] {
		done(limit)
	}
	if d := b.wait(); d != time.Second {
		t.Errorf("waits %v, want 1s", d)
	}
	dones[0](Outcome{})
	b.pass(time.Second)
	b.use(limit)
	if d := b.wait(); d != 2*time.Second {
		t.Errorf("waits %v, want 2s", d)
	}
}

// pitfall 11, pitfall 12: what each class does to a key.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		o    Outcome
		want time.Duration
	}{
		{Outcome{Class: Success}, 0},
		{Outcome{Class: Canceled}, 0},
		{Outcome{Class: ClientFault, Status: 400}, 0},
		{Outcome{Class: TargetFault, Status: 503, RetryAfter: time.Hour}, 0},
		{Outcome{Class: Forbidden, Status: 403}, 0},
		{Outcome{Class: Unauthorized, Status: 401}, 10 * time.Minute},
		{Outcome{Class: QuotaExhausted, Status: 402}, time.Hour},
		{Outcome{Class: QuotaExhausted, RetryAfter: 26 * time.Hour}, 26 * time.Hour},
		{Outcome{Class: QuotaExhausted, RetryAfter: 21 * time.Second, Floor: time.Hour}, time.Hour},
		{Outcome{Class: RateLimited, Until: newFake().t.Add(42 * time.Second), RetryAfter: 7 * time.Second}, 42 * time.Second},
		{Outcome{Class: RateLimited, RetryAfter: 10 * 365 * 24 * time.Hour}, maxHint},
		{Outcome{Class: 99}, 0},
	} {
		b := newBench(t, manyKeys(1))
		b.use(c.o)
		if d := b.wait(); d != c.want {
			t.Errorf("%+v: waits %v, want %v", c.o, d, c.want)
		}
	}
	b := newBench(t, manyKeys(1), WithBackoff(Backoff{Unauthorized: time.Minute, Quota: 2 * time.Minute}))
	b.use(Outcome{Class: Unauthorized})
	if d := b.wait(); d != time.Minute {
		t.Errorf("configured: %v", d)
	}
}

// pitfall 13: a weekly limit is a week; keys of one project rest together, for
// the model only; what covers every model covers every model.
func TestCoverage(t *testing.T) {
	keys := manyKeys(3)
	keys[0].QuotaGroup, keys[1].QuotaGroup = "project", "project"
	for cover, want := range map[Coverage][2]string{ // which keys serve m, and another model
		CoverModel:    {"k2", "k0 k1 k2"},
		CoverKeyModel: {"k1 k2", "k0 k1 k2"},
		CoverGroup:    {"k2", "k2"},
		CoverKey:      {"k1 k2", "k1 k2"},
	} {
		b := newBench(t, keys)
		b.useFor(Scope{Provider: "p", Model: "m", Select: SelectKeys(0, 0)}, Outcome{Class: RateLimited, RetryAfter: 7 * 24 * time.Hour, Cover: cover})
		b.pass(7*24*time.Hour - 1)
		for i, model := range []string{"m", "other"} {
			seen := map[string]bool{}
			for range 6 {
				seen[b.useFor(Scope{Provider: "p", Model: model}, Outcome{})] = true
			}
			got := ""
			for _, k := range keys {
				if seen[k.ID] {
					got += " " + k.ID
				}
			}
			if got != " "+want[i] {
				t.Errorf("coverage %d, model %s: %s serve, want %s", cover, model, got, want[i])
			}
		}
		b.pass(1)
		seen := map[string]bool{}
		for range 6 {
			seen[b.use(Outcome{})] = true
		}
		if len(seen) != 3 {
			t.Errorf("coverage %d: after a week %v serve", cover, seen)
		}
	}
}

// pitfall 14: the earliest recovery of all.
func TestUnavailable(t *testing.T) {
	b := newBench(t, manyKeys(3))
	for id, o := range map[string]Outcome{"k0": {Class: RateLimited, RetryAfter: time.Minute}, "k1": {Class: RateLimited, RetryAfter: 20 * time.Second}, "k2": {Class: Unauthorized}} {
		b.useFor(Scope{Provider: "p", Model: "m", Owner: id}, o)
	}
	_, _, err := b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "m"})
	var u *UnavailableError
	if !errors.As(err, &u) || u.RetryAfter != 20*time.Second || u.Reason != RateLimited || u.Keys != 3 || u.Tried != 0 || u.Provider != "p" {
		t.Fatalf("got %+v", err)
	}
	_, _, err = b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "m", Exclude: []string{"k1"}})
	if !errors.As(err, &u) || u.RetryAfter != 20*time.Second || u.Tried != 1 { // whoever comes back excludes nothing
		t.Fatalf("got %+v", err)
	}
	_, _, err = b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "m", Exclude: []string{"k0", "k1", "k2"}})
	if !errors.As(err, &u) || u.RetryAfter != 20*time.Second || u.Tried != 3 {
		t.Fatalf("got %+v", err)
	}
}

// pitfall 14: an exchange waits for a key that it has not tried, whatever
// recovers sooner.
func TestWaitForUntriedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Static(map[string][]Key{"p": manyKeys(2)}), WithWait(5*time.Second))
		for id, d := range map[string]time.Duration{"k0": time.Second, "k1": 3 * time.Second} {
			_, done, err := p.Acquire(context.Background(), Scope{Provider: "p", Model: "m", Owner: id})
			if err != nil {
				t.Fatal(err)
			}
			done(Outcome{Class: RateLimited, RetryAfter: d})
		}
		start := time.Now()
		k, done, err := p.Acquire(context.Background(), Scope{Provider: "p", Model: "m", Exclude: []string{"k0"}})
		if err != nil || k.ID != "k1" || time.Since(start) != 3*time.Second {
			t.Fatalf("%s after %v: %v", k.ID, time.Since(start), err)
		}
		done(Outcome{})
	})
}

// pitfall 14: a bounded wait, in virtual time.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Static(map[string][]Key{"p": manyKeys(1)}), WithWait(5*time.Second))
		s := Scope{Provider: "p", Model: "m"}
		limitFor := func(d time.Duration) {
			_, done, err := p.Acquire(context.Background(), s)
			if err != nil {
				t.Fatal(err)
			}
			done(Outcome{Class: RateLimited, RetryAfter: d})
		}
		limitFor(3 * time.Second)
		start := time.Now()
		_, done, err := p.Acquire(context.Background(), s)
		if err != nil || time.Since(start) != 3*time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		done(Outcome{})

		limitFor(6 * time.Second)
		start = time.Now()
		if _, _, err := p.Acquire(context.Background(), s); err == nil || time.Since(start) != 0 {
			t.Errorf("a wait that cannot help took %v: %v", time.Since(start), err)
		}
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start = time.Now()
		if _, _, err := p.Acquire(ctx, s); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the caller's deadline: %v after %v", err, time.Since(start))
		}
	})
}

// Faults of the target are counted against it, and pass.
func TestTarget(t *testing.T) {
	b := newBench(t, manyKeys(2))
	for range 3 {
		b.use(Outcome{Class: TargetFault, Status: 529})
	}
	if s := b.p.Target("p", "m"); s.Faults != 3 || s.Streak != 1 || s.Wait != time.Second {
		t.Errorf("got %+v", s)
	}
	b.pass(time.Second)
	b.use(Outcome{Class: TargetFault, Status: 503})
	if s := b.p.Target("p", "m"); s.Streak != 2 || s.Wait != 2*time.Second {
		t.Errorf("got %+v", s)
	}
	b.use(Outcome{})
	if s := b.p.Target("p", "m"); s.Streak != 0 {
		t.Errorf("after a success: %+v", s)
	}
	if s := b.p.Target("p", "other"); s != (TargetState{}) {
		t.Errorf("another model: %+v", s)
	}
}

// A key whose limit is used up rests: it serves only when no other can, before
// its provider refuses it.
func TestRest(t *testing.T) {
	b := newBench(t, manyKeys(2))
	spent := Outcome{Requests: Headroom{Known: true, Remaining: 0, Limit: 10, Reset: time.Minute}}
	if got := b.use(spent); got != "k0" {
		t.Fatal(got)
	}
	for range 5 {
		if got := b.use(Outcome{}); got != "k1" {
			t.Errorf("%s was used while k1 had headroom", got)
		}
	}
	b.use(Outcome{Class: RateLimited, RetryAfter: time.Minute})
	if got := b.use(Outcome{}); got != "k0" {
		t.Errorf("got %s", got)
	}
	b.pass(time.Minute)
	seen := map[string]bool{b.use(Outcome{}): true, b.use(Outcome{}): true}
	if len(seen) != 2 {
		t.Errorf("after the reset: %v", seen)
	}
}

func TestSnapshot(t *testing.T) {
	b := newBench(t, []Key{{ID: "a", Secret: NewSecret("sk-0123456789abcdef")}, {Secret: NewSecret("sk-other-0123456789")}})
	b.use(Outcome{Class: RateLimited, RetryAfter: time.Minute})
	b.use(Outcome{Class: Unauthorized})
	_, done, err := b.p.Acquire(context.Background(), Scope{Provider: "p", Model: "vendor/x"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.p.Snapshot(context.Background(), "p")
	done(Outcome{})
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	until := newFake().t.Add(time.Minute)
	if a := got[0]; a.ID != "a" || a.Hint != "sk-…cdef" || a.State != "healthy" || a.InFlight != 1 || a.Acquired != 2 || a.Outcomes["rate_limited"] != 1 ||
		len(a.Models) != 1 || a.Models[0] != (ModelState{"m", "rate_limited", until}) || a.LastUse.IsZero() {
		t.Errorf("got %+v", a)
	}
	if k := got[1]; k.Index != 1 || k.State != "unauthorized" || !k.Until.Equal(newFake().t.Add(10*time.Minute)) || len(k.ID) != len("k_12345678") {
		t.Errorf("got %+v", k)
	}
	if out := fmt.Sprintf("%+v", got); containsAny(out, "0123456789") {
		t.Errorf("a secret shows: %s", out)
	}
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		for i := range len(s) - len(p) + 1 {
			if s[i:i+len(p)] == p {
				return true
			}
		}
	}
	return false
}
