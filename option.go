package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Option configures a Proxy. Options are applied in their order; of two that
// set the same thing the later wins, and those that add add up. A nil Option
// does nothing, and a nil function, interface or pointer given to one stands
// for the default, unless its comment says otherwise. What is given must not be
// changed after that.
type Option func(*config)

// Options makes one Option of several.
func Options(opts ...Option) Option {
	return func(c *config) {
		for _, o := range opts {
			if o != nil {
				o(c)
			}
		}
	}
}

type config struct {
	providers   []provider.Provider
	fallback    provider.Provider // where providers is empty
	names       map[string]string // other names of providers, such as perplexity-ai
	keys        map[string][]rotate.Key
	store       rotate.Store
	rotator     rotate.KeyRotator
	poolOptions []rotate.PoolOption

	auth      AuthFunc
	proxyKeys []rotate.Secret
	open      bool
	refuse    bool // without proxy keys, refuse requests rather than to start

	aliases      map[string][]string
	defaultModel string
	homes        map[translate.Format]string

	transport http.RoundTripper
	logger    *slog.Logger
	observers []*Observer
	gateway   *gateway.Gateway
	affinity  AffinityFunc
	fetch     MediaFetcher
	classify  ClassifyFunc
	admit     AdmitFunc
	prices    *price.Table
	cors      cors
	prefix    string
	strict    bool
	clock     func() time.Time

	heapReserve int

	Limits      Limits
	Timeouts    Timeouts
	Retry       Retry
	Concurrency Concurrency
	OnAbort     OnAbort
	Cache       *Cache // nil: none

	errs []error
}

// Timeouts are the four bounds of one attempt. There is none for the whole of
// a stream: a stream that makes progress may last. A zero field means its
// default, a negative one no bound.
type Timeouts struct {
	Connect        time.Duration // to connect, TLS included; 10 s. Only for the default transport.
	ResponseHeader time.Duration // from the request's end to the answer's header; 15 min, as reasoning models may be silent as long
	FirstContent   time.Duration // from the header to the first content; 15 min
	Idle           time.Duration // between two reads; 15 min
}

// Retry bounds the attempts for one request, over all keys and targets. A zero
// field means its default.
type Retry struct {
	Attempts int           `validate:"gte=1,lte=100"` // 4
	Time     time.Duration `validate:"gt=0"`          // no new attempt starts later than that after the first; 2 min
	// Streak is how many faults in a row, over all requests, have a target
	// left alone until its cooldown ends; a single request then tries it. 0
	// is 5, negative is never.
	Streak int
}

// OnAbort says what becomes of the provider's request when the client goes
// away. The zero value cancels it at once, so that no more tokens are spent.
// With Drain the rest of a stream is read, and thrown away, for its usage
// record, within both bounds.
type OnAbort struct {
	Drain time.Duration `validate:"gte=0"`
	Bytes int64         `validate:"gte=0"` // 0 is 1 MiB
}

// MediaFetcher fetches an image or file for a provider that takes no URLs. It
// is the host's to decide which addresses may be asked: a URL comes from a
// client and may point into the host's own network. It must bound the size of
// what it reads, and is called concurrently. The data is the Proxy's from then
// on. An error refuses the request with 400, and its words are for the log.
type MediaFetcher func(ctx context.Context, url string) (mimeType string, data []byte, err error)

// AffinityFunc names the conversation that a request belongs to, for a pool
// whose policy keeps conversations on their key; "" where it has none. The
// body must not be changed or kept. It is called concurrently for different
// requests.
type AffinityFunc func(r *http.Request, body []byte) string

// ClassifyFunc tells what a provider's answer, or the error of sending, says
// about the key and the target. The status is 0 where there was no answer, and
// the body nil where it has not been read; neither it nor the header may be
// changed or kept. It is called concurrently.
type ClassifyFunc func(provider string, status int, h http.Header, body []byte, err error) rotate.Outcome

// classifier is a KeyRotator that reads answers by rules of its own, as
// rotate.Pool does.
type classifier interface {
	Classify(provider string, status int, h http.Header, body []byte, err error) rotate.Outcome
}

func defaults() config {
	return config{
		names:   map[string]string{"perplexity-ai": "perplexity"},
		keys:    map[string][]rotate.Key{},
		aliases: map[string][]string{},
		homes: map[translate.Format]string{
			translate.OpenAI: "openai", translate.Responses: "openai", translate.Anthropic: "anthropic", translate.Gemini: "google-ai-studio",
		},
		prices: price.Default(), heapReserve: defaultReserve,
		cors: cors{origins: []string{"*"}},
	}
}

// WithProvider adds providers. One of the same name replaces an earlier one,
// and takes over its keys. A nil one is an error of New.
func WithProvider(providers ...provider.Provider) Option {
	return func(c *config) {
		for _, p := range providers {
			if p == nil {
				c.fault("WithProvider: nil provider")
				continue
			}
			i := slices.IndexFunc(c.providers, func(o provider.Provider) bool { return o.Name() == p.Name() })
			if i >= 0 {
				c.providers[i] = p
			} else {
				c.providers = append(c.providers, p)
			}
		}
	}
}

// WithDefaultProvider adds a provider if no other one is configured, by
// whatever option. The default is none: a Proxy without providers is an error
// of New.
func WithDefaultProvider(pr provider.Provider) Option {
	return func(c *config) { c.fallback = pr }
}

// WithKeys adds keys to a provider's pool, behind those that it has. A name
// that no provider has is an error of New. Beside WithStore or WithKeyRotator
// the keys do not count.
func WithKeys(providerName string, keys ...rotate.Key) Option {
	return func(c *config) { c.keys[providerName] = append(c.keys[providerName], keys...) }
}

// WithStore takes the providers' keys from a store instead of WithKeys: keys
// given there, or to FromEnv, do not count.
func WithStore(s rotate.Store) Option { return func(c *config) { c.store = s } }

// WithPool adds options of the pool that the Proxy makes of its keys: its
// policy, its rules, its backoff, its clock.
func WithPool(opts ...rotate.PoolOption) Option {
	return func(c *config) { c.poolOptions = append(c.poolOptions, opts...) }
}

// WithKeyRotator replaces the pool altogether: WithKeys, WithStore and WithPool
// then have no effect. Several Proxies may share one. Without the method
// Snapshot of *rotate.Pool its keys are not shown at /status, without Target no
// target is left alone (Retry.Streak), and without Classify answers are read by
// rotate.Classify.
func WithKeyRotator(r rotate.KeyRotator) Option { return func(c *config) { c.rotator = r } }

// WithProxyKeys adds keys that clients authenticate with, in any of
// Authorization: Bearer, x-api-key, x-goog-api-key, api-key and ?key=. An empty
// one is an error of New, and so is a Proxy without WithProxyKeys, WithAuth,
// WithoutAuth or FromEnv.
func WithProxyKeys(keys ...string) Option {
	return func(c *config) {
		for _, k := range keys {
			if k == "" {
				c.fault("WithProxyKeys: empty key")
				continue
			}
			c.proxyKeys = append(c.proxyKeys, rotate.NewSecret(k))
		}
	}
}

// WithAuth replaces the check of proxy keys, which then do not count. See
// AuthFunc.
func WithAuth(f AuthFunc) Option { return func(c *config) { c.auth = f } }

// WithoutAuth lets everybody in, for hosts whose own middleware authenticates.
// Beside proxy keys or WithAuth it has no effect.
func WithoutAuth() Option { return func(c *config) { c.open = true } }

// WithAlias lets a model name stand for one or more targets, "provider/model",
// which are tried in order: the next one where one fails before its first
// content, within the bounds of WithRetry. A target is no other alias. One
// whose provider is not configured is an error of New. An alias of the same name
// replaces an earlier one.
func WithAlias(name string, targets ...string) Option {
	return func(c *config) {
		if name == "" || len(targets) == 0 {
			c.fault("WithAlias: an alias needs a name and a target")
			return
		}
		c.aliases[name] = targets
	}
}

// WithDefaultModel sets what the model "default" stands for: an alias, or a
// target as WithAlias has them. Without it "default" is refused with 404.
func WithDefaultModel(model string) Option { return func(c *config) { c.defaultModel = model } }

// WithHome sets the provider of bare model names on a format's routes. The
// defaults are "openai" for OpenAI Chat and Responses, "anthropic" for Anthropic
// and "google-ai-studio" for Gemini; where the home is not configured, bare
// names are refused with 404.
func WithHome(f translate.Format, providerName string) Option {
	return func(c *config) { c.homes[f] = providerName }
}

// WithTransport sets what sends requests to providers, the gateway's included.
// The default is a copy of http.DefaultTransport with more idle connections and
// without compression. A transport must be safe for concurrent use, and must not
// follow redirects or retry by itself.
func WithTransport(rt http.RoundTripper) Option { return func(c *config) { c.transport = rt } }

// WithLogger sets the logger of one record for each request; the default
// discards. It is told neither content nor credentials. The pool has a logger of
// its own (rotate.WithLogger).
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// WithObserver adds an observer. Observers are called in the order in which
// they were added.
func WithObserver(o Observer) Option {
	return func(c *config) { c.observers = append(c.observers, &o) }
}

// WithLimits sets the bounds on memory.
func WithLimits(l Limits) Option { return func(c *config) { c.Limits = l } }

// WithHeapReserve sets how many bytes of heap the Proxy holds without ever
// touching them, so that Go's collector, which runs whenever the heap has grown
// by as much as it holds, runs less often: requests cost a tenth less CPU time,
// and up to that many bytes more of memory. The default is 16 MiB; 0 or less
// holds none. None is held while hundreds of requests are open, nor where GOGC or
// GOMEMLIMIT is set when New is called: that is for the host to decide.
func WithHeapReserve(bytes int) Option { return func(c *config) { c.heapReserve = max(bytes, 0) } }

// WithTimeouts sets the bounds on time.
func WithTimeouts(t Timeouts) Option { return func(c *config) { c.Timeouts = t } }

// WithRetry sets the bounds on attempts.
func WithRetry(r Retry) Option { return func(c *config) { c.Retry = r } }

// WithConcurrency bounds the requests under way.
func WithConcurrency(b Concurrency) Option { return func(c *config) { c.Concurrency = b } }

// WithOnAbort says what becomes of a provider's request when its client goes
// away.
func WithOnAbort(a OnAbort) Option { return func(c *config) { c.OnAbort = a } }

// WithStrict refuses every request that cannot be translated without loss.
// Clients ask for it one by one with the header Llmproxy-Strict: true.
func WithStrict() Option { return func(c *config) { c.strict = true } }

// WithMediaFetcher lets images and files by URL reach providers that take only
// bytes. Without one such requests are refused with 400.
func WithMediaFetcher(f MediaFetcher) Option { return func(c *config) { c.fetch = f } }

// WithGateway reaches the providers that an AI Gateway knows through it; the
// default reaches all directly. A request whose path starts with /g/{name} goes
// through another gateway of the same account.
func WithGateway(g *gateway.Gateway) Option { return func(c *config) { c.gateway = g } }

// WithAffinity tells conversations apart for the pool's policy, as
// rotate.Conversation does for rotate.Affinity. The default is not to.
func WithAffinity(f AffinityFunc) Option { return func(c *config) { c.affinity = f } }

// WithClassifier replaces the pool's own rules (rotate.WithRules) about what an
// answer means for its key and its target. The default for a KeyRotator without
// the method Classify of *rotate.Pool is rotate.Classify.
func WithClassifier(f ClassifyFunc) Option { return func(c *config) { c.classify = f } }

// WithAdmission sets the function that admits requests; nil admits all.
func WithAdmission(f AdmitFunc) Option { return func(c *config) { c.admit = f } }

// WithPrices replaces price.Default, by which the cost of exchanges is
// reckoned. With a nil table, which is not the default, no cost is known.
func WithPrices(t *price.Table) Option { return func(c *config) { c.prices = t } }

// WithCORS sets the origins that browsers may call from; the default is "*".
// Without arguments the Proxy answers no preflight and sets no CORS header.
func WithCORS(origins ...string) Option { return func(c *config) { c.cors.origins = origins } }

// WithPathPrefix names the path that the handler is mounted under, "/llm", for
// routers that do not strip it: other paths are answered with 404. The default,
// "", is for those that do.
func WithPathPrefix(prefix string) Option {
	return func(c *config) {
		prefix = strings.TrimSuffix(prefix, "/")
		if prefix != "" && !strings.HasPrefix(prefix, "/") {
			c.fault("WithPathPrefix: the prefix must start with a slash")
		}
		c.prefix = prefix
	}
}

// WithClock sets the clock of records and of the cache, for tests; the default
// is time.Now. The pool's is rotate.WithClock.
func WithClock(now func() time.Time) Option { return func(c *config) { c.clock = now } }

func (c *config) fault(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("llmproxy: "+format, args...))
}

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// reserved are first path segments that are routes.
var reserved = []string{
	"key", "g", "v1", "v1beta", "v1alpha", "chat", "responses", "messages", "embeddings", "models", "completions", "images", "audio", "moderations", "rerank", "compat", "ping", "status",
}

// finish fills in defaults and checks the whole.
func (c *config) finish() error {
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	setDefault(&c.Limits.RequestBody, 64<<20)
	setDefault(&c.Limits.ResponseBody, 64<<20)
	setDefault(&c.Limits.ErrorBody, 1<<20)
	setDefault(&c.Limits.Replay, 1<<20)
	setDefault(&c.Limits.ResponseHeader, 1<<20)
	setDefault(&c.Limits.Event, sse.DefaultMaxEvent)
	setDefault(&c.Limits.Inflated, 256<<20)
	setDefault(&c.Limits.JSONDepth, jsonx.MaxDepth)
	setDefault(&c.Timeouts.Connect, 10*time.Second)
	setDefault(&c.Timeouts.ResponseHeader, 15*time.Minute)
	setDefault(&c.Timeouts.FirstContent, 15*time.Minute)
	setDefault(&c.Timeouts.Idle, 15*time.Minute)
	setDefault(&c.Retry.Attempts, 4)
	setDefault(&c.Retry.Time, 2*time.Minute)
	setDefault(&c.Retry.Streak, 5)
	setDefault(&c.Concurrency.Wait, 10*time.Second)
	setDefault(&c.OnAbort.Bytes, 1<<20)

	checked := map[string]any{"WithLimits": c.Limits, "WithRetry": c.Retry, "WithConcurrency": c.Concurrency, "WithOnAbort": c.OnAbort}
	if c.Cache != nil {
		setDefault(&c.Cache.Bytes, 64<<20)
		setDefault(&c.Cache.EntryBytes, 1<<20)
		setDefault(&c.Cache.TTL, 5*time.Minute)
		checked["WithCache"] = *c.Cache
	}
	v := validator.New(validator.WithRequiredStructEnabled())
	for name, s := range checked {
		var faults validator.ValidationErrors
		if errors.As(v.Struct(s), &faults) {
			for _, f := range faults {
				c.fault("%s: %s must be %s %s", name, f.Field(), f.Tag(), f.Param())
			}
		}
	}
	if len(c.providers) == 0 && c.fallback != nil {
		c.providers = []provider.Provider{c.fallback}
	}
	if len(c.providers) == 0 {
		c.fault("no provider is configured; add one with WithProvider or a key with FromEnv")
	}
	known := map[string]bool{}
	for _, p := range c.providers {
		n := p.Name()
		known[n] = true
		if !providerName.MatchString(n) {
			c.fault("provider name %q: must match %s", n, providerName)
		} else if slices.Contains(reserved, n) {
			c.fault("provider name %q is the name of a route", n)
		}
	}
	c.checkTargets(known)
	if c.store == nil && c.rotator == nil {
		for n := range c.keys {
			if !known[n] {
				c.fault("WithKeys: no provider %q", n)
			}
		}
		c.store = rotate.Static(c.keys)
	}
	if c.rotator == nil {
		c.rotator = rotate.NewPool(c.store, c.poolOptions...)
	}
	if c.classify == nil {
		c.classify = rotate.Classify
		if own, ok := c.rotator.(classifier); ok { // with the rules of rotate.WithRules
			c.classify = own.Classify
		}
	}
	if c.auth == nil {
		switch {
		case len(c.proxyKeys) > 0:
			c.auth = keyAuth(c.proxyKeys)
		case c.open:
			c.auth = func(*http.Request) (string, error) { return "", nil }
		case c.refuse:
			c.logger.Warn("llmproxy: PROXY_API_KEY is not set and DEV is not true: every request will be refused")
			c.auth = refuseAll
		default:
			c.fault("no authentication: use WithProxyKeys (PROXY_API_KEY), WithAuth or WithoutAuth (DEV=true)")
		}
	}
	if g := c.gateway; g != nil && g.Account == "" {
		c.fault("WithGateway: the account is empty")
	}
	if c.transport == nil {
		c.transport = defaultTransport(c.Timeouts, c.Limits.ResponseHeader)
	}
	return errors.Join(c.errs...)
}

// checkTargets finds names of models that lead nowhere: one of an alias's
// targets would fail all of its requests.
func (c *config) checkTargets(known map[string]bool) {
	check := func(option, target string) {
		name, _, found := strings.Cut(strings.TrimPrefix(target, "models/"), "/")
		if other, ok := c.names[name]; ok {
			name = other
		}
		if found && !known[name] {
			c.fault("%s: %q: no provider %q is configured", option, target, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.aliases)) {
		for _, target := range c.aliases[name] {
			check("WithAlias", target)
		}
	}
	if c.aliases[c.defaultModel] == nil {
		check("WithDefaultModel (DEFAULT_MODEL)", c.defaultModel)
	}
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
