package limittest_test

import (
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/limit/limittest"
)

// In the test of a store of one's own: func TestConformance(t *testing.T).
func ExampleTestStore() {
	_ = func(t *testing.T) {
		limittest.TestStore(t, func(_ *testing.T, now func() time.Time) limit.Store { return limit.NewMemory(now) })
	}
}
