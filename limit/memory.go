package limit

import (
	"context"
	"sync"
	"time"
)

// Memory is a Store in this process. Principals that have nothing left to flow
// back, and no money spent today, are forgotten.
type Memory struct {
	clock func() time.Time
	most  int // entries

	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	state  State
	limits Limits // of the last call
}

// NewMemory returns a Memory by a clock; nil is time.Now.
func NewMemory(clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{clock: clock, most: mostPrincipals, entries: map[string]*entry{}}
}

// Take implements Store.
func (m *Memory) Take(_ context.Context, principal string, l Limits, want Amounts) (State, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	e := m.entry(principal, l, now)
	ok := e.state.Take(now, l, want)
	return e.state, ok, nil
}

// Settle implements Store.
func (m *Memory) Settle(_ context.Context, principal string, l Limits, day int64, delta Amounts) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	m.entry(principal, l, now).state.Settle(now, l, day, delta)
	return nil
}

// mostPrincipals bounds the entries, for hosts that let clients make up names.
const mostPrincipals = 1 << 20

// entry returns a principal's entry. It looks at a few others, more than come
// in, and forgets those that it may; beyond the bound, also one that it may not.
func (m *Memory) entry(principal string, l Limits, now time.Time) *entry {
	e := m.entries[principal]
	if e == nil {
		looked := 0
		for name, old := range m.entries {
			if over := len(m.entries) >= m.most && looked == 7; over || !old.state.Until(old.limits).After(now) {
				delete(m.entries, name)
			}
			if looked++; looked == 8 {
				break
			}
		}
		e = &entry{}
		m.entries[principal] = e
	}
	e.limits = l
	return e
}

// Len returns how many principals are remembered.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}
