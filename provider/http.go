package provider

import (
	"context"
	"net/http"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// HTTP is a Provider described by data. It must not change once it is in use;
// the constructors' results may be adjusted before. The zero value serves
// pass-through alone.
type HTTP struct {
	ID string // the Name
	// BaseURL is what every path below is appended to, without a slash at
	// its end. Pass-through never leaves it. Where it ends in a version
	// (/v1) that a path begins with, the version is not repeated.
	BaseURL string
	// Auth puts the key on a request; nil is Bearer.
	Auth Auth
	// Header is set on every request that has no value of the same name.
	Header http.Header
	// NoKey says that requests may be made without a key.
	NoKey bool

	// Endpoints serve chat. Formats returns theirs in this order.
	Endpoints []Endpoint
	// Counters count tokens, by format.
	Counters []Endpoint
	// Embedding are the addresses of embeddings; the first that serves a
	// model is used. Their Format is not looked at.
	Embedding []Endpoint

	// ListPath is the path of the model list, query included; empty: none.
	// PageParam is the query parameter of the next page's token.
	ListPath, PageParam string
	// ListModels reads a page of it; nil is ParseModelList.
	ListModels func(body []byte) (models []Model, next string, err error)
	// ListAuth, ListBase and ListHeader: where the list needs other ones.
	// ListBase counts only until BaseURL is set to something else than its
	// constructor did.
	ListAuth   Auth
	ListBase   string
	ListHeader http.Header
	// Owner is a listed model's OwnedBy where the list names none.
	Owner string
	// Static are the models that are known without asking.
	Static []Model

	// Forwards are the OpenAI routes that Forward serves, each with the path
	// that it has here; an empty one is the route itself. A route that ends
	// in a slash stands for all below it.
	Forwards map[string]string
	// PassAuth chooses the Auth of a pass-through request by its path; nil
	// uses Auth for all.
	PassAuth func(path string) Auth
	// Wrap is what Transport does, for calls that take several exchanges, and
	// for answers that must be put into their format.
	Wrap func(next http.RoundTripper) http.RoundTripper

	home  string // BaseURL as the constructor set it
	plans *plans // nil: none are kept
}

// Endpoint is one address of a provider that speaks one format.
type Endpoint struct {
	Format translate.Format
	// Path is appended to the base URL; {model} in it stands for the model,
	// escaped as one path segment, and {model...} for the model with its
	// slashes. It may hold a query. StreamPath is used for streams where they
	// have a path of their own.
	Path, StreamPath string
	// Models are patterns of the models it serves (see MatchModel); nil: all.
	Models []string
	// Outbound is the format's codec for this provider; nil is the codec's
	// zero value.
	Outbound translate.Outbound
	// Embeddings is the codec of an address of embeddings; nil where they are
	// in OpenAI's format.
	Embeddings translate.EmbeddingCodec
	Auth       Auth        // where it is not the provider's
	BaseURL    string      // where it is not the provider's
	Header     http.Header // set beside the provider's
	// Beside is an end of the base URL's path that this address has no part
	// in: it is taken off where it is there, as in https://host/v1 for an
	// endpoint at https://host/other.
	Beside string
	Rules  []Rule
	// ModelMap turns the model into the one that the path and the body name;
	// nil leaves it. Rules go by the model as it was.
	ModelMap func(model string) string
	// Envelope puts the body, as the rules have left it, into what the address
	// takes; nil leaves it.
	Envelope func(body []byte) []byte
}

// Auth puts a key's credential on a request. The request's body can be read
// by GetBody, for signatures. It is called last, when all else is set.
type Auth func(ctx context.Context, r *http.Request, k rotate.Key) error

// Bearer authenticates by "Authorization: Bearer KEY".
func Bearer(_ context.Context, r *http.Request, k rotate.Key) error {
	if !k.Secret.IsZero() {
		r.Header["Authorization"] = []string{"Bearer " + k.Secret.Reveal()}
	}
	return nil
}

// HeaderAuth authenticates by a header that holds the key alone.
func HeaderAuth(name string) Auth {
	name = http.CanonicalHeaderKey(name)
	return func(_ context.Context, r *http.Request, k rotate.Key) error {
		if !k.Secret.IsZero() {
			r.Header[name] = []string{k.Secret.Reveal()}
		}
		return nil
	}
}

// Name returns p.ID.
func (p *HTTP) Name() string { return p.ID }

// KeyOptional returns p.NoKey.
func (p *HTTP) KeyOptional() bool { return p.NoKey }

// Formats returns the formats of the endpoints that serve the model. The caller
// must not change them.
func (p *HTTP) Formats(model string) []translate.Format { return p.planOf(model).formats }

func (e *Endpoint) serves(model string) bool { return e.Models == nil || MatchModel(e.Models, model) }

// Outbound returns the codec of the endpoint that serves the model in f.
func (p *HTTP) Outbound(f translate.Format, model string) translate.Outbound {
	if w := p.planOf(model).way(f); w != nil {
		return w.Outbound
	}
	return nil
}

// Embeddings returns the codec of the model's embeddings.
func (p *HTTP) Embeddings(model string) translate.EmbeddingCodec {
	if e := p.embedding(model); e != nil {
		return e.Embeddings
	}
	return nil
}

// StaticModels returns p.Static.
func (p *HTTP) StaticModels() []Model { return p.Static }

// ParseModels reads one page of the model list.
func (p *HTTP) ParseModels(body []byte) ([]Model, string, error) {
	read := p.ListModels
	if read == nil {
		read = ParseModelList
	}
	models, next, err := read(body)
	for i := range models {
		if models[i].OwnedBy == "" {
			models[i].OwnedBy = p.Owner
		}
	}
	return models, next, err
}

// Transport returns what sends the provider's requests by way of next.
func (p *HTTP) Transport(next http.RoundTripper) http.RoundTripper {
	if p.Wrap == nil {
		return next
	}
	return p.Wrap(next)
}

// Supports reports whether NewRequest can build a call of this kind.
func (p *HTTP) Supports(op Op, f translate.Format, model string) bool {
	switch op {
	case Chat:
		return find(p.Endpoints, f, model) != nil
	case CountTokens:
		return find(p.Counters, f, model) != nil
	case Embed:
		return p.embedding(model) != nil
	case Models:
		return p.ListPath != ""
	case Forward:
		return len(p.Forwards) > 0
	}
	return true
}

func find(endpoints []Endpoint, f translate.Format, model string) *Endpoint {
	for i := range endpoints {
		if e := &endpoints[i]; e.Format == f && e.serves(model) {
			return e
		}
	}
	return nil
}

func (p *HTTP) embedding(model string) *Endpoint {
	for i := range p.Embedding {
		if e := &p.Embedding[i]; e.serves(model) {
			return e
		}
	}
	return nil
}

// at sets the base URL and remembers it as the provider's own.
func (p *HTTP) at(baseURL string) *HTTP {
	p.BaseURL, p.home, p.plans = baseURL, baseURL, newPlans()
	return p
}
