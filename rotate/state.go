package rotate

import (
	"math"
	"net/url"
	"sync/atomic"
	"time"
)

// keyState counts what a key does. It lives as long as the store lists the key.
type keyState struct {
	inFlight atomic.Int64
	acquired atomic.Uint64
	lastUse  atomic.Int64
	counts   [len(classNames)]atomic.Uint64
}

// cell is one thing that can cool down: a key, a quota group, or one of them
// with a model. Deadlines move forward only, under provider.mu, and are read
// without it.
type cell struct {
	id      string
	until   atomic.Int64
	class   atomic.Uint32 // why it cools
	rest    atomic.Int64  // until when its limit is all but used up
	strikes atomic.Int32  // rate limits without a hint in a row
}

// entry is one key for one model.
type entry struct {
	provider *provider
	key      Key
	model    string
	hash     uint64
	state    *keyState
	target   *target
	cells    [4]*cell // by Coverage; without a group the group's are the key's
	room     *room
	done     func(Outcome) // made once, so that handing out the key allocates nothing
}

// room is what is known of the limits of one key and model.
type room struct {
	fraction atomic.Uint64 // math.Float64bits of the part left
	unit     atomic.Uint64 // math.Float64bits of the part that one request takes
	until    atomic.Int64  // when the knowledge is out of date
}

// target is what is known of a provider's service for one model.
type target struct {
	faults atomic.Uint64 // ever
	streak atomic.Int32  // in a row
	until  atomic.Int64
}

// entry makes the entry for a key and a model. The caller holds pp.mu.
func (pp *provider) entry(k Key, model string) *entry {
	e := &entry{provider: pp, key: k, model: model, hash: hash(k.ID), state: pp.keys[stateID(k)], target: pp.target(model), room: &room{}}
	if e.state == nil { // the set was replaced meanwhile
		e.state = &keyState{}
	}
	for i, id := range cellIDs(k, model) {
		e.cells[i] = pp.cell(id)
	}
	e.done = func(o Outcome) { pp.finish(e, o) }
	return e
}

// cellIDs names the cells of a key and a model, by Coverage. The names mean the
// same in every process of a fleet.
func cellIDs(k Key, model string) [4]string {
	key := "k " + url.QueryEscape(k.ID) + " " + k.Secret.fingerprint()
	group := key
	if k.QuotaGroup != "" {
		group = "g " + url.QueryEscape(k.QuotaGroup)
	}
	m := " m " + url.QueryEscape(model)
	return [4]string{CoverModel: group + m, CoverKeyModel: key + m, CoverGroup: group, CoverKey: key}
}

// cell returns the cell with that name. The caller holds pp.mu.
func (pp *provider) cell(id string) *cell {
	c := pp.cells[id]
	if c == nil {
		c = &cell{id: id}
		pp.cells[id] = c
	}
	return c
}

func (pp *provider) target(model string) *target {
	t := pp.targets[model]
	if t == nil {
		t = &target{}
		pp.targets[model] = t
	}
	return t
}

// sweep forgets cells and targets that say nothing any more, with the views
// that point to them. The caller holds pp.mu.
func (pp *provider) sweep(now instant) {
	for id, c := range pp.cells {
		if c.until.Load() <= now && c.rest.Load() <= now {
			delete(pp.cells, id)
		}
	}
	for model, t := range pp.targets {
		if t.until.Load() <= now {
			delete(pp.targets, model)
		}
	}
}

func (e *entry) take(now instant) (Key, func(Outcome), error) {
	e.state.inFlight.Add(1)
	e.state.acquired.Add(1)
	e.state.lastUse.Store(now)
	return e.key, e.done, nil
}

// coolest returns the cell that holds the entry back longest.
func (e *entry) coolest() *cell {
	c := e.cells[0]
	for _, x := range e.cells[1:] {
		if x.until.Load() > c.until.Load() {
			c = x
		}
	}
	return c
}

func (e *entry) until() instant { return e.coolest().until.Load() }

func (e *entry) rest() instant {
	return max(e.cells[CoverModel].rest.Load(), e.cells[CoverGroup].rest.Load())
}

func (e *entry) headroom(now instant) float64 {
	if e.room.until.Load() <= now {
		return 1
	}
	left := math.Float64frombits(e.room.fraction.Load())
	return left - float64(e.state.inFlight.Load())*math.Float64frombits(e.room.unit.Load())
}

// finish books the outcome of an attempt. A success with nothing to learn from
// it, the common case, takes no lock.
func (pp *provider) finish(e *entry, o Outcome) {
	e.state.inFlight.Add(-1)
	if int(o.Class) < len(e.state.counts) {
		e.state.counts[o.Class].Add(1)
	}
	if o.Class == Canceled || o.Class == ClientFault {
		return
	}
	if o.Class == TargetFault {
		pp.blame(e.model, o)
		return
	}
	if e.target.streak.Load() != 0 {
		e.target.streak.Store(0)
	}
	if o.Class.Cools() {
		pp.cool(e, o)
		return
	}
	if o.Class == Success {
		pp.reset(e)
	}
	if o.Requests.Known || o.Tokens.Known {
		pp.measure(e, o)
	}
}

// reset ends the backoff of a key that worked after its cooldown.
func (pp *provider) reset(e *entry) {
	if e.cells[CoverModel].strikes.Load() == 0 && e.cells[CoverKeyModel].strikes.Load() == 0 &&
		e.cells[CoverGroup].strikes.Load() == 0 && e.cells[CoverKey].strikes.Load() == 0 {
		return
	}
	pp.mu.Lock()
	defer pp.mu.Unlock()
	now := pp.pool.now()
	for _, c := range e.cells {
		// An answer to a request from before the cooldown proves nothing.
		if c.until.Load() <= now {
			c.strikes.Store(0)
		}
	}
}

// cool puts to rest what the outcome covers, until the latest deadline known:
// a later, shorter one never shortens it.
func (pp *provider) cool(e *entry, o Outcome) {
	cover := o.Cover
	if o.Class == Unauthorized || int(cover) >= len(e.cells) {
		cover = CoverKey
	}
	pp.mu.Lock()
	now := pp.pool.now()
	c := pp.cell(e.cells[cover].id)
	d := max(o.hint(pp.pool, now), o.Floor)
	switch {
	case d > 0:
	case o.Class == QuotaExhausted:
		d = pp.pool.backoff.Quota
	case o.Class == Unauthorized:
		d = pp.pool.backoff.Unauthorized
	default:
		// Requests that ran at once fail at once, and count as one failure.
		if c.until.Load() <= now || c.strikes.Load() == 0 {
			c.strikes.Add(1)
		}
		d = double(pp.pool.backoff.First, pp.pool.backoff.Max, c.strikes.Load())
	}
	changed := pp.extend(c, now+int64(d), o.Class)
	pp.mu.Unlock()
	if !changed {
		return
	}
	pp.pool.tell(Event{Kind: KeyCooling, Provider: pp.name, Model: e.model, KeyID: e.key.ID, Class: o.Class, For: d})
	if pp.pool.fleet != nil {
		pp.pool.fleet.publish(pp, Cooldown{Cell: c.id, For: d, Class: o.Class})
	}
}

// extend moves a deadline forward. The caller holds pp.mu.
func (pp *provider) extend(c *cell, until instant, class Class) bool {
	if until <= c.until.Load() {
		return false
	}
	c.until.Store(until)
	c.class.Store(uint32(class))
	pp.version.Add(1)
	return true
}

// blame counts a fault against the target, and against no key.
func (pp *provider) blame(model string, o Outcome) {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	t := pp.target(model)
	now := pp.pool.now()
	t.faults.Add(1)
	if t.until.Load() <= now || t.streak.Load() == 0 {
		t.streak.Add(1)
	}
	d := o.hint(pp.pool, now)
	if d <= 0 {
		d = double(pp.pool.backoff.Target, pp.pool.backoff.TargetMax, t.streak.Load())
	}
	t.until.Store(max(t.until.Load(), now+int64(d)))
}

// measure notes what is left of a key's limits. A key that has nothing left
// rests until its limit is whole again: others are taken while there are any.
func (pp *provider) measure(e *entry, o Outcome) {
	now := pp.pool.now()
	left, unit, reset := 1.0, 0.0, time.Duration(0)
	for _, h := range [2]Headroom{o.Requests, o.Tokens} {
		if !h.Known {
			continue
		}
		if f := h.fraction(); f <= left {
			left, reset = f, h.resets(pp.pool, now)
		}
	}
	if o.Requests.Known && o.Requests.Limit > 0 {
		unit = 1 / float64(o.Requests.Limit)
	}
	if reset <= 0 {
		reset = time.Minute
	}
	e.room.fraction.Store(math.Float64bits(left))
	e.room.unit.Store(math.Float64bits(unit))
	e.room.until.Store(now + int64(reset))

	// What runs now may not be in the provider's count yet.
	if o.Requests.Known && o.Requests.Remaining <= e.state.inFlight.Load() {
		pp.rest(e, o.Requests.resets(pp.pool, now))
	}
	if o.Tokens.Known && o.Tokens.Remaining <= 0 {
		pp.rest(e, o.Tokens.resets(pp.pool, now))
	}
}

func (pp *provider) rest(e *entry, d time.Duration) {
	if d <= 0 {
		return
	}
	pp.mu.Lock()
	c := pp.cell(e.cells[CoverModel].id)
	until := pp.pool.now() + int64(min(d, maxHint))
	changed := until > c.rest.Load()
	if changed {
		c.rest.Store(until)
		pp.version.Add(1)
	}
	pp.mu.Unlock()
	if changed && pp.pool.fleet != nil {
		pp.pool.fleet.publish(pp, Cooldown{Cell: c.id, For: d, Rest: true})
	}
}

// maxHint is the longest pause a provider is believed to mean.
const maxHint = 40 * 24 * time.Hour

// resets returns how long until the limit is whole again; 0 when unknown.
func (h Headroom) resets(p *Pool, now instant) time.Duration {
	d := h.Reset
	if !h.ResetAt.IsZero() {
		d = max(d, h.ResetAt.Sub(p.epoch.Add(time.Duration(now))))
	}
	return min(d, maxHint)
}

// hint returns the later of the outcome's hints, from now on; 0 is none.
func (o Outcome) hint(p *Pool, now instant) time.Duration {
	d := o.RetryAfter
	if !o.Until.IsZero() {
		d = max(d, o.Until.Sub(p.epoch.Add(time.Duration(now))))
	}
	return min(d, maxHint)
}
