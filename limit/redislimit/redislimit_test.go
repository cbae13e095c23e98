package redislimit

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/limit/limittest"
)

func store(t testing.TB, opts ...Option) *Store {
	t.Helper()
	url := os.Getenv("REDIS_URL")
	if url == "" {
		t.Skip("REDIS_URL is unset: nothing runs over Redis")
	}
	s, err := Open(url, append(opts, WithPrefix(fmt.Sprintf("test-%x:", time.Now().UnixNano())))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	limittest.TestStore(t, func(t *testing.T, now func() time.Time) limit.Store { return store(t, WithClock(now)) })
}

// Keys go when they mean nothing more: what was taken has flown back, and the
// day of the money is over.
func TestKeysExpire(t *testing.T) {
	s := store(t)
	ttl := func(principal string) time.Duration {
		t.Helper()
		d, err := s.client.PTTL(t.Context(), s.prefix+principal).Result()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if _, ok, err := s.Take(t.Context(), "half", limit.Limits{Tokens: 100}, limit.Amounts{Tokens: 50}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if d := ttl("half"); d <= 0 || d > 31*time.Second {
		t.Errorf("half a minute's worth is kept for %v", d)
	}
	state, ok, err := s.Take(t.Context(), "spent", limit.Limits{Money: 100}, limit.Amounts{Money: 50})
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if d, most := ttl("spent"), time.UnixMilli((state.Day+1)*24*60*60*1000).Sub(time.UnixMilli(state.At))+time.Second; d <= 0 || d > most {
		t.Errorf("a day's money is kept for %v, want at most %v", d, most)
	}
	if err := s.Settle(t.Context(), "spent", limit.Limits{Money: 100}, state.Day, limit.Amounts{Money: -50}); err != nil {
		t.Fatal(err)
	}
	if d := ttl("spent"); d > time.Second {
		t.Errorf("no money is kept for %v", d)
	}
}

func TestNew(t *testing.T) {
	if _, err := New(nil); err == nil {
		t.Error("no client is accepted")
	}
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	if _, err := New(client); err == nil {
		t.Error("a client without ContextTimeoutEnabled is accepted")
	}
	if _, err := Open("http://nowhere"); err == nil {
		t.Error("a wrong URL is accepted")
	}
}

func TestDown(t *testing.T) {
	s, err := Open("redis://127.0.0.1:1/0?max_retries=-1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, ok, err := s.Take(t.Context(), "p", limit.Limits{Requests: 1}, limit.Amounts{Requests: 1}); ok || err == nil {
		t.Errorf("Take: %t %v", ok, err)
	}
}
