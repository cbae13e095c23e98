package otel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	global "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/genaiconv"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/observe/otel"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// record returns an exchange in which everything is told that can be: a stream
// after a failure, through a gateway, broken off in the end.
func record() *llmproxy.Exchange {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &llmproxy.Exchange{
		ID: "req-1", Method: "POST", Route: "/v1/messages", Principal: "alice", ClientFormat: translate.Anthropic, ProviderFormat: translate.OpenAI,
		Provider: "azure-openai", ModelAsked: "smart", Model: "gpt-4o", Key: "key-2", Gateway: "gw", Stream: true,
		Attempts: []llmproxy.Attempt{
			{Provider: "grok", Model: "grok-4", Format: translate.Responses, Key: "key-1", Host: "api.x.ai", Status: 429, Class: rotate.RateLimited, Start: start.Add(time.Millisecond), Duration: 100 * time.Millisecond, Err: errors.New("canary")},
			{Provider: "azure-openai", Model: "gpt-4o", Format: translate.OpenAI, Key: "key-2", Host: "[::1]:8443", Status: 200, Class: rotate.TargetFault, Start: start.Add(200 * time.Millisecond), Duration: 1500 * time.Millisecond,
				Gateway: gateway.Info{LogID: "log-1", CacheStatus: "MISS"}, Err: &translate.Error{Kind: translate.Timeout, Message: "canary", Body: []byte("canary")}},
		},
		Losses: []translate.Loss{{Path: "messages[0].canary", Reason: "canary"}},
		Status: 200, Start: start, FirstByte: 450 * time.Millisecond, Duration: 2 * time.Second, BytesIn: 300, BytesOut: 900,
		Usage: &translate.Usage{Input: 10, CacheRead: 20, CacheWrite: 30, Output: 40, Reasoning: 50}, UsageFrom: llmproxy.UsageUpstream, Cost: 3 * price.Dollar / 4, Priced: true,
		Finish: translate.Finish{Reason: translate.FinishError, Message: "canary", StopSequence: "canary"}, Aborted: true,
		Err: errors.New("canary"), ResponseID: "resp-1", ResponseModel: "gpt-4o-2024-08-06",
	}
}

// observe has an observer told of exchanges, and returns what became of them.
func observe(tb testing.TB, exchanges ...*llmproxy.Exchange) ([]sdktrace.ReadOnlySpan, []metricdata.Metrics) {
	tb.Helper()
	spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
	observer, err := otel.New(otel.Options{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	for _, x := range exchanges {
		observer.Exchange(context.Background(), x)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		tb.Fatal(err)
	}
	if len(all.ScopeMetrics) != 1 || all.ScopeMetrics[0].Scope.SchemaURL != semconv.SchemaURL {
		tb.Fatalf("scopes %+v, want one of %s", all.ScopeMetrics, semconv.SchemaURL)
	}
	return spans.Ended(), all.ScopeMetrics[0].Metrics
}

// The spans' names, kinds and attributes, as the convention's page on spans
// lists them
// (github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-spans.md),
// against the constants of its package.
func TestSpansFollowTheConvention(t *testing.T) {
	published := map[attribute.Key]struct {
		page string
		kind attribute.Type
	}{
		semconv.GenAIOperationNameKey:                 {"gen_ai.operation.name", attribute.STRING},
		semconv.GenAIProviderNameKey:                  {"gen_ai.provider.name", attribute.STRING},
		semconv.GenAIRequestModelKey:                  {"gen_ai.request.model", attribute.STRING},
		semconv.GenAIRequestStreamKey:                 {"gen_ai.request.stream", attribute.BOOL},
		semconv.GenAIResponseModelKey:                 {"gen_ai.response.model", attribute.STRING},
		semconv.GenAIResponseIDKey:                    {"gen_ai.response.id", attribute.STRING},
		semconv.GenAIResponseFinishReasonsKey:         {"gen_ai.response.finish_reasons", attribute.STRINGSLICE},
		semconv.GenAIResponseTimeToFirstChunkKey:      {"gen_ai.response.time_to_first_chunk", attribute.FLOAT64},
		semconv.GenAIUsageInputTokensKey:              {"gen_ai.usage.input_tokens", attribute.INT64},
		semconv.GenAIUsageOutputTokensKey:             {"gen_ai.usage.output_tokens", attribute.INT64},
		semconv.GenAIUsageCacheReadInputTokensKey:     {"gen_ai.usage.cache_read.input_tokens", attribute.INT64},
		semconv.GenAIUsageCacheCreationInputTokensKey: {"gen_ai.usage.cache_creation.input_tokens", attribute.INT64},
		semconv.GenAIUsageReasoningOutputTokensKey:    {"gen_ai.usage.reasoning.output_tokens", attribute.INT64},
		semconv.ErrorTypeKey:                          {"error.type", attribute.STRING},
		semconv.ServerAddressKey:                      {"server.address", attribute.STRING},
		semconv.ServerPortKey:                         {"server.port", attribute.INT64},
		semconv.HTTPResponseStatusCodeKey:             {"http.response.status_code", attribute.INT64},
		semconv.HTTPRequestMethodKey:                  {"http.request.method", attribute.STRING},
		semconv.HTTPRequestBodySizeKey:                {"http.request.body.size", attribute.INT64},
		semconv.HTTPResponseBodySizeKey:               {"http.response.body.size", attribute.INT64},
	}
	spans, _ := observe(t, record())
	seen := map[attribute.Key]bool{}
	for _, s := range spans {
		for _, kv := range s.Attributes() {
			seen[kv.Key] = true
			p, ok := published[kv.Key]
			switch {
			case strings.HasPrefix(string(kv.Key), "llmproxy."):
			case !ok:
				t.Errorf("span %q has %s, which is nobody's", s.Name(), kv.Key)
			case p.page != string(kv.Key) || p.kind != kv.Value.Type():
				t.Errorf("span %q has %s as %v; the convention has %s as %v", s.Name(), kv.Key, kv.Value.Type(), p.page, p.kind)
			}
		}
	}
	for key := range published {
		if !seen[key] {
			t.Errorf("no span has %s", key)
		}
	}
	var names []string
	for _, s := range spans {
		names = append(names, s.SpanKind().String()+" "+s.Name())
	}
	if want := []string{"client chat grok-4", "client chat gpt-4o", "server POST /v1/messages"}; !slices.Equal(names, want) {
		t.Errorf("spans %q, want %q", names, want)
	}
	has(t, spans[0], map[string]string{"gen_ai.provider.name": "x_ai", "server.address": "api.x.ai", "server.port": "443", "gen_ai.response.id": ""})
	has(t, spans[1], map[string]string{
		"gen_ai.provider.name": "azure.ai.openai", "server.address": "::1", "server.port": "8443", "gen_ai.response.time_to_first_chunk": "0.25", "error.type": "timeout",
		"gen_ai.usage.input_tokens": "60", "gen_ai.usage.output_tokens": "90", "llmproxy.gateway.log_id": "log-1", "llmproxy.gateway.cache_status": "MISS",
		"llmproxy.cost.usd": "0.75",
	})
	has(t, spans[2], map[string]string{"llmproxy.principal": "alice", "llmproxy.losses": "1", "llmproxy.gateway": "gw", "llmproxy.request.id": "req-1"})
}

// Tokens that are estimated are marked in spans, and do not count in metrics,
// which hold what providers counted.
func TestEstimatedUsage(t *testing.T) {
	x := record()
	x.UsageFrom = llmproxy.UsageEstimated
	spans, metrics := observe(t, x)
	has(t, spans[1], map[string]string{"llmproxy.usage.estimated": "true", "gen_ai.usage.output_tokens": "90", "llmproxy.cost.usd": "0.75"})
	for _, m := range metrics {
		if m.Name == "gen_ai.client.token.usage" || m.Name == "llmproxy.cost.usd" {
			t.Errorf("%s: %+v", m.Name, m.Data)
		}
	}
	spans, _ = observe(t, record())
	has(t, spans[1], map[string]string{"llmproxy.usage.estimated": ""})
}

// The instruments, as the convention's page on metrics lists them
// (…/v1.41.0/docs/gen-ai/gen-ai-metrics.md), against its package.
func TestMetricsFollowTheConvention(t *testing.T) {
	seconds := []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	tokens := []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	common := []string{"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model", "server.address", "server.port"}
	published := map[string]struct {
		conv interface {
			Name() string
			Unit() string
			Description() string
		}
		unit       string
		bounds     []float64
		attributes []string
		required   []string // of every point
		points     int
	}{
		"gen_ai.client.operation.duration":            {genaiconv.ClientOperationDuration{}, "s", seconds, append(common, "error.type"), common[:3], 2},
		"gen_ai.client.operation.time_to_first_chunk": {genaiconv.ClientOperationTimeToFirstChunk{}, "s", seconds, common, common[:3], 1},
		"gen_ai.client.token.usage":                   {genaiconv.ClientTokenUsage{}, "{token}", tokens, append(common, "gen_ai.token.type"), append(common[:3:3], "gen_ai.token.type"), 2},
		"llmproxy.cost.usd":                           {nil, "{USD}", nil, common, common[:3], 1},
		"llmproxy.exchange.duration":                  {nil, "s", seconds, []string{"llmproxy.route", "http.response.status_code", "error.type", "gen_ai.provider.name"}, []string{"llmproxy.route"}, 1},
	}
	_, metrics := observe(t, record())
	if len(metrics) != len(published) {
		t.Errorf("%d metrics, want %d", len(metrics), len(published))
	}
	for _, m := range metrics {
		want, ok := published[m.Name]
		if !ok {
			t.Errorf("%s is nobody's", m.Name)
			continue
		}
		if m.Unit != want.unit || want.conv != nil && (m.Name != want.conv.Name() || m.Unit != want.conv.Unit() || m.Description != want.conv.Description()) {
			t.Errorf("%s in %s: %s; want %+v in %s", m.Name, m.Unit, m.Description, want.conv, want.unit)
		}
		n := 0
		check := func(set attribute.Set, bounds []float64) {
			n++
			if !slices.Equal(bounds, want.bounds) {
				t.Errorf("%s has the bounds %v, want %v", m.Name, bounds, want.bounds)
			}
			for _, kv := range set.ToSlice() {
				if !slices.Contains(want.attributes, string(kv.Key)) {
					t.Errorf("%s has the attribute %s", m.Name, kv.Key)
				}
			}
			for _, key := range want.required {
				if _, ok := set.Value(attribute.Key(key)); !ok {
					t.Errorf("%s lacks the attribute %s: %s", m.Name, key, encode(set))
				}
			}
		}
		switch d := m.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, p := range d.DataPoints {
				check(p.Attributes, p.Bounds)
			}
		case metricdata.Histogram[int64]:
			for _, p := range d.DataPoints {
				check(p.Attributes, p.Bounds)
			}
		case metricdata.Sum[float64]:
			for _, p := range d.DataPoints {
				check(p.Attributes, nil)
			}
			if !d.IsMonotonic {
				t.Errorf("%s may fall", m.Name)
			}
		default:
			t.Errorf("%s is a %T", m.Name, d)
		}
		if n != want.points {
			t.Errorf("%s has %d points, want %d", m.Name, n, want.points)
		}
	}
	for _, m := range metrics { // the values
		got, want := points(m), 0.0
		switch m.Name {
		case "gen_ai.client.operation.duration":
			want = 1.6
		case "gen_ai.client.operation.time_to_first_chunk":
			want = 0.25
		case "gen_ai.client.token.usage":
			want = 150
		case "llmproxy.cost.usd":
			want = 0.75
		case "llmproxy.exchange.duration":
			want = 2
		}
		sum := 0.0
		for _, p := range got {
			sum += p[1]
		}
		if sum < want-1e-9 || sum > want+1e-9 {
			t.Errorf("%s adds up to %v, want %v", m.Name, sum, want)
		}
	}
}

// The convention's name of each provider, where it has one; else its own.
func TestProviderNames(t *testing.T) {
	for name, want := range map[string]attribute.KeyValue{
		"openai": semconv.GenAIProviderNameOpenAI, "anthropic": semconv.GenAIProviderNameAnthropic, "cohere": semconv.GenAIProviderNameCohere,
		"deepseek": semconv.GenAIProviderNameDeepseek, "groq": semconv.GenAIProviderNameGroq, "perplexity": semconv.GenAIProviderNamePerplexity,
		"google-ai-studio": semconv.GenAIProviderNameGCPGemini, "google-vertex-ai": semconv.GenAIProviderNameGCPVertexAI,
		"aws-bedrock": semconv.GenAIProviderNameAWSBedrock, "azure-openai": semconv.GenAIProviderNameAzureAIOpenAI,
		"mistral": semconv.GenAIProviderNameMistralAI, "grok": semconv.GenAIProviderNameXAI,
		"cerebras": {}, "openrouter": {}, "workers-ai": {}, "huggingface": {}, "replicate": {}, "ollama": {}, "demo": {}, "my-own": {},
	} {
		x := record()
		x.Attempts = x.Attempts[1:]
		x.Attempts[0].Provider = name
		spans, _ := observe(t, x)
		if !want.Valid() {
			want = semconv.GenAIProviderNameKey.String(name)
		}
		has(t, spans[0], map[string]string{string(want.Key): want.Value.AsString()})
	}
}

func TestOperations(t *testing.T) {
	for _, tt := range []struct {
		route, want string
		format      translate.Format
	}{
		{"/v1/chat/completions", "chat", translate.OpenAI},
		{"/responses", "chat", translate.Anthropic},
		{"/v1/messages", "generate_content", translate.Gemini},
		{"/v1beta/models/{model}:streamGenerateContent", "generate_content", translate.Gemini},
		{"/v1beta/models/{model}:generateContent", "chat", translate.Bedrock},
		{"/v1/embeddings", "embeddings", ""},
		{"/v1beta/models/{model}:batchEmbedContents", "embeddings", ""},
		{"/completions", "text_completion", ""},
		{"/v1/messages/count_tokens", "count_tokens", translate.Gemini},
		{"/v1/images/generations", "image", ""},
		{"/audio/speech", "audio", ""},
		{"/openai/…", "request", ""},
	} {
		x := record()
		x.Route = tt.route
		x.Attempts[0].Format = tt.format
		spans, _ := observe(t, x)
		if spans[0].Name() != tt.want+" grok-4" {
			t.Errorf("%s in format %q is %q, want %s", tt.route, tt.format, spans[0].Name(), tt.want)
		}
	}
}

// A method is any word that a client writes; a name and an attribute are not.
func TestInventedMethod(t *testing.T) {
	x := record()
	x.Method = "BREW"
	spans, _ := observe(t, x)
	if top := spans[len(spans)-1]; top.Name() != "HTTP /v1/messages" {
		t.Errorf("the span is %q", top.Name())
	} else {
		has(t, top, map[string]string{"http.request.method": "_OTHER"})
	}
}

// Texts of errors and losses may quote what was said.
func TestNoContent(t *testing.T) {
	x := record()
	y := record()
	y.Aborted, y.Status, y.Err = false, 200, fmt.Errorf("broke off: %w", &translate.Error{Kind: translate.Upstream, Message: "canary", Err: errors.New("canary")})
	spans, metrics := observe(t, x, y)
	var b bytes.Buffer
	for _, s := range tracetest.SpanStubsFromReadOnlySpans(spans) {
		fmt.Fprintf(&b, "%s %v %+v %+v\n", s.Name, s.Attributes, s.Status, s.Events)
	}
	if err := json.NewEncoder(&b).Encode(metrics); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "canary") || !strings.Contains(b.String(), "key-2") {
		t.Errorf("told: %s", b.String())
	}
}

// The zero Options use the global providers.
func TestGlobalProviders(t *testing.T) {
	spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
	global.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	global.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	t.Cleanup(func() {
		global.SetTracerProvider(tracenoop.NewTracerProvider())
		global.SetMeterProvider(metricnoop.NewMeterProvider())
	})
	observer, err := otel.New(otel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	observer.Exchange(t.Context(), record())
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(spans.Ended()) != 3 || len(all.ScopeMetrics) != 1 {
		t.Errorf("%d spans, %d scopes of metrics", len(spans.Ended()), len(all.ScopeMetrics))
	}
}

// The observer starts no goroutine: the bubble would wait for it for ever.
func TestNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { observe(t, record()) })
}

func BenchmarkExchange(b *testing.B) {
	sdk := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	for _, bb := range []struct {
		name string
		o    otel.Options
	}{
		{"none", otel.Options{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}},
		{"metrics", otel.Options{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: sdk}},
		{"unsampled", otel.Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), MeterProvider: sdk}},
		{"traces and metrics", otel.Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample())), MeterProvider: sdk}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			observer, err := otel.New(bb.o)
			if err != nil {
				b.Fatal(err)
			}
			x := record()
			x.Attempts = x.Attempts[1:] // one attempt, as most exchanges have
			b.ReportAllocs()
			for b.Loop() {
				observer.Exchange(b.Context(), x)
			}
		})
	}
}
