package rotate

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func count(b bench, s Scope, n int) map[string]int {
	b.Helper()
	got := map[string]int{}
	for range n {
		got[b.useFor(s, Outcome{})]++
	}
	return got
}

// Each choice of keys is strict for itself, whatever runs between.
func TestRoundRobinPerChoice(t *testing.T) {
	keys := manyKeys(4)
	keys[3].Models = []string{"m"}
	b := newBench(t, keys)
	got := map[string]map[string]int{}
	scopes := map[string]Scope{"m": {Provider: "p", Model: "m"}, "other": {Provider: "p", Model: "other"},
		"1-2": {Provider: "p", Model: "m", Select: SelectKeys(1, 2)}, "without k0": {Provider: "p", Model: "m", Exclude: []string{"k0"}}}
	for range 60 {
		for name, s := range scopes {
			if got[name] == nil {
				got[name] = map[string]int{}
			}
			got[name][b.useFor(s, Outcome{})]++
		}
	}
	for name, want := range map[string]map[string]int{"m": {"k0": 15, "k1": 15, "k2": 15, "k3": 15}, "other": {"k0": 20, "k1": 20, "k2": 20},
		"1-2": {"k1": 30, "k2": 30}, "without k0": {"k1": 20, "k2": 20, "k3": 20}} {
		if fmt.Sprint(got[name]) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
}

// While a key cools its share goes to all others, not to its neighbour.
func TestRoundRobinSkipsEvenly(t *testing.T) {
	b := newBench(t, manyKeys(4))
	b.use(Outcome{Class: RateLimited, RetryAfter: time.Hour})
	if got := count(b, Scope{Provider: "p", Model: "m"}, 300); got["k1"] != 100 || got["k2"] != 100 || got["k3"] != 100 {
		t.Errorf("got %v", got)
	}
}

func TestWeighted(t *testing.T) {
	keys := manyKeys(3)
	keys[0].Weight, keys[1].Weight = 5, 2
	b := newBench(t, keys, WithPolicy(Weighted{}))
	if got := count(b, Scope{Provider: "p"}, 80); got["k0"] != 50 || got["k1"] != 20 || got["k2"] != 10 {
		t.Errorf("got %v", got)
	}
}

func TestRandom(t *testing.T) {
	b := newBench(t, manyKeys(4), WithPolicy(Random{}))
	for id, n := range count(b, Scope{Provider: "p"}, 4000) {
		if n < 800 || n > 1200 {
			t.Errorf("%s was used %d times of 4000", id, n)
		}
	}
}

func TestLeastInFlight(t *testing.T) {
	b := newBench(t, manyKeys(3), WithPolicy(LeastInFlight{}))
	running := map[string]int{}
	for range 9 {
		k, _, err := b.p.Acquire(context.Background(), Scope{Provider: "p"})
		if err != nil {
			t.Fatal(err)
		}
		running[k.ID]++
	}
	if running["k0"] != 3 || running["k1"] != 3 || running["k2"] != 3 {
		t.Errorf("got %v", running)
	}
}

func TestMostHeadroom(t *testing.T) {
	b := newBench(t, manyKeys(3), WithPolicy(MostHeadroom{}))
	left := func(n int64) Outcome {
		return Outcome{Requests: Headroom{Known: true, Remaining: n, Limit: 100, Reset: time.Minute}, Tokens: Headroom{Known: true, Remaining: 900, Limit: 1000}}
	}
	s := Scope{Provider: "p", Model: "m"}
	for i, n := range []int64{10, 50, 30} {
		s.Select = SelectKeys(i, i)
		b.useFor(s, left(n))
	}
	s.Select = Selection{}
	if got := count(b, s, 5); got["k1"] != 5 {
		t.Errorf("got %v", got)
	}
	b.pass(time.Minute) // what was known is out of date: all are the same again
	if got := count(b, s, 6); got["k0"] != 2 || got["k1"] != 2 || got["k2"] != 2 {
		t.Errorf("got %v", got)
	}
}

// pitfall 40: a conversation stays on its key, leaves it while it cools, and comes home.
func TestAffinity(t *testing.T) {
	b := newBench(t, manyKeys(5), WithPolicy(Affinity{}))
	other := newBench(t, manyKeys(5), WithPolicy(Affinity{})) // another process agrees without a word
	homes := map[string]int{}
	for i := range 200 {
		s := Scope{Provider: "p", Model: "m", Affinity: fmt.Sprintf("conversation %d", i)}
		home := b.useFor(s, Outcome{})
		homes[home]++
		for range 3 {
			if got := b.useFor(s, Outcome{}); got != home {
				t.Fatalf("conversation %d moved from %s to %s", i, home, got)
			}
		}
		if got := other.useFor(s, Outcome{}); got != home {
			t.Fatalf("another process has %s, not %s", got, home)
		}
	}
	for id, n := range homes {
		if n < 20 || n > 60 {
			t.Errorf("%s is home to %d of 200", id, n)
		}
	}
	s := Scope{Provider: "p", Model: "m", Affinity: "one"}
	home := b.useFor(s, Outcome{Class: RateLimited, RetryAfter: time.Minute})
	away := b.useFor(s, Outcome{})
	if away == home || b.useFor(s, Outcome{}) != away {
		t.Errorf("from %s to %s", home, away)
	}
	b.pass(time.Minute)
	if got := b.useFor(s, Outcome{}); got != home {
		t.Errorf("%s did not come home to %s", got, home)
	}
	if got := count(b, Scope{Provider: "p", Model: "m"}, 10); len(got) != 5 {
		t.Errorf("without a conversation: %v", got)
	}
}

// pitfall 40: a key added moves only the conversations that it takes.
func TestAffinityMovesLittle(t *testing.T) {
	five := newBench(t, manyKeys(5), WithPolicy(Affinity{}))
	six := newBench(t, manyKeys(6), WithPolicy(Affinity{}))
	for i := range 300 {
		s := Scope{Provider: "p", Model: "m", Affinity: fmt.Sprint(i)}
		was, is := five.useFor(s, Outcome{}), six.useFor(s, Outcome{})
		if is != was && is != "k5" {
			t.Errorf("conversation %d moved from %s to %s", i, was, is)
		}
	}
}

func BenchmarkPolicy(b *testing.B) {
	for _, n := range []int{100, 1000} {
		for _, policy := range []Policy{RoundRobin{}, Random{}, Weighted{}, LeastInFlight{}, MostHeadroom{}, Affinity{}} {
			b.Run(fmt.Sprintf("%T/%d keys", policy, n), func(b *testing.B) {
				p := NewPool(Static(map[string][]Key{"p": manyKeys(n)}), WithPolicy(policy))
				s := Scope{Provider: "p", Model: "m", Affinity: "conversation"}
				b.ReportAllocs()
				for b.Loop() {
					_, done, _ := p.Acquire(context.Background(), s)
					done(Outcome{})
				}
			})
		}
	}
}
