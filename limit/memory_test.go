package limit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/limit/limittest"
)

func TestMemory(t *testing.T) {
	limittest.TestStore(t, func(_ *testing.T, now func() time.Time) limit.Store { return limit.NewMemory(now) })
}

// A principal is forgotten when nothing is lost by it, and not before.
func TestMemoryForgets(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := limit.NewMemory(func() time.Time { return now })
	budget := limit.Limits{Requests: 10, Money: 100}
	if _, ok, _ := m.Take(t.Context(), "spender", budget, limit.Amounts{Requests: 1, Money: 60}); !ok {
		t.Fatal("refused")
	}
	for i := range 10_000 {
		m.Take(t.Context(), fmt.Sprint("passer-by ", i), limit.Limits{Requests: 60}, limit.Amounts{Requests: 1})
		now = now.Add(100 * time.Millisecond)
	}
	if n := m.Len(); n > 100 {
		t.Errorf("%d principals are remembered", n)
	}
	if _, ok, _ := m.Take(t.Context(), "spender", budget, limit.Amounts{Requests: 1, Money: 60}); ok {
		t.Error("who had spent money was forgotten before the day was over")
	}
	now = now.Add(12 * time.Hour)
	if _, ok, _ := m.Take(t.Context(), "spender", budget, limit.Amounts{Requests: 1, Money: 60}); !ok {
		t.Error("refused on the next day")
	}
}
