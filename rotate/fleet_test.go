package rotate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

var anyScope = rotate.Scope{Provider: "p", Model: "m"}

func use(t *testing.T, p *rotate.Pool, o rotate.Outcome) string {
	t.Helper()
	k, done, err := p.Acquire(context.Background(), anyScope)
	if err != nil {
		t.Fatal(err)
	}
	done(o)
	return k.ID
}

func fleetPool(s rotate.Shared, opts ...rotate.PoolOption) *rotate.Pool {
	return rotate.NewPool(rotate.Static(map[string][]rotate.Key{"p": rotatetest.Keys(3)}), append([]rotate.PoolOption{rotate.WithShared(s)}, opts...)...)
}

// hanging answers nobody before the context ends.
type hanging struct {
	rotate.Shared
	hangs bool
}

func (h *hanging) Next(ctx context.Context, ask rotate.Ask) (rotate.Turn, error) {
	if h.hangs {
		<-ctx.Done()
		return rotate.Turn{}, ctx.Err()
	}
	return h.Shared.Next(ctx, ask)
}

// An engine that hangs costs one request 50 ms; the others go on at once.
func TestSlowEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []rotate.EventKind
		engine := &hanging{Shared: rotatetest.NewMemory(nil), hangs: true}
		p := fleetPool(engine, rotate.WithEvents(func(e rotate.Event) { events = append(events, e.Kind) }))
		start := time.Now()
		for range 100 {
			use(t, p, rotate.Outcome{})
		}
		if d := time.Since(start); d != 50*time.Millisecond {
			t.Errorf("100 requests took %v", d)
		}
		// A caller that leaves is not the engine's fault.
		engine.hangs = false
		time.Sleep(time.Second)
		use(t, p, rotate.Outcome{})
		engine.hangs = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, _, err := p.Acquire(ctx, anyScope); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if len(events) != 2 || events[0] != rotate.SharedLost || events[1] != rotate.SharedRecovered {
			t.Errorf("got %v", events)
		}
	})
}

func TestEngineFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := rotatetest.NewMemory(nil)
		a, b := fleetPool(engine), fleetPool(engine)
		refuses := fleetPool(engine, rotate.WithRefusal())
		use(t, a, rotate.Outcome{})
		use(t, b, rotate.Outcome{})
		down := errors.New("down")
		engine.Fail(down)
		got := map[string]int{}
		for range 9 {
			got[use(t, a, rotate.Outcome{})]++
		}
		if got["key-0"] != 3 || got["key-1"] != 3 || got["key-2"] != 3 {
			t.Errorf("on its own the pool is not in turn: %v", got)
		}
		bad := use(t, a, rotate.Outcome{Class: rotate.RateLimited, RetryAfter: time.Hour})
		var refusal *rotate.SharedError
		for range 3 {
			if _, _, err := refuses.Acquire(context.Background(), anyScope); !errors.As(err, &refusal) || !errors.Is(err, down) {
				t.Errorf("got %v", err)
			}
		}
		engine.Fail(nil)
		time.Sleep(time.Second)
		use(t, a, rotate.Outcome{}) // finds it again, and tells
		for range 6 {
			if use(t, b, rotate.Outcome{}) == bad {
				t.Errorf("what was learned meanwhile is lost: %s is used", bad)
			}
		}
		// An engine that comes back empty is told again by those who know.
		engine.Forget()
		use(t, a, rotate.Outcome{})
		c := fleetPool(engine)
		for range 6 {
			if use(t, c, rotate.Outcome{}) == bad {
				t.Errorf("a new process uses %s", bad)
			}
		}
	})
}

func TestBlocks(t *testing.T) {
	engine := rotatetest.NewMemory(nil)
	pools := []*rotate.Pool{fleetPool(engine, rotate.WithBlocks(30)), fleetPool(engine, rotate.WithBlocks(30))}
	got := map[string]int{}
	for i := range 300 {
		got[use(t, pools[i%2], rotate.Outcome{})]++
	}
	for id, n := range got {
		if n != 100 {
			t.Errorf("%s was used %d times, want 100", id, n)
		}
	}
	if n := engine.Trips(); n != 10 {
		t.Errorf("%d trips, want 10", n)
	}
}
