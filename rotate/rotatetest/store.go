package rotatetest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// TestStore checks the contract of rotate.Store. The function makes a store that
// holds the given keys; a store that cannot hold every field of them fails.
func TestStore(t *testing.T, newStore func(t *testing.T, keys map[string][]rotate.Key) rotate.Store) {
	want := []rotate.Key{
		{ID: "a", Secret: rotate.NewSecret("s-a"), Weight: 3, QuotaGroup: "g"},
		{ID: "b", Secret: rotate.NewSecret("s-b"), Models: []string{"gpt-*", "vendor/model"}},
		{ID: "c", Secret: rotate.NewSecret("s-c")},
	}
	store := newStore(t, map[string][]rotate.Key{"p": want, "q": want[:1]})
	ctx := context.Background()

	t.Run("every field, in order", func(t *testing.T) {
		got, err := store.Keys(ctx, "p")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("got %d keys, want %d", len(got), len(want))
		}
		for i, k := range got {
			w := want[i]
			if k.ID != w.ID || !k.Secret.Equal(w.Secret) || max(k.Weight, 1) != max(w.Weight, 1) || k.QuotaGroup != w.QuotaGroup ||
				!slices.Equal(k.Models, w.Models) || (k.Models == nil) != (w.Models == nil) {
				t.Errorf("key %d is %+v, want %+v (or its secret differs)", i, k, w)
			}
		}
	})
	t.Run("no keys and no error for an unknown provider", func(t *testing.T) {
		if got, err := store.Keys(ctx, "nobody"); len(got) != 0 || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("the same answer again, concurrently", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				got, err := store.Keys(ctx, "p")
				if err != nil || len(got) != 3 || got[0].ID != "a" || got[2].ID != "c" {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("serves a pool", func(t *testing.T) {
		pool := rotate.NewPool(store)
		for _, id := range []string{"a", "b", "c", "a"} {
			if got := acquire(t, pool, rotate.Scope{Provider: "p", Model: "gpt-4"}, rotate.Outcome{}); got != id {
				t.Errorf("got %s, want %s", got, id)
			}
		}
	})
}
