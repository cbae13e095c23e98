package llmproxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Concurrency bounds the requests under way. A zero field has no bound.
type Concurrency struct {
	Total       int64 `validate:"gte=0"` // requests under way in all
	PerProvider int64 `validate:"gte=0"` // attempts under way at one provider
	// Queue is how many may wait for their turn, in all and at each provider;
	// more are refused with 503 at once. 0: nobody waits.
	Queue int64 `validate:"gte=0"`
	// Wait bounds the waiting; 0 is 10 s.
	Wait time.Duration `validate:"gte=0"`
}

// gate lets a bounded number in. A nil gate lets everybody in.
type gate struct {
	sem     *semaphore.Weighted
	waiting atomic.Int64
	queue   int64
	wait    time.Duration
}

func newGate(n int64, c Concurrency) *gate {
	if n <= 0 {
		return nil
	}
	return &gate{sem: semaphore.NewWeighted(n), queue: c.Queue, wait: c.Wait}
}

// enter takes a place, which leave gives back.
func (g *gate) enter(ctx context.Context) error {
	if g == nil || g.sem.TryAcquire(1) {
		return nil
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		return errBusy(time.Second)
	}
	defer g.waiting.Add(-1)
	wait, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	if g.sem.Acquire(wait, 1) != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errBusy(g.wait)
	}
	return nil
}

func (g *gate) leave() {
	if g != nil {
		g.sem.Release(1)
	}
}

func errBusy(retry time.Duration) error {
	e := translate.Errorf(translate.Overloaded, "too many requests are under way")
	e.RetryAfter = retry
	return e
}

// targetHealth is a KeyRotator that tells how a target does, as rotate.Pool
// can.
type targetHealth interface {
	Target(provider, model string) rotate.TargetState
}

// breaker leaves targets alone that failed several times in a row, until it is
// time to try again; one request at a time then tries.
type breaker struct {
	streak int // faults in a row that open it; 0: never
	health targetHealth
	probes sync.Map // target name → *atomic.Bool: a probe is under way
}

// open reports whether a target has failed too often in a row, and for how long
// it is left alone.
func (b *breaker) open(provider, model string) (rotate.TargetState, bool) {
	if b.streak <= 0 || b.health == nil {
		return rotate.TargetState{}, false
	}
	s := b.health.Target(provider, model)
	return s, s.Streak >= b.streak
}

// enter reports whether the target may be tried; if it may, done must be called
// after.
func (b *breaker) enter(t *target) (done func(), wait time.Duration, ok bool) {
	s, open := b.open(t.provider.Name(), t.model)
	if !open {
		return func() {}, 0, true
	}
	if s.Wait > 0 {
		return nil, s.Wait, false
	}
	v, _ := b.probes.LoadOrStore(t.provider.Name()+"/"+t.model, new(atomic.Bool))
	probing := v.(*atomic.Bool)
	if !probing.CompareAndSwap(false, true) {
		return nil, time.Second, false
	}
	return func() { probing.Store(false) }, 0, true
}

func errOpen(t *target, wait time.Duration) error {
	e := translate.Errorf(translate.Overloaded, "%s has failed several times in a row and is left alone for a while", t.provider.Name())
	e.RetryAfter = wait
	return e
}
