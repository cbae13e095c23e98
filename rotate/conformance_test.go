package rotate_test

import (
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

func TestPoolConforms(t *testing.T) {
	rotatetest.TestRotator(t, func(t *testing.T, store rotate.Store) rotate.KeyRotator { return rotate.NewPool(store) })
}

func TestStaticConforms(t *testing.T) {
	rotatetest.TestStore(t, func(t *testing.T, keys map[string][]rotate.Key) rotate.Store { return rotate.Static(keys) })
}

func TestSharedConforms(t *testing.T) {
	rotatetest.TestShared(t, func(t *testing.T) rotate.Shared { return rotatetest.NewMemory(nil) })
}
