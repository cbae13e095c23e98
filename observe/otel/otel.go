// Package otel gives a host OpenTelemetry traces and metrics of every exchange
// of its proxy, by the semantic conventions for generative AI.
//
//	observer, err := otel.New(otel.Options{TracerProvider: tp, MeterProvider: mp})
//	if err != nil {
//		log.Fatal(err)
//	}
//	proxy, err := llmproxy.New(llmproxy.WithObserver(observer))
//
// An exchange is one span, and each of its attempts a CLIENT span below it,
// named "chat gpt-4o" by the convention. Both hold what the exchange's record
// does: names, numbers and IDs. Neither what was said nor a credential is ever
// recorded, and of an error only its class is.
//
// # Convention
//
// The names are those of version 1.41.0 of the conventions, the last one with
// these names that was published: since then they are worked on apart, at
// github.com/open-telemetry/semantic-conventions-genai. What the conventions
// have no name for starts with "llmproxy.".
//
// Metrics; the histograms have the convention's bounds:
//
//   - gen_ai.client.operation.duration: each attempt, in seconds
//   - gen_ai.client.operation.time_to_first_chunk: streams, from the attempt's
//     start to its first content, in seconds
//   - gen_ai.client.token.usage: the answer's tokens as the provider counted
//     them, input and output apart; nothing where it told none
//   - llmproxy.cost.usd: a counter of what these tokens cost, in US dollars; nothing
//     for a model without a price
//   - llmproxy.exchange.duration: each exchange as its client saw it, with all
//     of its attempts, in seconds
//
// The attribute error.type is an HTTP status ("429"), or else one of
// translate.ErrorKind ("timeout", "upstream", "canceled", …), or "_OTHER".
//
// # The request's trace
//
// Spans are made when an exchange is over, with the times that its record has,
// below the span in the request's context. Where that is the span of a handler
// in front, such as otelhttp's, the exchange's span is INTERNAL; else it is a
// SERVER span. A trace that the client is in goes on if something in front
// reads the traceparent header, as otelhttp does. Without it, this does:
//
//	http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
//		proxy.ServeHTTP(w, r.WithContext(ctx))
//	})
//
// A provider gets the traceparent that the client sent, if it sent one, not
// that of the attempt: the attempt's span is made afterwards. Where providers
// are to be told of a span of this process, give the proxy a transport that
// makes one for each request and puts it into the header, such as otelhttp's.
package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/genaiconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-llmproxy/llmproxy"
)

const scope = "github.com/go-llmproxy/llmproxy/observe/otel"

// Options say where spans and measurements go. The zero Options use
// OpenTelemetry's global providers.
type Options struct {
	// TracerProvider makes the spans; nil: otel.GetTracerProvider(). The
	// package go.opentelemetry.io/otel/trace/noop has one that makes none.
	TracerProvider trace.TracerProvider
	// MeterProvider takes the measurements; nil: otel.GetMeterProvider(). The
	// package go.opentelemetry.io/otel/metric/noop has one that takes none.
	MeterProvider metric.MeterProvider
}

// observer is what New's functions share.
type observer struct {
	tracer trace.Tracer

	duration   genaiconv.ClientOperationDuration
	firstChunk genaiconv.ClientOperationTimeToFirstChunk
	tokens     genaiconv.ClientTokenUsage
	cost       metric.Float64Counter
	exchanges  metric.Float64Histogram
}

// The bounds of the convention's histograms
// (github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-metrics.md).
var (
	secondsBounds = []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	tokensBounds  = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
)

// New returns an observer for llmproxy.WithObserver. It may be given to any
// number of proxies. Its error is the MeterProvider's, which refused an
// instrument.
//
// Exchanges that asked no provider and did not fail are left out: a probe of
// /ping, a look at /status, a list of models. The observer starts no goroutine
// and holds nothing that must be closed; the providers are the host's to shut
// down.
func New(o Options) (llmproxy.Observer, error) {
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	t := &observer{tracer: o.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))}
	m := o.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	seconds := metric.WithExplicitBucketBoundaries(secondsBounds...)
	var errs [5]error
	t.duration, errs[0] = genaiconv.NewClientOperationDuration(m, seconds)
	t.firstChunk, errs[1] = genaiconv.NewClientOperationTimeToFirstChunk(m, seconds)
	t.tokens, errs[2] = genaiconv.NewClientTokenUsage(m, metric.WithExplicitBucketBoundaries(tokensBounds...))
	t.cost, errs[3] = m.Float64Counter("llmproxy.cost.usd", metric.WithUnit("{USD}"), metric.WithDescription("Cost of the tokens used, where the model has a price."))
	t.exchanges, errs[4] = m.Float64Histogram("llmproxy.exchange.duration", seconds, metric.WithUnit("s"),
		metric.WithDescription("Duration of an exchange as its client saw it, with all of its attempts."))
	if err := errors.Join(errs[:]...); err != nil {
		return llmproxy.Observer{}, err
	}
	return llmproxy.Observer{Exchange: t.exchange}, nil
}

// exchange makes the spans and the measurements of an exchange.
func (t *observer) exchange(ctx context.Context, x *llmproxy.Exchange) {
	if x.Provider == "" && x.Err == nil {
		return
	}
	method := methodOf(x)
	kind := trace.SpanKindServer
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !parent.IsRemote() {
		kind = trace.SpanKindInternal
	}
	name := method.Value.AsString() + " " + x.Route
	if method == semconv.HTTPRequestMethodOther {
		name = "HTTP " + x.Route
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithTimestamp(x.Start), trace.WithSpanKind(kind), trace.WithAttributes(method, routeKey.String(x.Route)))
	for i := range x.Attempts {
		var got answer
		if i == len(x.Attempts)-1 {
			got = answerOf(x, &x.Attempts[i])
		}
		t.attempt(ctx, x, &x.Attempts[i], got)
	}
	failure := exchangeError(x)
	if span.IsRecording() {
		span.SetAttributes(exchangeAttributes(x)...)
		if failure != "" {
			span.SetAttributes(semconv.ErrorTypeKey.String(failure))
			if !clientFault(x) {
				span.SetStatus(codes.Error, failure)
			}
		}
	}
	span.End(trace.WithTimestamp(x.Start.Add(x.Duration)))

	if !t.exchanges.Enabled(ctx) {
		return
	}
	attrs := []attribute.KeyValue{routeKey.String(x.Route), semconv.HTTPResponseStatusCode(x.Status)}
	if x.Provider != "" {
		attrs = append(attrs, semconv.GenAIProviderNameKey.String(providerName(x.Provider)))
	}
	if failure != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(failure))
	}
	t.exchanges.Record(ctx, x.Duration.Seconds(), metric.WithAttributeSet(attribute.NewSet(attrs...)))
}

// attempt makes the span and the measurements of an attempt.
func (t *observer) attempt(ctx context.Context, x *llmproxy.Exchange, a *llmproxy.Attempt, got answer) {
	op := operation(x, a)
	name := op
	attrs := append(make([]attribute.KeyValue, 0, 24), semconv.GenAIOperationNameKey.String(op), semconv.GenAIProviderNameKey.String(providerName(a.Provider)))
	if a.Model != "" {
		name = op + " " + a.Model
		attrs = append(attrs, semconv.GenAIRequestModel(a.Model))
	}
	if host, port := address(a.Host); host != "" {
		attrs = append(attrs, semconv.ServerAddress(host), semconv.ServerPort(port))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithTimestamp(a.Start), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	attrs = appendStrings(attrs, semconv.GenAIResponseModel(got.model))
	failure := attemptError(a)
	t.measure(ctx, a, attrs, failure, got)
	if span.IsRecording() {
		if failure != "" {
			attrs = append(attrs, semconv.ErrorTypeKey.String(failure))
			span.SetStatus(codes.Error, failure)
		}
		span.SetAttributes(appendAnswer(appendAttempt(attrs, x, a), got)...)
	}
	span.End(trace.WithTimestamp(a.Start.Add(a.Duration)))
}

// measure takes the measurements of an attempt. Only that of its duration has
// the failure among its attributes.
func (t *observer) measure(ctx context.Context, a *llmproxy.Attempt, attrs []attribute.KeyValue, failure string, got answer) {
	with := func(more ...attribute.KeyValue) attribute.Set {
		return attribute.NewSet(append(attrs[:len(attrs):len(attrs)], more...)...)
	}
	if t.duration.Enabled(ctx) {
		if failure != "" {
			t.duration.RecordSet(ctx, a.Duration.Seconds(), with(semconv.ErrorTypeKey.String(failure)))
		} else {
			t.duration.RecordSet(ctx, a.Duration.Seconds(), with())
		}
	}
	if got.first > 0 && t.firstChunk.Enabled(ctx) {
		t.firstChunk.RecordSet(ctx, got.first.Seconds(), with())
	}
	if u := got.usage; u != nil && !got.estimated && t.tokens.Enabled(ctx) {
		t.tokens.RecordSet(ctx, u.TotalInput(), with(semconv.GenAITokenTypeInput))
		t.tokens.RecordSet(ctx, u.TotalOutput(), with(semconv.GenAITokenTypeOutput))
	}
	if got.priced && !got.estimated && t.cost.Enabled(ctx) {
		t.cost.Add(ctx, got.cost, metric.WithAttributeSet(with()))
	}
}
