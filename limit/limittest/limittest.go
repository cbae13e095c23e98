// Package limittest holds implementations of limit.Store to their contract.
package limittest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/price"
)

// noon is far from a day's end.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a clock that stands still until it is moved.
type clock struct{ ms atomic.Int64 }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.ms.Store(at.UnixMilli())
	return c
}

func (c *clock) now() time.Time      { return time.UnixMilli(c.ms.Load()) }
func (c *clock) add(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// TestStore checks the contract of limit.Store. The function returns a store
// without any state that goes by the clock; it is called once per part.
func TestStore(t *testing.T, newStore func(t *testing.T, now func() time.Time) limit.Store) {
	t.Run("arithmetic", func(t *testing.T) { testArithmetic(t, newStore) })
	t.Run("no overshoot", func(t *testing.T) { testNoOvershoot(t, newStore) })
	t.Run("principals", func(t *testing.T) { testPrincipals(t, newStore) })
	t.Run("a context that has ended", func(t *testing.T) {
		c := newClock(noon)
		s := newStore(t, c.now)
		if _, ok := s.(*limit.Memory); ok {
			t.Skip("a Memory has nothing to wait for")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := s.Take(ctx, "p", limit.Limits{Requests: 1}, limit.Amounts{Requests: 1}); err == nil {
			t.Error("Take succeeds")
		}
		if err := s.Settle(ctx, "p", limit.Limits{Requests: 1}, 0, limit.Amounts{Requests: 1}); err == nil {
			t.Error("Settle succeeds")
		}
	})
}

// testArithmetic holds a store to limit.State, over calls of all sizes at all
// distances of time.
func testArithmetic(t *testing.T, newStore func(t *testing.T, now func() time.Time) limit.Store) {
	r := rand.New(rand.NewPCG(4, 3))
	c := newClock(noon)
	s := newStore(t, c.now)
	ctx := t.Context()
	sizes := []int64{0, 1, 7, 60, 1000, 99_991, 1 << 36}
	steps := []time.Duration{0, 0, time.Millisecond, 17 * time.Millisecond, time.Second, time.Minute, 5 * time.Hour, 40 * 24 * time.Hour, -time.Second}
	of := func(limit int64) int64 { // an amount of something that has a limit
		if limit <= 0 {
			return 0
		}
		return r.Int64N(limit + 1)
	}
	for principal := range 20 {
		var want limit.State
		l := limit.Limits{Requests: sizes[r.IntN(len(sizes))], Tokens: sizes[r.IntN(len(sizes))], Money: price.USD(sizes[r.IntN(len(sizes))])}
		name := fmt.Sprint("principal ", principal)
		if principal == 0 {
			l, name = limit.Limits{Requests: -1, Tokens: 5}, "it's \"a\" \\ 名 "+string([]byte{0xff, 0})
		}
		if principal == 1 {
			l, name = limit.Limits{Requests: 5, Tokens: 1 << 36, Money: 1 << 52}, ""
		}
		for range 60 {
			c.add(steps[r.IntN(len(steps))])
			if r.IntN(2) == 0 {
				amounts := limit.Amounts{Requests: min(of(l.Requests), 2), Tokens: of(l.Tokens), Money: price.USD(of(int64(l.Money)))}
				wantOK := want.Take(c.now(), l, amounts)
				got, ok, err := s.Take(ctx, name, l, amounts)
				if err != nil || ok != wantOK || got != want {
					t.Fatalf("%q: Take %+v of %+v at %v:\n%+v %t %v, want\n%+v %t", name, amounts, l, c.now(), got, ok, err, want, wantOK)
				}
				continue
			}
			delta := limit.Amounts{Requests: of(2*l.Requests) - l.Requests, Tokens: of(2*l.Tokens) - l.Tokens, Money: price.USD(of(int64(l.Money))) - l.Money/2}
			if l.Requests < 0 {
				delta.Requests = 0
			}
			day := want.Day - int64(r.IntN(2))
			want.Settle(c.now(), l, day, delta)
			if err := s.Settle(ctx, name, l, day, delta); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// testNoOvershoot has 64 goroutines take, give back and take again at the
// limit, while time stands still: what was taken and not given back is the
// limit to the unit, neither more nor less.
func testNoOvershoot(t *testing.T, newStore func(t *testing.T, now func() time.Time) limit.Store) { // pitfall 43
	c := newClock(noon)
	s := newStore(t, c.now)
	ctx := t.Context()
	l := limit.Limits{Requests: 1000, Tokens: 777, Money: 900}
	var kept, took atomic.Int64
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for range 20 {
				state, ok, err := s.Take(ctx, "p", l, limit.Amounts{Requests: 1, Tokens: 7, Money: 8})
				if err != nil {
					t.Error(err)
					return
				}
				if !ok {
					return
				}
				took.Add(1)
				if g%2 == 0 { // it used nothing
					if err := s.Settle(ctx, "p", l, state.Day, limit.Amounts{Requests: -1, Tokens: -7, Money: -8}); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				kept.Add(1)
			}
		})
	}
	wg.Wait()
	if n := kept.Load(); n > 111 {
		t.Errorf("%d requests of 7 tokens passed a limit of 777", n)
	}
	// There is room for the rest, and no more.
	for range 111 - kept.Load() {
		if _, ok, err := s.Take(ctx, "p", l, limit.Amounts{Requests: 1, Tokens: 7, Money: 8}); !ok || err != nil {
			t.Fatalf("refused although there is room: %v", err)
		}
	}
	state, ok, err := s.Take(ctx, "p", l, limit.Amounts{Tokens: 1})
	if ok || err != nil || state.Tokens != 777*60_000 || state.Money != 888 || state.Requests != 111*60_000 {
		t.Errorf("at the end: %+v %t %v", state, ok, err)
	}
	t.Logf("%d were taken, %d kept while they raced", took.Load(), kept.Load())
	// What the minute brings back is there to the unit.
	c.add(time.Second)
	n := 0
	for range 20 {
		if _, ok, _ := s.Take(ctx, "p", l, limit.Amounts{Tokens: 1}); ok {
			n++
		}
	}
	if n != 12 { // 777/60 = 12.95
		t.Errorf("a second brings back %d tokens, want 12", n)
	}
}

func testPrincipals(t *testing.T, newStore func(t *testing.T, now func() time.Time) limit.Store) {
	c := newClock(noon)
	s := newStore(t, c.now)
	l := limit.Limits{Requests: 1}
	long := string(make([]byte, 10_000))
	for _, name := range []string{"a", "A", "a ", " a", "á", "", "{a}", long + "1", long + "2"} {
		for i, want := range []bool{true, false} {
			if _, ok, err := s.Take(t.Context(), name, l, limit.Amounts{Requests: 1}); ok != want || err != nil {
				t.Errorf("%.20q, request %d: %t %v", name, i, ok, err)
			}
		}
	}
}
