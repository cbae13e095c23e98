package rotate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// background is for work that outlives no call and belongs to no request.
var background = context.Background()

// maxEntries bounds the memory for models seen: models come from callers.
const maxEntries = 1 << 16

// provider holds all that a pool knows about one provider's keys.
type provider struct {
	pool *Pool
	name string
	set  atomic.Pointer[keySet]
	// version counts changes of cooldowns; rosters made before are stale.
	version atomic.Uint64

	fresh   atomic.Uint64 // counts calls of Pool.Refresh
	loading sync.Mutex    // guards call
	call    chan struct{} // closed when the load that is under way has ended

	mu      sync.Mutex // guards the maps, and every change of a cell
	keys    map[string]*keyState
	cells   map[string]*cell
	rings   map[string]*ring
	targets map[string]*target

	seen   atomic.Int64 // version of the fleet's cooldowns that is known here
	told   atomic.Bool  // the fleet was told something from here
	unsaid atomic.Bool  // the fleet has not been told all that is known here
}

func newProvider(p *Pool, name string) *provider {
	return &provider{pool: p, name: name,
		keys: map[string]*keyState{}, cells: map[string]*cell{}, rings: map[string]*ring{}, targets: map[string]*target{}}
}

// keySet is one answer of the store. Its keys never change.
type keySet struct {
	keys       []Key
	expires    atomic.Int64
	views      atomic.Pointer[map[string]*view] // by model, over all keys
	narrowedBy sync.Map                         // by narrowed: *view
	narrows    atomic.Int64
}

type narrowed struct {
	model string
	sel   Selection
}

// load asks the store, one caller at a time; the others wait for the answer.
// When the store fails, its last good answer is used for another life of the cache.
func (pp *provider) load(ctx context.Context) (*keySet, error) {
	for {
		pp.loading.Lock()
		if set := pp.set.Load(); set != nil && pp.pool.now() < set.expires.Load() {
			pp.loading.Unlock()
			return set, nil
		}
		if call := pp.call; call != nil {
			pp.loading.Unlock()
			select {
			case <-call:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		call := make(chan struct{})
		pp.call = call
		pp.loading.Unlock()

		set, err := pp.ask(ctx)
		pp.loading.Lock()
		pp.call = nil
		pp.loading.Unlock()
		close(call)
		return set, err
	}
}

func (pp *provider) ask(ctx context.Context) (*keySet, error) {
	last := pp.set.Load()
	if last != nil {
		// With an answer at hand, a store that hangs may not hold up requests for long.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, storeTimeout)
		defer cancel()
	}
	asked := pp.fresh.Load()
	keys, err := pp.pool.store.Keys(ctx, pp.name)
	expires := pp.pool.now() + int64(pp.pool.ttl)
	if pp.fresh.Load() != asked {
		expires = 0 // the answer may be from before the change
	}
	if err != nil {
		if last == nil || context.Cause(ctx) == context.Canceled {
			return nil, fmt.Errorf("rotate: key store: %w", err)
		}
		pp.pool.tell(Event{Kind: StoreFailed, Provider: pp.name, Err: err})
		last.expires.Store(max(expires, pp.pool.now()+int64(minRetry)))
		return last, nil
	}
	keys = normalize(keys)
	if last != nil && slices.EqualFunc(last.keys, keys, sameKey) {
		last.expires.Store(expires)
		return last, nil
	}
	set := &keySet{keys: keys}
	set.expires.Store(expires)
	set.views.Store(&map[string]*view{})
	pp.adopt(keys)
	pp.set.Store(set)
	return set, nil
}

const (
	storeTimeout = 2 * time.Second        // for a store that had answered before
	minRetry     = 100 * time.Millisecond // between two calls of a store that fails
)

func sameKey(a, b Key) bool {
	return a.ID == b.ID && a.Secret.Equal(b.Secret) && a.QuotaGroup == b.QuotaGroup && a.Weight == b.Weight &&
		(a.Models == nil) == (b.Models == nil) && slices.Equal(a.Models, b.Models)
}

// adopt drops what is known of keys that are gone, and makes room for new ones.
// A key whose secret was replaced starts afresh under its old ID.
func (pp *provider) adopt(keys []Key) {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	next := make(map[string]*keyState, len(keys))
	for _, k := range keys {
		id := stateID(k)
		if st := pp.keys[id]; st != nil {
			next[id] = st
		} else {
			next[id] = &keyState{}
		}
	}
	pp.keys = next
	pp.sweep(pp.pool.now())
}

// stateID tells a key from another that had its ID before.
func stateID(k Key) string { return k.ID + " " + k.Secret.fingerprint() }

// view returns the model's view over all keys, or nil when there is none yet.
func (s *keySet) view(model string) *view { return (*s.views.Load())[model] }

// narrow returns the view for a model and a selection, and makes it when needed.
func (s *keySet) narrow(pp *provider, model string, sel Selection) (*view, error) {
	if len(s.keys) == 0 {
		return nil, ErrNoKeys
	}
	if err := sel.Check(len(s.keys)); err != nil {
		return nil, err
	}
	v := s.view(model)
	if v == nil {
		v = s.build(pp, model)
	}
	if sel.set {
		v = s.selected(pp, v, narrowed{model, sel})
	}
	if len(v.entries) == 0 {
		return nil, ErrNoKeys
	}
	return v, nil
}

func (s *keySet) build(pp *provider, model string) *view {
	pp.mu.Lock()
	defer pp.mu.Unlock()
	if v := s.view(model); v != nil {
		return v
	}
	old := *s.views.Load()
	if len(old) >= max(maxEntries/len(s.keys), 64) {
		pp.sweep(pp.pool.now())
		old = nil
		s.narrowedBy.Clear()
	}
	v := &view{provider: pp, model: model}
	for _, k := range s.keys {
		if k.Serves(model) {
			v.entries = append(v.entries, pp.entry(k, model))
		}
	}
	v.ring = pp.ring(v.entries)
	grown := make(map[string]*view, len(old)+1)
	for m, x := range old {
		grown[m] = x
	}
	grown[model] = v
	s.views.Store(&grown)
	return v
}

func (s *keySet) selected(pp *provider, all *view, n narrowed) *view {
	if v, ok := s.narrowedBy.Load(n); ok {
		return v.(*view)
	}
	if s.narrows.Add(1) > 4096 {
		s.narrowedBy.Clear()
		s.narrows.Store(1)
	}
	v := &view{provider: pp, model: all.model}
	for _, e := range all.entries {
		if n.sel.Contains(e.key.Index) {
			v.entries = append(v.entries, e)
		}
	}
	pp.mu.Lock()
	v.ring = pp.ring(v.entries)
	pp.mu.Unlock()
	got, _ := s.narrowedBy.LoadOrStore(n, v)
	return got.(*view)
}
