package rotate

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"sync/atomic"
	"time"
)

// view is the keys that may serve one model, in the store's order. Entries never change.
type view struct {
	provider *provider
	model    string
	entries  []*entry
	ring     *ring
	current  atomic.Pointer[roster]
}

// roster is the part of a view that can serve for the time being: until a
// cooldown is added (version) or one ends (until).
type roster struct {
	version        uint64
	until          instant
	fresh, resting []*entry
}

func (v *view) roster(now instant) *roster {
	r := v.current.Load()
	if r != nil && now < r.until && r.version == v.provider.version.Load() {
		return r
	}
	return v.renew(now)
}

func (v *view) renew(now instant) *roster {
	pp := v.provider
	pp.mu.Lock()
	defer pp.mu.Unlock()
	if r := v.current.Load(); r != nil && now < r.until && r.version == pp.version.Load() {
		return r // someone else was faster
	}
	r := &roster{version: pp.version.Load(), until: math.MaxInt64, fresh: make([]*entry, 0, len(v.entries))}
	for _, e := range v.entries {
		cooling, resting := e.until(), e.rest()
		switch {
		case cooling > now:
			r.until = min(r.until, cooling)
		case resting > now:
			r.until = min(r.until, resting)
			r.resting = append(r.resting, e)
		default:
			r.fresh = append(r.fresh, e)
		}
	}
	v.current.Store(r)
	return r
}

func (r *roster) find(id string) *entry {
	for _, list := range [2][]*entry{r.fresh, r.resting} {
		for _, e := range list {
			if e.key.ID == id {
				return e
			}
		}
	}
	return nil
}

// unavailable says why none of the view's keys can serve, when one will, and
// when one of those will that the scope does not exclude.
func (v *view) unavailable(s *Scope, now instant) (err *UnavailableError, pause time.Duration) {
	err = &UnavailableError{Provider: s.Provider, Model: s.Model, Keys: len(v.entries)}
	first, untried := instant(math.MaxInt64), instant(math.MaxInt64)
	for _, e := range v.entries {
		c := e.coolest()
		until := c.until.Load()
		if excluded(s.Exclude, e.key.ID) {
			err.Tried++
			if until <= now {
				continue // it failed for another reason than a limit
			}
		} else {
			untried = min(untried, until)
		}
		if until < first {
			first, err.Reason = until, Class(c.class.Load())
		}
	}
	if first != math.MaxInt64 {
		err.RetryAfter = time.Duration(max(first-now, 0))
	}
	return err, time.Duration(max(untried-now, int64(time.Millisecond)))
}

// ring counts the turns of all views that choose among the same keys, so that
// each such choice is strict for itself, whatever other traffic there is.
type ring struct {
	name string
	turn atomic.Uint64
	// Requests that exclude keys choose among fewer. They take turns of their
	// own, one counter per set of excluded keys, or the key after an excluded
	// one would get twice its share.
	partial [16]atomic.Uint64
	blocks  [17]block // of a shared counter, by stripe
}

// counter returns the counter for a set of excluded keys, and its number: 0 is
// the main one.
func (r *ring) counter(exclude []string) (*atomic.Uint64, int) {
	if len(exclude) == 0 {
		return &r.turn, 0
	}
	var h uint64
	for _, id := range exclude {
		h += hash(id) // order does not matter
	}
	i := int(mix(h) % uint64(len(r.partial)))
	return &r.partial[i], i + 1
}

// ring returns the ring of a list of keys. The caller holds pp.mu.
func (pp *provider) ring(list []*entry) *ring {
	sum := sha256.New()
	for _, e := range list {
		sum.Write([]byte(e.key.ID))
		sum.Write([]byte{0})
	}
	name := hex.EncodeToString(sum.Sum(nil)[:8])
	r := pp.rings[name]
	if r == nil {
		if len(pp.rings) >= 8192 {
			clear(pp.rings)
		}
		r = &ring{name: name}
		pp.rings[name] = r
	}
	return r
}
