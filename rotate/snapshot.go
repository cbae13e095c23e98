package rotate

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// KeyState is what a pool knows about a key, for diagnosis. It holds no secret.
type KeyState struct {
	ID         string            `json:"id"`
	Hint       string            `json:"hint"` // enough of the secret to tell keys apart
	Index      int               `json:"index"`
	QuotaGroup string            `json:"quota_group,omitempty"`
	State      string            `json:"state"` // "healthy", or the class of the cooldown of the whole key
	Until      time.Time         `json:"until,omitzero"`
	InFlight   int64             `json:"in_flight"`
	Acquired   uint64            `json:"acquired"`
	Outcomes   map[string]uint64 `json:"outcomes,omitempty"` // by Class.String
	LastUse    time.Time         `json:"last_use,omitzero"`
	Models     []ModelState      `json:"models,omitempty"` // models that the key cannot serve now
}

// ModelState is a cooldown of one model.
type ModelState struct {
	Model string    `json:"model"`
	State string    `json:"state"`
	Until time.Time `json:"until"`
}

// Snapshot returns the state of a provider's keys in the store's order. It asks
// the store as Acquire does.
func (p *Pool) Snapshot(ctx context.Context, providerName string) ([]KeyState, error) {
	pp := p.provider(providerName)
	set := pp.set.Load()
	if set == nil || p.now() >= set.expires.Load() {
		var err error
		if set, err = pp.load(ctx); err != nil {
			return nil, err
		}
	}
	now := p.now()
	pp.mu.Lock()
	defer pp.mu.Unlock()
	out := make([]KeyState, 0, len(set.keys))
	for _, k := range set.keys {
		out = append(out, pp.keyState(k, now))
	}
	return out, nil
}

// keyState describes one key. The caller holds pp.mu.
func (pp *provider) keyState(k Key, now instant) KeyState {
	s := KeyState{ID: k.ID, Hint: k.Secret.Hint(), Index: k.Index, QuotaGroup: k.QuotaGroup, State: "healthy"}
	if st := pp.keys[stateID(k)]; st != nil {
		s.InFlight, s.Acquired, s.LastUse = st.inFlight.Load(), st.acquired.Load(), pp.pool.wall(st.lastUse.Load())
		for i := range st.counts {
			if n := st.counts[i].Load(); n > 0 {
				if s.Outcomes == nil {
					s.Outcomes = map[string]uint64{}
				}
				s.Outcomes[Class(i).String()] = n
			}
		}
	}
	ids := cellIDs(k, "")
	for id, c := range pp.cells {
		until := c.until.Load()
		if until <= now {
			continue
		}
		class := Class(c.class.Load()).String()
		owner, model, perModel := strings.Cut(id, " m ")
		switch {
		case owner != ids[CoverKey] && owner != ids[CoverGroup]:
		case perModel:
			if m, err := url.QueryUnescape(model); err == nil {
				model = m
			}
			s.Models = append(s.Models, ModelState{Model: model, State: class, Until: pp.pool.wall(until)})
		case pp.pool.wall(until).After(s.Until):
			s.State, s.Until = class, pp.pool.wall(until)
		}
	}
	slices.SortFunc(s.Models, func(a, b ModelState) int { return strings.Compare(a.Model, b.Model) })
	return s
}

// TargetState is what a pool knows about a provider's service for one model,
// whatever the key. The pool hands out keys all the same: what to do about a
// target in trouble is for those to decide who know another one.
type TargetState struct {
	Faults uint64        // TargetFault outcomes ever
	Streak int           // in a row, counting those at the same time as one
	Wait   time.Duration // until the target should be tried again; 0 is now
}

// Target returns the state of a provider's service for a model.
func (p *Pool) Target(providerName, model string) TargetState {
	pp := p.provider(providerName)
	pp.mu.Lock()
	defer pp.mu.Unlock()
	t := pp.targets[model]
	if t == nil {
		return TargetState{}
	}
	return TargetState{Faults: t.faults.Load(), Streak: int(t.streak.Load()), Wait: time.Duration(max(t.until.Load()-p.now(), 0))}
}
