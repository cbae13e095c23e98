package rotatetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// maxRounding is how much longer than it was published a cooldown may be, where
// the engine reads its clock in whole milliseconds.
const maxRounding = 2 * time.Millisecond

// TestShared checks the contract of rotate.Shared, and runs TestRotator over
// pools that share it. The function returns an engine without any state; it is
// called once per part.
func TestShared(t *testing.T, newShared func(t *testing.T) rotate.Shared) {
	ctx := context.Background()
	next := func(t *testing.T, s rotate.Shared, ask rotate.Ask) rotate.Turn {
		t.Helper()
		turn, err := s.Next(ctx, ask)
		if err != nil {
			t.Fatal(err)
		}
		return turn
	}
	publish := func(t *testing.T, s rotate.Shared, list ...rotate.Cooldown) {
		t.Helper()
		if err := s.Publish(ctx, "p", list); err != nil {
			t.Fatal(err)
		}
	}
	ask := rotate.Ask{Provider: "p", Counter: "c", N: 1}

	t.Run("every number once", func(t *testing.T) {
		s := newShared(t)
		var mu sync.Mutex
		var got []uint64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 25 {
					turn, err := s.Next(ctx, rotate.Ask{Provider: "p", Counter: "c", N: 3})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					got = append(got, turn.First)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(got)
		for i, n := range got {
			if n != uint64(3*i) {
				t.Fatalf("number %d is %d, want %d", i, n, 3*i)
			}
		}
		if turn := next(t, s, rotate.Ask{Provider: "q", Counter: "c", N: 1}); turn.First != 0 {
			t.Errorf("another provider's counter starts at %d", turn.First)
		}
		if turn := next(t, s, rotate.Ask{Provider: "p", Counter: "d", N: 1}); turn.First != 0 {
			t.Errorf("another counter starts at %d", turn.First)
		}
	})
	t.Run("cooldowns", func(t *testing.T) {
		s := newShared(t)
		if turn := next(t, s, ask); turn.Version != 0 || turn.Cooldowns != nil {
			t.Errorf("before anything is published: %+v", turn)
		}
		publish(t, s, rotate.Cooldown{Cell: "k a %2F m x", For: time.Hour, Class: rotate.RateLimited},
			rotate.Cooldown{Cell: "k a %2F m x", For: time.Minute, Rest: true},
			rotate.Cooldown{Cell: "g b", For: 40 * 24 * time.Hour, Class: rotate.QuotaExhausted})
		first := next(t, s, ask)
		if first.Version <= 0 || len(first.Cooldowns) != 3 {
			t.Fatalf("got %+v", first)
		}
		for _, c := range first.Cooldowns {
			want := rotate.Cooldown{Cell: "k a %2F m x", For: time.Hour, Class: rotate.RateLimited}
			switch {
			case c.Rest:
				want = rotate.Cooldown{Cell: "k a %2F m x", For: time.Minute, Rest: true, Class: c.Class}
			case c.Cell == "g b":
				want = rotate.Cooldown{Cell: "g b", For: 40 * 24 * time.Hour, Class: rotate.QuotaExhausted}
			}
			if want.For-c.For < -maxRounding || want.For-c.For > 10*time.Second {
				t.Errorf("%+v: left is %v, want about %v", c, c.For, want.For)
			}
			if want.For = c.For; c != want {
				t.Errorf("got %+v, want %+v", c, want)
			}
		}
		since := ask
		since.Since = first.Version
		if turn := next(t, s, since); turn.Version != first.Version || turn.Cooldowns != nil {
			t.Errorf("nothing is new, and yet: %+v", turn)
		}
		publish(t, s, rotate.Cooldown{Cell: "k new", For: time.Hour, Class: rotate.Unauthorized})
		second := next(t, s, since)
		if second.Version <= first.Version || len(second.Cooldowns) != 1 || second.Cooldowns[0].Cell != "k new" {
			t.Errorf("one is new, and yet: %+v", second)
		}
		if turn := next(t, s, rotate.Ask{Provider: "p", Counter: "c", N: 1, Since: second.Version + 1}); len(turn.Cooldowns) != 4 {
			t.Errorf("a version that never was brings %+v", turn)
		}
		first, since.Since = second, second.Version
		since.N = 0
		if turn := next(t, s, since); turn.Version != first.Version {
			t.Errorf("without taking a number: %+v", turn)
		}
		if turn := next(t, s, rotate.Ask{Provider: "q", Counter: "c", N: 1}); turn.Version != 0 || len(turn.Cooldowns) != 0 {
			t.Errorf("another provider sees %+v", turn)
		}
	})
	t.Run("not ended early", func(t *testing.T) { // by a clock that is read in whole milliseconds, for one
		s := newShared(t)
		since := ask
		for i := range 100 {
			published := time.Now()
			publish(t, s, rotate.Cooldown{Cell: fmt.Sprint("k ", i), For: time.Hour})
			turn := next(t, s, since)
			since.Since = turn.Version
			for _, c := range turn.Cooldowns {
				if early := time.Hour - time.Since(published) - c.For; early > 0 {
					t.Fatalf("it ends %v early", early)
				}
			}
		}
	})
	t.Run("never shortened", func(t *testing.T) { // pitfall 8
		s := newShared(t)
		publish(t, s, rotate.Cooldown{Cell: "k", For: time.Hour, Class: rotate.RateLimited})
		publish(t, s, rotate.Cooldown{Cell: "k", For: time.Second, Class: rotate.Unauthorized})
		turn := next(t, s, ask)
		if len(turn.Cooldowns) != 1 || turn.Cooldowns[0].For < 59*time.Minute || turn.Cooldowns[0].Class != rotate.RateLimited {
			t.Errorf("got %+v", turn.Cooldowns)
		}
		publish(t, s, rotate.Cooldown{Cell: "k", For: 2 * time.Hour, Class: rotate.QuotaExhausted})
		turn = next(t, s, ask)
		if len(turn.Cooldowns) != 1 || turn.Cooldowns[0].For < 119*time.Minute || turn.Cooldowns[0].Class != rotate.QuotaExhausted {
			t.Errorf("got %+v", turn.Cooldowns)
		}
	})
	t.Run("ended ones are not told", func(t *testing.T) {
		s := newShared(t)
		publish(t, s, rotate.Cooldown{Cell: "short", For: time.Millisecond, Class: rotate.RateLimited}, rotate.Cooldown{Cell: "long", For: time.Hour, Class: rotate.RateLimited})
		deadline := time.Now().Add(5 * time.Second)
		for { // the engine's own clock cannot be faked
			turn := next(t, s, ask)
			if len(turn.Cooldowns) == 1 && turn.Cooldowns[0].Cell == "long" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("got %+v", turn.Cooldowns)
			}
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		s := newShared(t)
		over, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Next(over, ask); err == nil {
			t.Error("Next succeeds")
		}
	})
	t.Run("two pools are one", func(t *testing.T) {
		s := newShared(t)
		store := rotate.Static(map[string][]rotate.Key{"p": Keys(3)})
		pools := []*rotate.Pool{
			rotate.NewPool(store, rotate.WithShared(s), rotate.WithSharedTimeout(5*time.Second)),
			rotate.NewPool(store, rotate.WithShared(s), rotate.WithSharedTimeout(5*time.Second)),
		}
		scope := rotate.Scope{Provider: "p", Model: "m"}
		got := map[string]int{}
		for i := range 30 {
			got[acquire(t, pools[i%2], scope, rotate.Outcome{})]++
		}
		wantEach(t, got, 10, "key-0", "key-1", "key-2")
		bad := acquire(t, pools[0], scope, limited)
		if got := tally(t, pools[1], scope, 20); got[bad] != 0 {
			t.Errorf("%s was used by the other pool %d times", bad, got[bad])
		}
	})
	t.Run("rotator", func(t *testing.T) {
		TestRotator(t, func(t *testing.T, store rotate.Store) rotate.KeyRotator {
			return rotate.NewPool(store, rotate.WithShared(newShared(t)), rotate.WithSharedTimeout(5*time.Second))
		})
	})
}
