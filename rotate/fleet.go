package rotate

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"
)

// fleet is a pool's side of a Shared engine.
type fleet struct {
	pool   *Pool
	shared Shared
	// closed is the instant until which the engine is not asked, after it failed.
	closed atomic.Int64
	lost   atomic.Bool
	cause  atomic.Pointer[error]
}

// block is what is left of the numbers that one trip brought.
type block struct {
	busy chan struct{} // holds a token while someone reads or fetches; made at first use
	next uint64
	left int
}

// next returns the next number of the view's counter. Without an engine that
// answers it returns false: the process counts for itself.
func (f *fleet) next(ctx context.Context, v *view, stripe int) (uint64, bool, error) {
	if f.pool.block > 1 {
		return f.fromBlock(ctx, v, stripe)
	}
	t, err := f.trip(ctx, v, stripe, 1)
	return f.verdict(ctx, t.First, err)
}

func (f *fleet) fromBlock(ctx context.Context, v *view, stripe int) (uint64, bool, error) {
	b := &v.ring.blocks[stripe]
	pp := v.provider
	pp.mu.Lock()
	if b.busy == nil {
		b.busy = make(chan struct{}, 1)
	}
	pp.mu.Unlock()
	select {
	case b.busy <- struct{}{}:
		defer func() { <-b.busy }()
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	var err error
	if b.left == 0 {
		var t Turn
		if t, err = f.trip(ctx, v, stripe, f.pool.block); err == nil {
			b.next, b.left = t.First, f.pool.block
		}
	}
	if err != nil {
		return f.verdict(ctx, 0, err)
	}
	b.left--
	b.next++
	return b.next - 1, true, nil
}

// verdict applies the host's choice to an engine that did not answer.
func (f *fleet) verdict(ctx context.Context, turn uint64, err error) (uint64, bool, error) {
	switch {
	case err == nil:
		return turn, true, nil
	case ctx.Err() != nil:
		return 0, false, ctx.Err()
	case f.pool.refuse:
		return 0, false, &SharedError{err}
	}
	return 0, false, nil
}

// trip asks the engine once, and takes over the cooldowns it knows.
func (f *fleet) trip(ctx context.Context, v *view, stripe, n int) (Turn, error) {
	pp := v.provider
	if err := f.open(); err != nil {
		return Turn{}, err
	}
	ask := Ask{Provider: pp.name, Counter: v.ring.name, N: n, Since: pp.seen.Load()}
	if stripe > 0 {
		ask.Counter += "-" + strconv.Itoa(stripe)
	}
	bounded, cancel := context.WithTimeout(ctx, f.pool.sharedTimeout)
	t, err := f.shared.Next(bounded, ask)
	cancel()
	if err != nil {
		if ctx.Err() == nil { // else the caller left, and the engine is not to blame
			f.fail(pp, err)
		}
		return Turn{}, err
	}
	f.recover(pp)
	if t.Version < ask.Since || t.Version == 0 && pp.told.Swap(false) {
		pp.unsaid.Store(true) // the engine has forgotten
	}
	if t.Version != ask.Since {
		pp.adoptCooldowns(t.Cooldowns)
		pp.seen.Store(t.Version)
	}
	if pp.unsaid.CompareAndSwap(true, false) {
		f.publish(pp, pp.active()...)
	}
	return t, nil
}

// open returns why the engine is not to be asked now. After a failure one
// request at a time finds out whether it is back; the others do not wait for that.
func (f *fleet) open() error {
	until := f.closed.Load()
	if until == 0 {
		return nil
	}
	now := f.pool.now()
	if now >= until && f.closed.CompareAndSwap(until, now+int64(f.pool.sharedTimeout+pause)) {
		return nil
	}
	return *f.cause.Load()
}

// pause is how long a failed engine is left alone.
const pause = 200 * time.Millisecond

func (f *fleet) fail(pp *provider, err error) {
	f.cause.Store(&err)
	f.closed.Store(max(f.pool.now()+int64(pause), 1))
	pp.unsaid.Store(true)
	if f.lost.CompareAndSwap(false, true) {
		f.pool.tell(Event{Kind: SharedLost, Provider: pp.name, Err: err})
	}
}

func (f *fleet) recover(pp *provider) {
	if f.closed.Load() == 0 {
		return
	}
	f.closed.Store(0)
	if f.lost.CompareAndSwap(true, false) {
		f.pool.tell(Event{Kind: SharedRecovered, Provider: pp.name})
	}
}

// publish tells the fleet of cooldowns. What cannot be told now is told after
// the first trip that succeeds.
func (f *fleet) publish(pp *provider, list ...Cooldown) {
	if len(list) == 0 {
		return
	}
	if f.closed.Load() != 0 {
		pp.unsaid.Store(true)
		return
	}
	// The caller may have left: what was learned matters to others.
	ctx, cancel := context.WithTimeout(background, f.pool.sharedTimeout)
	defer cancel()
	if err := f.shared.Publish(ctx, pp.name, list); err != nil {
		f.fail(pp, err)
		return
	}
	pp.told.Store(true)
}

// active lists every cooldown that has not ended.
func (pp *provider) active() []Cooldown {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	now := pp.pool.now()
	var list []Cooldown
	for _, c := range pp.cells {
		if until := c.until.Load(); until > now {
			list = append(list, Cooldown{Cell: c.id, For: time.Duration(until - now), Class: Class(c.class.Load())})
		}
		if rest := c.rest.Load(); rest > now {
			list = append(list, Cooldown{Cell: c.id, For: time.Duration(rest - now), Rest: true})
		}
	}
	return list
}

func (pp *provider) adoptCooldowns(list []Cooldown) {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	now := pp.pool.now()
	for _, x := range list {
		until := now + int64(min(x.For, maxHint))
		c := pp.cell(x.Cell)
		if !x.Rest {
			pp.extend(c, until, x.Class)
		} else if until > c.rest.Load() {
			c.rest.Store(until)
			pp.version.Add(1)
		}
	}
}
