package rotate

import (
	"context"
	"time"
)

// Shared is the state that a fleet of processes shares: counters, and cooldowns.
// redisrotate and sqlrotate implement it. A Pool that has one (WithShared) is a
// fleet's pool: strictly in turn over all processes, and a key that one process
// saw refused is left alone by all.
//
// Both methods may be called concurrently. They must return soon after the
// context's deadline, which is short: what hangs beyond it hangs a request.
type Shared interface {
	// Next advances a counter by ask.N and reads the cooldowns, in one trip.
	Next(ctx context.Context, ask Ask) (Turn, error)
	// Publish adds cooldowns for all to see. A deadline moves forward only: a
	// cooldown that ends before the one that the engine has of the cell is dropped.
	Publish(ctx context.Context, provider string, list []Cooldown) error
}

// Ask is the question of Shared.Next.
type Ask struct {
	Provider string
	Counter  string // the counter's name within the provider: letters, digits and '-'
	N        int    // how many numbers are taken: 0 only reads cooldowns
	Since    int64  // the Version of the last Turn seen; 0 is none
}

// Turn is the answer of Shared.Next.
type Turn struct {
	// First is the first of the Ask.N numbers taken. A new counter starts at 0.
	First uint64
	// Version tells one state of the provider's cooldowns from another. It grows,
	// and is 0 until something is published.
	Version int64
	// Cooldowns are those published after Ask.Since that have not ended: all when
	// Ask.Since is 0 or is not of this engine's past, nil when it is Version.
	Cooldowns []Cooldown
}

// Cooldown is one deadline that a fleet shares.
type Cooldown struct {
	Cell  string        // what cools; opaque, printable, without secrets
	For   time.Duration // from now on: the processes' clocks need not agree; an engine may round it up
	Class Class
	// Rest marks a limit that is about to be used up: the key serves only when no other can.
	Rest bool
}

// WithShared makes the pool one of a fleet; nil is no fleet, the default.
//
// While the engine fails or is slower than the timeout (WithSharedTimeout), the
// pool goes on with what it knows itself, and tells so by an event; or it
// refuses (WithRefusal). Cooldowns that it learns meanwhile are published when
// the engine is back.
func WithShared(s Shared) PoolOption {
	return func(p *Pool) {
		p.fleet = nil
		if s != nil {
			p.fleet = &fleet{pool: p, shared: s}
		}
	}
}

// WithSharedTimeout bounds one trip to the shared engine; the default is 50 ms.
func WithSharedTimeout(d time.Duration) PoolOption {
	return func(p *Pool) {
		if d > 0 {
			p.sharedTimeout = d
		}
	}
}

// WithRefusal makes Acquire fail with a *SharedError while the shared engine
// cannot be asked, for hosts to which a strict order is worth more than an answer.
func WithRefusal() PoolOption { return func(p *Pool) { p.refuse = true } }

// WithBlocks takes n numbers of a shared counter per trip: n-1 of n requests
// then ask nobody. Two things are paid for that: keys differ by up to n for each
// process rather than by 1 in all, and a cooldown is seen at the next trip, not
// at once. The default is 1.
func WithBlocks(n int) PoolOption { return func(p *Pool) { p.block = max(n, 1) } }
