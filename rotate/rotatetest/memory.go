package rotatetest

import (
	"context"
	"sync"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// Memory is a rotate.Shared in memory, for tests of what uses one: a fleet
// within one process, and an engine that fails on demand.
type Memory struct {
	now func() time.Time

	mu       sync.Mutex
	err      error
	trips    int
	counters map[[2]string]uint64
	versions map[string]int64
	cells    map[string]map[memoryCell]memoryDeadline
}

type memoryCell struct {
	cell string
	rest bool
}

type memoryDeadline struct {
	until   time.Time
	class   rotate.Class
	version int64
}

// NewMemory returns an empty engine; a nil clock is time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, counters: map[[2]string]uint64{}, versions: map[string]int64{}, cells: map[string]map[memoryCell]memoryDeadline{}}
}

// Fail makes every call fail with err until Fail(nil).
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Forget empties the engine, as a restart without persistence does.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.counters)
	clear(m.versions)
	clear(m.cells)
}

// Trips returns how often Next was called.
func (m *Memory) Trips() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trips
}

// Next implements rotate.Shared.
func (m *Memory) Next(ctx context.Context, ask rotate.Ask) (rotate.Turn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trips++
	if err := ctx.Err(); err != nil {
		return rotate.Turn{}, err
	}
	if m.err != nil {
		return rotate.Turn{}, m.err
	}
	id := [2]string{ask.Provider, ask.Counter}
	turn := rotate.Turn{First: m.counters[id], Version: m.versions[ask.Provider]}
	m.counters[id] += uint64(ask.N)
	if turn.Version == ask.Since {
		return turn, nil
	}
	now := m.now()
	for c, d := range m.cells[ask.Provider] {
		if left := d.until.Sub(now); left > 0 && (d.version > ask.Since || ask.Since > turn.Version) {
			turn.Cooldowns = append(turn.Cooldowns, rotate.Cooldown{Cell: c.cell, For: left, Class: d.class, Rest: c.rest})
		}
	}
	return turn, nil
}

// Publish implements rotate.Shared.
func (m *Memory) Publish(ctx context.Context, provider string, list []rotate.Cooldown) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.err != nil {
		return m.err
	}
	if m.cells[provider] == nil {
		m.cells[provider] = map[memoryCell]memoryDeadline{}
	}
	now := m.now()
	for _, c := range list {
		id := memoryCell{c.Cell, c.Rest}
		if until := now.Add(c.For); until.After(m.cells[provider][id].until) {
			m.versions[provider]++
			m.cells[provider][id] = memoryDeadline{until, c.Class, m.versions[provider]}
		}
	}
	return nil
}
