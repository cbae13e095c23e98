// Package rotatetest holds conformance tests for the interfaces of package
// rotate: run them over an implementation of your own.
package rotatetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// Keys returns n keys with the IDs "key-0", "key-1" and so on.
func Keys(n int) []rotate.Key {
	keys := make([]rotate.Key, n)
	for i := range keys {
		keys[i] = rotate.Key{ID: fmt.Sprintf("key-%d", i), Secret: rotate.NewSecret(fmt.Sprintf("secret-%d", i)), Index: i}
	}
	return keys
}

// TestRotator checks the contract of rotate.KeyRotator. The function makes a
// fresh rotator over the store, strictly round robin, that does not wait. The
// parts run one after the other, each over a provider of its own, so that
// rotators may share an engine.
func TestRotator(t *testing.T, newRotator func(t *testing.T, store rotate.Store) rotate.KeyRotator) {
	for i, part := range []struct {
		name string
		keys []rotate.Key
		test func(t *testing.T, r rotate.KeyRotator, provider string)
	}{
		{"strictly in turn, concurrently", Keys(3), inTurn},
		{"excluded keys are skipped, evenly", Keys(4), skipsExcluded},
		{"a limited key is left alone for its model", Keys(3), coolsModel},
		{"a bad key is left alone for every model", Keys(2), coolsKey},
		{"what is not the key's fault leaves it alone", Keys(1), sparesKey},
		{"all cooling", Keys(2), allCooling},
		{"a quota group cools as one", grouped(), coolsGroup},
		{"allow-lists", listed(), allowLists},
		{"selection", Keys(4), selects},
		{"the owner wins while it can serve", Keys(3), ownerWins},
		{"no keys", nil, noKeys},
		{"a canceled context", Keys(1), canceled},
	} {
		t.Run(part.name, func(t *testing.T) {
			provider := fmt.Sprintf("conformance-%d", i)
			r := newRotator(t, rotate.Static(map[string][]rotate.Key{provider: part.keys}))
			part.test(t, r, provider)
		})
	}
}

func acquire(t *testing.T, r rotate.KeyRotator, s rotate.Scope, o rotate.Outcome) string {
	t.Helper()
	k, done, err := r.Acquire(context.Background(), s)
	if err != nil {
		t.Fatalf("Acquire(%+v): %v", s, err)
	}
	done(o)
	return k.ID
}

func tally(t *testing.T, r rotate.KeyRotator, s rotate.Scope, n int) map[string]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string]int{}
	for range n {
		wg.Go(func() {
			k, done, err := r.Acquire(context.Background(), s)
			if err != nil {
				t.Errorf("Acquire(%+v): %v", s, err)
				return
			}
			defer done(rotate.Outcome{})
			mu.Lock()
			defer mu.Unlock()
			got[k.ID]++
		})
	}
	wg.Wait()
	return got
}

func wantEach(t *testing.T, got map[string]int, n int, ids ...string) {
	t.Helper()
	if len(got) != len(ids) {
		t.Errorf("used %v, want %v only", got, ids)
	}
	for _, id := range ids {
		if got[id] != n {
			t.Errorf("%s was used %d times, want %d", id, got[id], n)
		}
	}
}

func inTurn(t *testing.T, r rotate.KeyRotator, p string) {
	wantEach(t, tally(t, r, rotate.Scope{Provider: p, Model: "m"}, 300), 100, "key-0", "key-1", "key-2")
}

func skipsExcluded(t *testing.T, r rotate.KeyRotator, p string) {
	s := rotate.Scope{Provider: p, Model: "m", Exclude: []string{"key-1"}}
	wantEach(t, tally(t, r, s, 300), 100, "key-0", "key-2", "key-3")
	s.Exclude = []string{"key-0", "key-1", "key-2", "key-3"}
	_, _, err := r.Acquire(context.Background(), s)
	var u *rotate.UnavailableError
	if !errors.As(err, &u) || u.Tried != u.Keys {
		t.Errorf("with every key tried: %v", err)
	}
}

var limited = rotate.Outcome{Class: rotate.RateLimited, Status: 429, RetryAfter: 3600e9}

func coolsModel(t *testing.T, r rotate.KeyRotator, p string) {
	s := rotate.Scope{Provider: p, Model: "m"}
	bad := acquire(t, r, s, limited)
	got := tally(t, r, s, 200)
	if got[bad] != 0 {
		t.Errorf("%s was used %d times while it cooled", bad, got[bad])
	}
	for id, n := range got {
		if n != 100 {
			t.Errorf("%s was used %d times, want 100", id, n)
		}
	}
	s.Model = "other"
	if got := tally(t, r, s, 30); got[bad] != 10 {
		t.Errorf("for another model %s was used %d times, want 10", bad, got[bad])
	}
}

func coolsKey(t *testing.T, r rotate.KeyRotator, p string) {
	s := rotate.Scope{Provider: p, Model: "m"}
	bad := acquire(t, r, s, rotate.Outcome{Class: rotate.Unauthorized, Status: 401})
	s.Model = "other"
	if got := tally(t, r, s, 10); got[bad] != 0 {
		t.Errorf("%s was used for another model", bad)
	}
}

func sparesKey(t *testing.T, r rotate.KeyRotator, p string) {
	s := rotate.Scope{Provider: p, Model: "m"}
	for _, c := range []rotate.Class{rotate.Success, rotate.Canceled, rotate.ClientFault, rotate.TargetFault, rotate.Forbidden} {
		acquire(t, r, s, rotate.Outcome{Class: c})
	}
	acquire(t, r, s, rotate.Outcome{})
}

func allCooling(t *testing.T, r rotate.KeyRotator, p string) {
	s := rotate.Scope{Provider: p, Model: "m"}
	acquire(t, r, s, limited)
	acquire(t, r, s, rotate.Outcome{Class: rotate.RateLimited, RetryAfter: 1800e9})
	_, _, err := r.Acquire(context.Background(), s)
	var u *rotate.UnavailableError
	if !errors.As(err, &u) {
		t.Fatalf("got %v, want an UnavailableError", err)
	}
	if d := u.RetryAfter.Seconds(); d < 1700 || d > 1810 {
		t.Errorf("RetryAfter is %v, want the earliest recovery, 30m", u.RetryAfter)
	}
}

func grouped() []rotate.Key {
	keys := Keys(3)
	keys[0].QuotaGroup, keys[1].QuotaGroup = "project", "project"
	return keys
}

func coolsGroup(t *testing.T, r rotate.KeyRotator, p string) {
	s := rotate.Scope{Provider: p, Model: "m", Select: rotate.SelectKeys(0, 0)}
	acquire(t, r, s, limited)
	s.Select = rotate.Selection{}
	wantEach(t, tally(t, r, s, 6), 6, "key-2")
	s.Model = "other"
	wantEach(t, tally(t, r, s, 6), 2, "key-0", "key-1", "key-2")
	s.Select = rotate.SelectKeys(0, 0)
	acquire(t, r, s, rotate.Outcome{Class: rotate.Unauthorized})
	s.Select = rotate.Selection{}
	wantEach(t, tally(t, r, s, 6), 3, "key-1", "key-2") // a bad key says nothing of its group
}

func listed() []rotate.Key {
	keys := Keys(3)
	keys[0].Models = []string{"gpt-4o*"}
	keys[1].Models = []string{"vendor/*", "gpt-4o-mini"}
	keys[2].Models = []string{}
	return keys
}

func allowLists(t *testing.T, r rotate.KeyRotator, p string) {
	wantEach(t, tally(t, r, rotate.Scope{Provider: p, Model: "gpt-4o-mini"}, 6), 3, "key-0", "key-1")
	wantEach(t, tally(t, r, rotate.Scope{Provider: p, Model: "vendor/x"}, 6), 6, "key-1")
	if _, _, err := r.Acquire(context.Background(), rotate.Scope{Provider: p, Model: "claude"}); !errors.Is(err, rotate.ErrNoKeys) {
		t.Errorf("got %v, want ErrNoKeys", err)
	}
}

func selects(t *testing.T, r rotate.KeyRotator, p string) {
	wantEach(t, tally(t, r, rotate.Scope{Provider: p, Select: rotate.SelectKeys(1, 2)}, 6), 3, "key-1", "key-2")
	wantEach(t, tally(t, r, rotate.Scope{Provider: p, Select: rotate.SelectKeys(3, -1)}, 6), 6, "key-3")
	_, _, err := r.Acquire(context.Background(), rotate.Scope{Provider: p, Select: rotate.SelectKeys(2, 4)})
	var e *rotate.SelectionError
	if !errors.As(err, &e) || e.Keys != 4 {
		t.Errorf("got %v, want a SelectionError that knows of 4 keys", err)
	}
}

func ownerWins(t *testing.T, r rotate.KeyRotator, p string) {
	s := rotate.Scope{Provider: p, Model: "m", Owner: "key-1"}
	wantEach(t, tally(t, r, s, 9), 9, "key-1")
	acquire(t, r, s, limited)
	if got := acquire(t, r, s, rotate.Outcome{}); got == "key-1" {
		t.Error("the owner was used while it cooled")
	}
	s.Owner = "gone"
	acquire(t, r, s, rotate.Outcome{})
	s.Owner, s.Exclude = "key-0", []string{"key-0"}
	if got := acquire(t, r, s, rotate.Outcome{}); got == "key-0" {
		t.Error("the owner was used although it was excluded")
	}
}

func noKeys(t *testing.T, r rotate.KeyRotator, p string) {
	if _, _, err := r.Acquire(context.Background(), rotate.Scope{Provider: p, Model: "m"}); !errors.Is(err, rotate.ErrNoKeys) {
		t.Errorf("got %v, want ErrNoKeys", err)
	}
}

func canceled(t *testing.T, r rotate.KeyRotator, p string) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := r.Acquire(ctx, rotate.Scope{Provider: p, Model: "m"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
