package limit

import (
	"fmt"
	"testing"
	"time"
)

// Beyond its bound a Memory forgets also who has something to lose.
func TestMemoryIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := NewMemory(func() time.Time { return now })
	m.most = 50
	for i := range 1000 {
		if _, _, err := m.Take(t.Context(), fmt.Sprint(i), Limits{Money: 10}, Amounts{Money: 5}); err != nil {
			t.Fatal(err)
		}
		if n := m.Len(); n > 50 {
			t.Fatalf("%d principals are remembered", n)
		}
	}
	if n := m.Len(); n < 40 {
		t.Errorf("only %d principals are remembered", n)
	}
}

// A clock that goes back neither gives nor takes.
func TestClockGoesBack(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 1, 0, time.UTC)
	l := Limits{Tokens: 60, Money: 10}
	var s State
	if !s.Take(now, l, Amounts{Tokens: 60, Money: 10}) {
		t.Fatal("refused")
	}
	was := s
	for _, back := range []time.Duration{time.Millisecond, time.Second, time.Minute, 24 * time.Hour} {
		if s.Take(now.Add(-back), l, Amounts{Tokens: 1, Money: 1}) || s != was {
			t.Fatalf("%v back: %+v, was %+v", back, s, was)
		}
	}
	if now = now.Add(time.Second); !s.Take(now, l, Amounts{Tokens: 1}) {
		t.Error("a second later there is no room for a token")
	}
}
