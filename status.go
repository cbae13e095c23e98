package llmproxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// checkTTL is how long the check of a key stands: no key is checked more often,
// and no older check is shown.
const checkTTL = time.Minute

// servePing serves /ping: the process is alive.
func (x *exchange) servePing() error {
	x.w.Header().Set("Cache-Control", "no-store")
	return x.json([]byte(`{"status":"ok"}`))
}

// keyCheck is what came of asking a provider for its models with one key.
type keyCheck struct {
	at    time.Time
	ok    bool
	class rotate.Class
	err   string // in the proxy's words
}

// keyChecks keeps the last check of each key, by provider and position.
type keyChecks struct {
	mu   sync.Mutex
	last map[string]map[int]keyCheck
	busy sync.Mutex // one round of checks at a time; others wait for it and use it
}

// snapshotter is a KeyRotator that can tell its state, as rotate.Pool can.
type snapshotter interface {
	Snapshot(ctx context.Context, provider string) ([]rotate.KeyState, error)
}

// serveStatus serves /status: what is configured, and every key's state, with
// keys masked. It asks each provider once a minute and key at most. A browser
// gets a page of it.
func (x *exchange) serveStatus() error {
	x.w.Header().Add("Vary", "Accept")
	if wantsPage(x.r) {
		return x.serveStatusPage()
	}
	p := x.p
	states := make([][]rotate.KeyState, len(p.providers))
	pool, _ := p.rotator.(snapshotter)
	if pool != nil {
		for i, pr := range p.providers {
			states[i], _ = pool.Snapshot(x.r.Context(), pr.Name())
		}
		p.check(x.r.Context(), states)
	}
	var e jsonx.Encoder
	e.Object().Key("status").String("ok").Key("time").String(p.now().UTC().Format(time.RFC3339)).Key("providers").Array()
	for i, pr := range p.providers {
		name := pr.Name()
		e.Object().Key("name").String(name).Key("formats").Array()
		for _, f := range pr.Formats("") {
			e.String(string(f))
		}
		e.EndArray()
		p.models.mu.Lock()
		if l := p.models.lists[name]; l != nil {
			e.Key("models").Int(int64(len(l.models)))
		}
		p.models.mu.Unlock()
		e.Key("keys").Array()
		p.checks.mu.Lock()
		for _, s := range states[i] {
			appendKeyState(&e, &s, p.checks.last[name])
		}
		p.checks.mu.Unlock()
		e.EndArray().EndObject()
	}
	e.EndArray().Key("left_alone").Array()
	for _, t := range p.history.totals() {
		if s, open := p.breaker.open(t.provider, t.model); open {
			e.Object().Key("model").String(t.Name()).Key("faults").Int(int64(s.Streak)).Key("until").String(p.now().Add(s.Wait).UTC().Format(time.RFC3339)).EndObject()
		}
	}
	e.EndArray().Key("aliases").Object()
	names := make([]string, 0, len(p.aliases))
	for n := range p.aliases {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		e.KeyString(n).Array()
		for _, t := range p.aliases[n] {
			e.String(t)
		}
		e.EndArray()
	}
	e.EndObject().Key("default_model").String(p.defaultModel).EndObject()
	x.w.Header().Set("Cache-Control", "no-store")
	return x.json(e.B)
}

func appendKeyState(e *jsonx.Encoder, s *rotate.KeyState, checks map[int]keyCheck) {
	e.Object().Key("id").String(s.ID).Key("key").String(s.Hint).Key("index").Int(int64(s.Index)).Key("state").String(s.State)
	if !s.Until.IsZero() {
		e.Key("until").String(s.Until.UTC().Format(time.RFC3339))
	}
	e.Key("in_flight").Int(s.InFlight).Key("acquired").Int(int64(s.Acquired))
	if len(s.Models) > 0 {
		e.Key("models").Array()
		for _, m := range s.Models {
			e.Object().Key("model").String(m.Model).Key("state").String(m.State).Key("until").String(m.Until.UTC().Format(time.RFC3339)).EndObject()
		}
		e.EndArray()
	}
	if c, ok := checks[s.Index]; ok {
		e.Key("check").Object().Key("at").String(c.at.UTC().Format(time.RFC3339)).Key("ok").Bool(c.ok)
		if !c.ok {
			e.Key("class").String(c.class.String()).Key("error").String(c.err)
		}
		e.EndObject()
	}
	e.EndObject()
}

// check asks the providers of all keys whose last check is too old.
func (p *Proxy) check(ctx context.Context, states [][]rotate.KeyState) {
	p.checks.busy.Lock()
	defer p.checks.busy.Unlock()
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(16)
	for i, pr := range p.providers {
		lister, ok := pr.(provider.Lister)
		if !ok || len(lister.StaticModels()) > 0 {
			continue
		}
		if s, ok := pr.(provider.Supporter); ok && !s.Supports(provider.Models, "", "") {
			continue
		}
		for _, s := range states[i] {
			if !p.checks.claim(pr.Name(), s.Index, p.now()) {
				continue
			}
			g.Go(func() error { // Wait below waits for it
				p.checkKey(ctx, pr, s.Index)
				return nil
			})
		}
	}
	g.Wait()
}

// claim reports whether a key's check is due, and marks it as made.
func (c *keyChecks) claim(name string, index int, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, ok := c.last[name][index]
	if ok && now.Sub(last.at) < checkTTL {
		return false
	}
	c.set(name, index, keyCheck{at: now, err: "under way"})
	return true
}

func (c *keyChecks) set(name string, index int, k keyCheck) {
	if c.last == nil {
		c.last = map[string]map[int]keyCheck{}
	}
	if c.last[name] == nil {
		c.last[name] = map[int]keyCheck{}
	}
	c.last[name][index] = k
}

func (p *Proxy) checkKey(ctx context.Context, pr provider.Provider, index int) {
	k := keyCheck{at: p.now(), ok: true}
	t := &target{provider: pr}
	key, done, err := p.acquire(ctx, t, rotate.Scope{Select: rotate.SelectKeys(index, index)})
	if err == nil {
		var outcome rotate.Outcome
		_, outcome, err = p.get(ctx, t, &provider.Call{Op: provider.Models}, key)
		done(outcome)
		k.class = outcome.Class
	}
	if err != nil {
		k.ok, k.err = false, keyError(err).Message
	}
	p.checks.mu.Lock()
	defer p.checks.mu.Unlock()
	p.checks.set(pr.Name(), index, k)
}
