package rotate

import (
	"math/rand/v2"
	"sync/atomic"
)

// Policy chooses one of the keys that can serve. Pick returns an index below
// c.Len(), which is at least 1. It is called concurrently, on the path of every
// request: it must not block.
type Policy interface {
	Pick(c Candidates) int
}

// Candidates are the keys among which a Policy chooses: allowed for the model,
// selected, not tried before, not cooling down. It is valid during Pick only.
type Candidates struct {
	list     []*entry
	counter  *atomic.Uint64 // nil when turn was taken already, by a shared engine
	turn     uint64
	affinity string
	now      instant
}

// Len returns the number of keys.
func (c Candidates) Len() int { return len(c.list) }

// Key returns the i-th key.
func (c Candidates) Key(i int) Key { return c.list[i].key }

// InFlight returns how many attempts this process has running with the i-th key.
func (c Candidates) InFlight(i int) int64 { return c.list[i].state.inFlight.Load() }

// Headroom returns which part of the i-th key's limits is left for the model,
// from 0 to 1, as the last answer told; 1 when that is unknown or too old.
func (c Candidates) Headroom(i int) float64 { return c.list[i].headroom(c.now) }

// Affinity returns Scope.Affinity.
func (c Candidates) Affinity() string { return c.affinity }

// Turn takes the next number of a counter that all requests with the same
// choice of keys share, over the whole fleet where there is one. Call it at most
// once per Pick.
func (c Candidates) Turn() uint64 {
	if c.counter == nil {
		return c.turn
	}
	return c.counter.Add(1) - 1
}

// RoundRobin takes the keys strictly in turn: of n requests over k healthy keys
// each key gets n/k, give or take one, however many run at once. It is the default.
type RoundRobin struct{}

// Pick takes the next turn.
func (RoundRobin) Pick(c Candidates) int { return int(c.Turn() % uint64(len(c.list))) }

// Random takes any key, each with the same chance. It needs no shared counter.
type Random struct{}

// Pick draws a key.
func (Random) Pick(c Candidates) int { return rand.IntN(len(c.list)) }

// Weighted takes the keys in turn, each as often as its Weight says: of every
// sum-of-weights requests each key gets exactly its weight, spread out rather
// than in a row.
type Weighted struct{}

// Pick takes the next turn.
func (Weighted) Pick(c Candidates) int {
	total := 0
	for _, e := range c.list {
		total += e.key.weight()
	}
	// A stride that shares no factor with the total visits every place of the
	// cycle once, far from the place before.
	stride := max(total*618/1000, 1)
	for gcd(stride, total) != 1 {
		stride++
	}
	place := int(c.Turn() % uint64(total) * uint64(stride) % uint64(total))
	for i, e := range c.list {
		if place -= e.key.weight(); place < 0 {
			return i
		}
	}
	return len(c.list) - 1
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// LeastInFlight takes the key with the fewest attempts running in this process;
// among equals it goes round.
type LeastInFlight struct{}

// Pick compares all keys.
func (LeastInFlight) Pick(c Candidates) int {
	return best(c, func(i int) float64 { return -float64(c.InFlight(i)) })
}

// MostHeadroom takes the key of whose limits the greatest part is left, by the
// remaining-requests and remaining-tokens headers of its last answer and the
// attempts running since; among equals it goes round.
type MostHeadroom struct{}

// Pick compares all keys.
func (MostHeadroom) Pick(c Candidates) int { return best(c, c.Headroom) }

// best returns the index with the highest score, starting the search at the
// next turn so that equals take turns.
func best(c Candidates, score func(int) float64) int {
	n := len(c.list)
	start := int(c.Turn() % uint64(n))
	at, high := start, score(start)
	for i := 1; i < n; i++ {
		j := start + i
		if j >= n {
			j -= n
		}
		if s := score(j); s > high {
			at, high = j, s
		}
	}
	return at
}

// Affinity keeps a conversation (Scope.Affinity) on one key, so that the
// provider's prompt cache hits. The key follows from a hash of the conversation
// and the keys' IDs alone, so that a fleet agrees without talking. While that
// key cools down the conversation moves to its second choice, and then comes
// home; a key that is added or removed moves no conversation but its own.
type Affinity struct {
	// Else chooses for requests that name no conversation; nil is RoundRobin.
	Else Policy
}

// Pick ranks the keys for the conversation (rendezvous hashing).
func (a Affinity) Pick(c Candidates) int {
	if c.affinity == "" {
		if a.Else != nil {
			return a.Else.Pick(c)
		}
		return RoundRobin{}.Pick(c)
	}
	h := hash(c.affinity)
	at, high := 0, uint64(0)
	for i, e := range c.list {
		if s := mix(h ^ e.hash); s >= high {
			at, high = i, s
		}
	}
	return at
}

// hash is FNV-1a: stable over processes and versions, which maphash is not.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix spreads every bit over the whole word (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
