package rotate

import (
	"context"
	"testing"
)

// The common case allocates nothing, with a request's context and many models.
func TestAcquireAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, policy := range map[string]Policy{"round robin": RoundRobin{}, "random": Random{}, "weighted": Weighted{},
		"least in flight": LeastInFlight{}, "most headroom": MostHeadroom{}, "affinity": Affinity{}} {
		p := NewPool(Static(map[string][]Key{"p": manyKeys(100)}), WithPolicy(policy))
		s := Scope{Provider: "p", Model: "m", Affinity: "conversation"}
		if n := testing.AllocsPerRun(1000, func() {
			_, done, err := p.Acquire(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			done(Outcome{})
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
