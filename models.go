package llmproxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

const (
	// listTimeout bounds asking one provider for its models.
	listTimeout = 5 * time.Second
	// listTTL is how long a provider's list is served without asking again.
	listTTL = 5 * time.Minute
	// listRetry is how long a provider that failed is left alone.
	listRetry = 15 * time.Second
	// listPages bounds the pages of one list.
	listPages = 20
)

// modelCache keeps each provider's last good list. A list is fetched by the
// request that needs it; others wait for that, at most listTimeout.
type modelCache struct {
	flight singleflight.Group
	mu     sync.Mutex
	lists  map[string]*modelList
}

type modelList struct {
	models  []provider.Model
	fetched time.Time // of models; zero: never
	asked   time.Time
	err     error // of the last asking
}

// list returns a provider's models: fresh, or else the last known ones
// together with the error.
func (p *Proxy) list(ctx context.Context, pr provider.Provider) (modelList, error) {
	lister, ok := pr.(provider.Lister)
	if !ok {
		return modelList{}, nil
	}
	if static := lister.StaticModels(); len(static) > 0 {
		return modelList{models: static}, nil
	}
	if s, ok := pr.(provider.Supporter); ok && !s.Supports(provider.Models, "", "") {
		return modelList{}, nil
	}
	name := pr.Name()
	cached := func() (modelList, bool) {
		p.models.mu.Lock()
		defer p.models.mu.Unlock()
		l := p.models.lists[name]
		if l == nil {
			return modelList{}, false
		}
		age := p.now().Sub(l.asked)
		return *l, l.err == nil && age < listTTL || l.err != nil && age < listRetry
	}
	if l, fresh := cached(); fresh {
		return l, l.err
	}
	// The caller that gives up first must not spoil it for the others.
	got := p.models.flight.DoChan(name, func() (any, error) {
		if _, fresh := cached(); fresh { // another flight has landed meanwhile
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTimeout)
		defer cancel()
		models, err := p.fetchModels(ctx, pr, lister, rotate.Scope{})
		now := p.now()
		p.models.mu.Lock()
		defer p.models.mu.Unlock()
		if p.models.lists == nil {
			p.models.lists = map[string]*modelList{}
		}
		l := p.models.lists[name]
		if l == nil {
			l = new(modelList)
			p.models.lists[name] = l
		}
		l.asked, l.err = now, err
		if err == nil {
			l.models, l.fetched = models, now
		}
		return nil, nil
	})
	select {
	case <-got:
		l, _ := cached()
		return l, l.err
	case <-ctx.Done():
		return modelList{}, ctx.Err()
	}
}

// fetchModels asks a provider for all pages of its list.
func (p *Proxy) fetchModels(ctx context.Context, pr provider.Provider, lister provider.Lister, scope rotate.Scope) (models []provider.Model, err error) {
	t := &target{provider: pr}
	key, done, err := p.acquire(ctx, t, scope)
	if err != nil {
		return nil, err
	}
	outcome := rotate.Outcome{Class: rotate.Canceled}
	defer func() { done(outcome) }()
	page := ""
	for range listPages {
		var body []byte
		if body, outcome, err = p.get(ctx, t, &provider.Call{Op: provider.Models, Path: page, Header: http.Header{}}, key); err != nil {
			return nil, err
		}
		got, next, err := lister.ParseModels(body)
		if err != nil {
			return nil, err
		}
		models = append(models, got...)
		if next == "" || next == page {
			break
		}
		page = next
	}
	return models, nil
}

// get makes a small request of the proxy's own.
func (p *Proxy) get(ctx context.Context, t *target, c *provider.Call, key rotate.Key) ([]byte, rotate.Outcome, error) {
	name := t.provider.Name()
	req, err := t.provider.NewRequest(ctx, c, key)
	if err != nil {
		return nil, rotate.Outcome{Class: rotate.Canceled}, err
	}
	resp, err := p.transports[name].RoundTrip(req)
	if err != nil {
		return nil, p.classify(name, 0, nil, nil, err), &translate.Error{Kind: translate.Upstream, Message: "the provider could not be reached", Err: err}
	}
	defer resp.Body.Close()
	r, err := decoded(resp, p.Limits.Inflated)
	if err != nil {
		return nil, rotate.Outcome{Class: rotate.TargetFault}, err
	}
	body, err := readAll(nil, io.LimitReader(r, p.Limits.ResponseBody))
	if resp.StatusCode >= 300 {
		mask(body, key.Secret)
		e := translate.ParseErrorBody(resp.StatusCode, resp.Header, body)
		return nil, p.classify(name, resp.StatusCode, resp.Header, body, nil), &translate.Error{Kind: e.Kind, Status: e.Status, Message: fmt.Sprintf("the provider answered %d", resp.StatusCode), Err: errors.New(e.Message)}
	}
	if err != nil {
		return nil, p.classify(name, 0, nil, nil, err), translate.Truncated(err)
	}
	return body, p.classify(name, resp.StatusCode, resp.Header, nil, nil), nil
}

// listed is a model with the provider that has it.
type listed struct {
	provider.Model
	provider string
}

// allModels asks all providers side by side, and names those that failed.
func (x *exchange) allModels() (models []listed, failed []string) {
	lists := make([]modelList, len(x.p.providers))
	errs := make([]error, len(x.p.providers))
	var g errgroup.Group
	for i, pr := range x.p.providers {
		g.Go(func() error { // Wait below waits for it
			lists[i], errs[i] = x.p.list(x.r.Context(), pr)
			return nil
		})
	}
	g.Wait()
	for i, pr := range x.p.providers {
		if errs[i] != nil {
			failed = append(failed, pr.Name())
			x.rec.Err = errors.Join(x.rec.Err, fmt.Errorf("%s: %w", pr.Name(), errs[i]))
		}
		for _, m := range lists[i].models {
			models = append(models, listed{m, pr.Name()})
		}
	}
	for name, targets := range x.p.aliases {
		models = append(models, listed{provider.Model{ID: name, OwnedBy: "alias", DisplayName: strings.Join(targets, ", ")}, ""})
	}
	slices.SortStableFunc(models, func(a, b listed) int { return cmp.Compare(a.provider, b.provider) })
	return models, failed
}

func (m *listed) id() string {
	if m.provider == "" {
		return m.ID
	}
	return m.provider + "/" + m.ID
}

func (m *listed) owner() string { return cmp.Or(m.OwnedBy, m.provider) }

// serveModels serves the list of all models in the client's shape.
func (x *exchange) serveModels() error {
	models, failed := x.allModels()
	if len(failed) > 0 {
		x.w.Header().Set("Llmproxy-Models-Failed", strings.Join(failed, ", "))
	}
	e := jsonx.Encoder{B: make([]byte, 0, 128*len(models)+64)}
	e.Object()
	switch x.rt.format {
	case translate.Gemini:
		e.Key("models").Array()
	case translate.Anthropic:
		e.Key("data").Array()
	default:
		e.Key("object").String("list").Key("data").Array()
	}
	for i := range models {
		appendModel(&e, x.rt.format, &models[i])
	}
	e.EndArray()
	if x.rt.format == translate.Anthropic {
		e.Key("has_more").Bool(false).Key("first_id")
		if len(models) == 0 {
			e.Null().Key("last_id").Null()
		} else {
			e.String(models[0].id()).Key("last_id").String(models[len(models)-1].id())
		}
	}
	e.EndObject()
	return x.json(e.B)
}

// serveModel serves one entry of the list.
func (x *exchange) serveModel() error {
	asked := strings.TrimPrefix(x.rt.model, "models/")
	models, _ := x.allModels()
	for i := range models {
		if m := &models[i]; m.id() == asked || m.ID == asked && m.provider == x.p.homes[x.rt.format] {
			var e jsonx.Encoder
			appendModel(&e, x.rt.format, m)
			return x.json(e.B)
		}
	}
	return modelError("the model " + quote(asked) + " does not exist")
}

func appendModel(e *jsonx.Encoder, f translate.Format, m *listed) {
	switch e.Object(); f {
	case translate.Gemini:
		e.Key("name").String("models/" + m.id()).Key("displayName").String(cmp.Or(m.DisplayName, m.ID)).Key("supportedGenerationMethods").Array().
			String("generateContent").String("streamGenerateContent").EndArray()
		if m.ContextWindow > 0 {
			e.Key("inputTokenLimit").Int(m.ContextWindow)
		}
		if m.MaxOutput > 0 {
			e.Key("outputTokenLimit").Int(m.MaxOutput)
		}
	case translate.Anthropic:
		e.Key("type").String("model").Key("id").String(m.id()).Key("display_name").String(cmp.Or(m.DisplayName, m.ID)).
			Key("created_at").String(time.Unix(m.Created, 0).UTC().Format(time.RFC3339))
	default:
		e.Key("id").String(m.id()).Key("object").String("model").Key("created").Int(m.Created).Key("owned_by").String(m.owner())
	}
	e.EndObject()
}

// json answers with a body of the proxy's own.
func (x *exchange) json(body []byte) error {
	x.w.Header().Set("Content-Type", "application/json")
	x.committed, x.rec.Status = true, http.StatusOK
	n, _ := x.w.Write(body)
	x.rec.BytesOut += int64(n)
	return nil
}
