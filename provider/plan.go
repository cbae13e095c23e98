package provider

import (
	"cmp"
	"hash/maphash"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-llmproxy/llmproxy/translate"
)

// plan is what all chat requests for one model have in common.
type plan struct {
	model     string
	base      string     // of the HTTP that it was made for
	endpoints []Endpoint // likewise
	formats   []translate.Format
	ways      []*way // one for each of the formats
}

// way is how an endpoint is called for a model.
type way struct {
	*Endpoint
	model string // that the path and the body name
	urls  [2]*url.URL
	errs  [2]error   // why there is no such URL
	rules [2][]*Rule // for clients that speak the format, and for others
}

const streamed, translated = 1, 1 // indexes of a way's members

// index is 1 where b is true.
func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// plans keeps the plans of the models that were asked for last. A host may
// copy an HTTP, and then share it, so a plan says what it was made for.
type plans struct {
	seed maphash.Seed
	made [128]atomic.Pointer[plan]
}

func newPlans() *plans { return &plans{seed: maphash.MakeSeed()} }

// longestPlanned bounds the model names that are kept: clients choose them.
const longestPlanned = 200

func (p *HTTP) planOf(model string) *plan {
	if p.plans == nil || len(model) > longestPlanned {
		return p.newPlan(model)
	}
	at := &p.plans.made[maphash.String(p.plans.seed, model)%uint64(len(p.plans.made))]
	pl := at.Load()
	if pl == nil || pl.model != model || pl.base != p.BaseURL || !sameSlice(pl.endpoints, p.Endpoints) {
		pl = p.newPlan(strings.Clone(model))
		at.Store(pl)
	}
	return pl
}

func sameSlice(a, b []Endpoint) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (p *HTTP) newPlan(model string) *plan {
	pl := &plan{model: model, base: p.BaseURL, endpoints: p.Endpoints}
	for i := range p.Endpoints {
		if e := &p.Endpoints[i]; !slices.Contains(pl.formats, e.Format) && e.serves(model) {
			pl.formats = append(pl.formats, e.Format)
			pl.ways = append(pl.ways, p.way(e, model))
		}
	}
	return pl
}

// way returns how the model is called in a format; nil where it is not served.
func (pl *plan) way(f translate.Format) *way {
	if i := slices.Index(pl.formats, f); i >= 0 {
		return pl.ways[i]
	}
	return nil
}

func (p *HTTP) way(e *Endpoint, model string) *way {
	w := &way{Endpoint: e, model: model}
	for i := range e.Rules {
		if r := &e.Rules[i]; r.Models == nil || MatchModel(r.Models, model) {
			w.rules[translated] = append(w.rules[translated], r)
			if !r.Translated {
				w.rules[0] = append(w.rules[0], r)
			}
		}
	}
	if e.ModelMap != nil {
		w.model = e.ModelMap(model)
	}
	w.urls[0], w.errs[0] = p.address(w, e.Path)
	w.urls[streamed], w.errs[streamed] = w.urls[0], w.errs[0]
	if e.StreamPath != "" {
		w.urls[streamed], w.errs[streamed] = p.address(w, e.StreamPath)
	}
	return w
}

func (p *HTTP) address(w *way, path string) (*url.URL, error) {
	path, err := expand(path, w.model)
	if err != nil {
		return nil, err
	}
	base := cmp.Or(w.BaseURL, p.BaseURL)
	if w.Beside != "" {
		base = strings.TrimSuffix(base, w.Beside)
	}
	u, err := url.Parse(join(base, path))
	if err != nil {
		return nil, p.noAddress()
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // as http.NewRequest does
	return u, nil
}
