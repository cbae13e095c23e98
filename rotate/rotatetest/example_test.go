package rotatetest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

// vault is a store of one's own.
type vault map[string][]rotate.Key

func (v vault) Keys(_ context.Context, provider string) ([]rotate.Key, error) {
	return v[provider], nil
}

// In the test of a store: func TestVault(t *testing.T).
func ExampleTestStore() {
	_ = func(t *testing.T) {
		rotatetest.TestStore(t, func(_ *testing.T, keys map[string][]rotate.Key) rotate.Store { return vault(keys) })
	}
}

// A fleet within one process, for tests of what shares a pool.
func ExampleMemory() {
	engine := rotatetest.NewMemory(nil)
	store := vault{"openai": rotatetest.Keys(3)}
	first, second := rotate.NewPool(store, rotate.WithShared(engine)), rotate.NewPool(store, rotate.WithShared(engine))
	for _, pool := range []*rotate.Pool{first, second, first} {
		key, done, err := pool.Acquire(context.Background(), rotate.Scope{Provider: "openai"})
		if err != nil {
			panic(err)
		}
		fmt.Println(key.ID)
		done(rotate.Outcome{})
	}
	// Output:
	// key-0
	// key-1
	// key-2
}
