package llmproxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Observer is told what happens. Any of its functions may be nil. They are
// called on the request's goroutine, so they must be quick, and concurrently for
// different requests; what they are given is theirs only during the call, to
// read. The context is the request's; Exchange's does not end with it.
type Observer struct {
	// Attempt is called after each attempt; the Exchange is as far as it is known.
	Attempt func(ctx context.Context, x *Exchange, a *Attempt)
	// Exchange is called once for each request, at its end, those included that
	// were refused or asked no provider.
	Exchange func(ctx context.Context, x *Exchange)
}

// Exchange is the record of one request. It holds no content and no
// credential.
type Exchange struct {
	ID        string // the request's ID: the client's X-Request-Id, or a new one
	Method    string // of the request, as the client wrote it
	Route     string // "/v1/chat/completions", "/openai/…"
	Principal string // who asked, as the host's AuthFunc says

	ClientFormat   translate.Format
	ProviderFormat translate.Format // empty where nothing was asked of a provider
	Provider       string           // that served it, or that was tried last
	ModelAsked     string
	Model          string // at the provider
	Key            string // the ID of the key that served it
	Gateway        string // the gateway it went through
	Stream         bool

	Attempts []Attempt
	Losses   []translate.Loss

	Status     int              // HTTP status that the client saw
	Start      time.Time        // when the request came
	FirstByte  time.Duration    // from Start to the answer's first content; 0: none
	Duration   time.Duration    // from Start to the end of the answer
	BytesIn    int64            // of the request's body, as far as it was read
	BytesOut   int64            // of the answer's body
	Usage      *translate.Usage // nil: not known
	UsageFrom  UsageSource
	Cost       price.USD // of Usage; meaningful only where Priced
	Priced     bool      // the usage is known, and the model has a price
	Finish     translate.Finish
	Aborted    bool   // the client went away
	Cached     bool   // the answer is one that was kept: no provider was asked (WithCache)
	Err        error  // what failed; for the log, not for clients
	ResponseID string // the provider's ID of the answer

	// ResponseModel is the model that answered, as the provider names it,
	// which may differ from Model: "gpt-4o" is answered by "gpt-4o-2024-08-06".
	ResponseModel string
}

// UsageSource tells where a usage record comes from.
type UsageSource string

// The sources.
const (
	// UsageNone: there is no record. The provider told none, or answered
	// nothing; pass-through is not read.
	UsageNone UsageSource = "none"
	// UsageUpstream: the provider's own figures for the whole answer.
	UsageUpstream UsageSource = "upstream"
	// UsageEstimated: the stream ended before its provider told its usage,
	// because the client left or the provider broke off. What was told so far
	// holds, as Anthropic's input tokens. The rest is a token for each 4 bytes
	// of text: for the output of the text that came from the provider, also
	// where it no longer reached the client, for the input of the request's
	// body. An image or a file in it counts 1,000.
	UsageEstimated UsageSource = "estimated"
)

// Attempt is one request sent, or meant to be sent, to a provider.
type Attempt struct {
	Provider string
	Model    string
	Format   translate.Format
	Key      string // ID
	Host     string // the provider's, with the port where it is not 443, also behind a gateway; empty: unknown
	Status   int    // the provider's; 0: no answer
	Class    rotate.Class
	Start    time.Time
	Duration time.Duration // to the end of the answer
	Gateway  gateway.Info  // what the gateway says of it; zero where there was none
	Err      error
}

func (x *exchange) finish() {
	now := x.p.now()
	x.rec.Duration = now.Sub(x.start)
	x.rec.Aborted = x.rec.Aborted || x.gone.Load()
	x.estimate()
	if x.rec.UsageFrom == "" {
		x.rec.UsageFrom = UsageNone
		if x.rec.Usage != nil {
			x.rec.UsageFrom = UsageUpstream
		}
	}
	if x.rec.Cached {
		x.rec.Priced = true // at nothing
	} else {
		x.rec.Cost, x.rec.Priced = x.p.prices.Cost(x.rec.Provider, x.rec.Model, x.rec.Usage)
	}
	x.settle()
	ctx := context.WithoutCancel(x.r.Context())
	for _, o := range x.p.observers {
		if o.Exchange != nil {
			o.Exchange(ctx, &x.rec)
		}
	}
	if x.rec.Provider != "" || x.rec.Err != nil { // the status page is not told of itself
		x.p.history.add(&x.rec, now)
	}
	x.log(ctx)
	x.release()
}

func (x *exchange) log(ctx context.Context) {
	level := slog.LevelInfo
	switch {
	case x.rec.Err != nil && x.rec.Status >= 500:
		level = slog.LevelWarn
	case x.rec.Err == nil && x.rec.Route == "/ping": // probes, every few seconds
		level = slog.LevelDebug
	}
	if !x.p.logger.Enabled(ctx, level) {
		return
	}
	r := &x.rec
	attrs := []slog.Attr{
		slog.String("id", r.ID), slog.String("route", r.Route), slog.Int("status", r.Status), slog.Duration("duration", r.Duration),
	}
	if r.Principal != "" {
		attrs = append(attrs, slog.String("principal", r.Principal))
	}
	if r.Provider != "" {
		attrs = append(attrs,
			slog.String("provider", r.Provider), slog.String("model_asked", r.ModelAsked), slog.String("model", r.Model), slog.String("key", r.Key),
			slog.String("client_format", string(r.ClientFormat)), slog.String("provider_format", string(r.ProviderFormat)),
			slog.Bool("stream", r.Stream), slog.Int("attempts", len(r.Attempts)), slog.Duration("first_byte", r.FirstByte),
			slog.Int64("bytes_in", r.BytesIn), slog.Int64("bytes_out", r.BytesOut), slog.String("usage_from", string(r.UsageFrom)))
	}
	if u := r.Usage; u != nil {
		attrs = append(attrs, slog.Int64("input_tokens", u.TotalInput()), slog.Int64("output_tokens", u.TotalOutput()), slog.Int64("cache_read_tokens", u.CacheRead))
		if r.Priced {
			attrs = append(attrs, slog.Float64("cost_usd", r.Cost.Dollars()))
		}
	}
	if len(r.Losses) > 0 {
		attrs = append(attrs, slog.Int("losses", len(r.Losses)))
	}
	if r.Cached {
		attrs = append(attrs, slog.Bool("cached", true))
	}
	if r.Aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.String("error", r.Err.Error()))
	}
	x.p.logger.LogAttrs(ctx, level, "exchange", attrs...)
}
