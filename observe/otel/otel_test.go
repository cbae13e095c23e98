package otel_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/observe/otel"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// host is a server with a proxy that tells of its exchanges.
type host struct {
	*httptest.Server
	tb     testing.TB
	tracer *sdktrace.TracerProvider
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

// newHost serves a proxy behind what front makes of it; nil: nothing.
func newHost(tb testing.TB, front func(*host, http.Handler) http.Handler, opts ...llmproxy.Option) *host {
	tb.Helper()
	h := &host{tb: tb, spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	h.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(h.spans))
	observer, err := otel.New(otel.Options{TracerProvider: h.tracer, MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader))})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := llmproxy.New(append([]llmproxy.Option{llmproxy.WithObserver(observer), llmproxy.WithProxyKeys("sk-client")}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	var handler http.Handler = p
	if front != nil {
		handler = front(h, p)
	}
	h.Server = httptest.NewServer(handler)
	tb.Cleanup(h.Close)
	return h
}

// at configures a provider that stands at url, with keys.
func at(url string, p *provider.HTTP, keys ...string) llmproxy.Option {
	p.BaseURL = url
	return llmproxy.Options(llmproxy.WithProvider(p), llmproxy.WithKeys(p.Name(), rotate.Secrets(keys...)...))
}

// send sends a request and returns its answer, unread.
func (h *host) send(ctx context.Context, method, path, body string, header ...string) *http.Response {
	h.tb.Helper()
	r, err := http.NewRequestWithContext(ctx, method, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk-client")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.tb.Fatal(err)
	}
	return resp
}

// post sends a request to a model and reads the answer to its end.
func (h *host) post(path, model, more string, header ...string) (status int, body string) {
	h.tb.Helper()
	resp := h.send(h.tb.Context(), http.MethodPost, path, `{"model":"`+model+`","max_tokens":9,"messages":[{"role":"user","content":"q"}]`+more+`}`, header...)
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // a stream may be broken off
	return resp.StatusCode, string(b)
}

// ended stops the host and returns its spans, those of attempts first.
func (h *host) ended(n int) []sdktrace.ReadOnlySpan {
	h.tb.Helper()
	h.Close() // it waits for the exchanges' ends
	spans := h.spans.Ended()
	if len(spans) != n {
		for _, s := range spans {
			h.tb.Logf("%s %v", s.Name(), s.Attributes())
		}
		h.tb.Fatalf("%d spans, want %d", len(spans), n)
	}
	return spans
}

// metrics stops the host and returns what it measured, by name.
func (h *host) metrics() map[string]metricdata.Metrics {
	h.tb.Helper()
	h.Close()
	var all metricdata.ResourceMetrics
	if err := h.reader.Collect(context.Background(), &all); err != nil {
		h.tb.Fatal(err)
	}
	byName := map[string]metricdata.Metrics{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			byName[m.Name] = m
		}
	}
	return byName
}

// points returns the count and the sum of each set of attributes (a counter's
// count is 1), the sets written as "name=value name=value" in the order of the names.
func points(m metricdata.Metrics) map[string][2]float64 {
	out := map[string][2]float64{}
	switch d := m.Data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			out[encode(p.Attributes)] = [2]float64{float64(p.Count), p.Sum}
		}
	case metricdata.Histogram[int64]:
		for _, p := range d.DataPoints {
			out[encode(p.Attributes)] = [2]float64{float64(p.Count), float64(p.Sum)}
		}
	case metricdata.Sum[float64]:
		for _, p := range d.DataPoints {
			out[encode(p.Attributes)] = [2]float64{1, p.Value}
		}
	}
	return out
}

// encode leaves out the server, whose port is another one in each run.
func encode(s attribute.Set) string {
	var out []string
	for _, kv := range s.ToSlice() {
		if kv.Key != "server.address" && kv.Key != "server.port" {
			out = append(out, string(kv.Key)+"="+kv.Value.String())
		}
	}
	return strings.Join(out, " ")
}

// has fails the test unless a span has attributes with these values, and none
// of those whose value is "".
func has(t *testing.T, s sdktrace.ReadOnlySpan, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, kv := range s.Attributes() {
		got[string(kv.Key)] = kv.Value.String()
	}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("span %q: %s is %q, want %q", s.Name(), name, got[name], v)
		}
	}
}

// below fails the test unless child is a span within parent, in place and time.
func below(t *testing.T, child, parent sdktrace.ReadOnlySpan) {
	t.Helper()
	if child.Parent().SpanID() != parent.SpanContext().SpanID() || child.SpanContext().TraceID() != parent.SpanContext().TraceID() {
		t.Errorf("span %q is not below %q", child.Name(), parent.Name())
	}
	if child.StartTime().Before(parent.StartTime()) || child.EndTime().After(parent.EndTime()) || child.EndTime().Before(child.StartTime()) {
		t.Errorf("span %q lasts from %v to %v, its parent from %v to %v", child.Name(), child.StartTime(), child.EndTime(), parent.StartTime(), parent.EndTime())
	}
}

const gpt = "gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-4o"

func TestAnswer(t *testing.T) {
	up := providertest.NewServer(t, providertest.Raw(200, "application/json", []byte(`{"id":"c1","object":"chat.completion","created":1,"model":"gpt-4o-2024-08-06",
		"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"length"}],
		"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":16},"completion_tokens_details":{"reasoning_tokens":5}}}`)))
	h := newHost(t, nil, at(up.URL, provider.OpenAI(), "sk-1"))
	if status, body := h.post("/v1/chat/completions", "openai/gpt-4o", ""); status != 200 {
		t.Fatal(status, body)
	}
	spans := h.ended(2)
	attempt, exchange := spans[0], spans[1]
	below(t, attempt, exchange)
	if attempt.Name() != "chat gpt-4o" || attempt.SpanKind() != trace.SpanKindClient || attempt.Status().Code != codes.Unset {
		t.Errorf("the attempt's span is %q, %v, %v", attempt.Name(), attempt.SpanKind(), attempt.Status())
	}
	address, port, _ := strings.Cut(strings.TrimPrefix(up.URL, "http://"), ":")
	has(t, attempt, map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.request.stream": "",
		"gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.response.id": "c1", "gen_ai.response.finish_reasons": `["length"]`,
		"gen_ai.usage.input_tokens": "20", "gen_ai.usage.output_tokens": "9", "gen_ai.usage.cache_read.input_tokens": "16",
		"gen_ai.usage.cache_creation.input_tokens": "", "gen_ai.usage.reasoning.output_tokens": "5", "gen_ai.response.time_to_first_chunk": "",
		"server.address": address, "server.port": port, "http.response.status_code": "200", "error.type": "",
		"llmproxy.outcome": "success", "llmproxy.provider.format": "openai",
	})
	if exchange.Name() != "POST /v1/chat/completions" || exchange.SpanKind() != trace.SpanKindServer || exchange.Status().Code != codes.Unset || exchange.Parent().IsValid() {
		t.Errorf("the exchange's span is %q, %v, %v, below %v", exchange.Name(), exchange.SpanKind(), exchange.Status(), exchange.Parent())
	}
	has(t, exchange, map[string]string{
		"http.request.method": "POST", "http.response.status_code": "200", "llmproxy.route": "/v1/chat/completions", "llmproxy.attempts": "1",
		"llmproxy.provider": "openai", "llmproxy.model.asked": "openai/gpt-4o", "llmproxy.client.format": "openai", "error.type": "", "llmproxy.aborted": "",
		"gen_ai.usage.input_tokens": "", "gen_ai.operation.name": "",
	})
	m := h.metrics()
	answered := gpt + " gen_ai.response.model=gpt-4o-2024-08-06"
	if got := points(m["gen_ai.client.operation.duration"]); len(got) != 1 || got[answered][0] != 1 || got[answered][1] <= 0 {
		t.Errorf("durations: %v", got)
	}
	if got := points(m["gen_ai.client.token.usage"]); len(got) != 2 || got[answered+" gen_ai.token.type=input"] != [2]float64{1, 20} || got[answered+" gen_ai.token.type=output"] != [2]float64{1, 9} {
		t.Errorf("tokens: %v", got)
	}
	if got := points(m["llmproxy.exchange.duration"]); len(got) != 1 || got["gen_ai.provider.name=openai http.response.status_code=200 llmproxy.route=/v1/chat/completions"][0] != 1 {
		t.Errorf("exchanges: %v", got)
	}
	if _, ok := m["gen_ai.client.operation.time_to_first_chunk"]; ok {
		t.Error("a whole answer has a time to its first chunk")
	}
}

func TestStream(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("Hello, world."))
	h := newHost(t, nil, at(up.URL, provider.GoogleAIStudio(), "sk-1"))
	if status, body := h.post("/v1/messages", "google-ai-studio/gemini-3-pro", `,"stream":true`); status != 200 || !strings.Contains(body, "message_stop") {
		t.Fatal(status, body)
	}
	attempt := h.ended(2)[0]
	if attempt.Name() != "generate_content gemini-3-pro" {
		t.Errorf("the attempt's span is %q", attempt.Name())
	}
	has(t, attempt, map[string]string{"gen_ai.request.stream": "true", "gen_ai.provider.name": "gcp.gemini", "llmproxy.provider.format": "gemini", "error.type": ""})
	m := h.metrics()
	var first float64
	for _, kv := range attempt.Attributes() {
		if kv.Key == "gen_ai.response.time_to_first_chunk" {
			first = kv.Value.AsFloat64()
		}
	}
	if first <= 0 || first > attempt.EndTime().Sub(attempt.StartTime()).Seconds() {
		t.Errorf("the first chunk came after %v s", first)
	}
	for _, p := range points(m["gen_ai.client.operation.time_to_first_chunk"]) {
		if p != [2]float64{1, first} {
			t.Errorf("%v was measured for the first chunk, which came after %v s", p, first)
		}
	}
	if n := len(points(m["gen_ai.client.operation.time_to_first_chunk"])); n != 1 {
		t.Errorf("%d measurements of the first chunk", n)
	}
}

// Each attempt has its span and its measurement. What the answer told is the
// last one's.
func TestFallback(t *testing.T) {
	up := providertest.NewServer(t, providertest.RateLimited(time.Minute), providertest.Text("hi"))
	h := newHost(t, nil, at(up.URL, provider.OpenAI(), "sk-1", "sk-2"))
	if status, body := h.post("/v1/chat/completions", "openai/gpt-4o", ""); status != 200 {
		t.Fatal(status, body)
	}
	spans := h.ended(3)
	limited, served, exchange := spans[0], spans[1], spans[2]
	below(t, limited, exchange)
	below(t, served, exchange)
	if limited.EndTime().After(served.StartTime()) || limited.Status().Code != codes.Error || limited.Status().Description != "429" {
		t.Errorf("the first attempt ended at %v with %v, the second began at %v", limited.EndTime(), limited.Status(), served.StartTime())
	}
	has(t, limited, map[string]string{"error.type": "429", "http.response.status_code": "429", "llmproxy.outcome": "rate_limited", "gen_ai.usage.input_tokens": "", "gen_ai.response.id": ""})
	has(t, served, map[string]string{"error.type": "", "http.response.status_code": "200", "llmproxy.outcome": "success"})
	has(t, exchange, map[string]string{"error.type": "", "http.response.status_code": "200", "llmproxy.attempts": "2"})
	ids := map[string]bool{}
	for _, s := range spans[:2] {
		for _, kv := range s.Attributes() {
			if kv.Key == "llmproxy.key.id" {
				ids[kv.Value.AsString()] = true
			}
		}
	}
	if len(ids) != 2 {
		t.Errorf("the attempts' keys are %v", ids)
	}
	m := h.metrics()
	if got := points(m["gen_ai.client.operation.duration"]); len(got) != 2 || got["error.type=429 "+gpt][0] != 1 {
		t.Errorf("durations: %v", got)
	}
	for set, p := range points(m["gen_ai.client.token.usage"]) {
		if p[0] != 1 || strings.Contains(set, "error.type") {
			t.Errorf("tokens: %s %v", set, p)
		}
	}
}

// A failure is the provider's or the proxy's only if it is not the client's.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name     string
		step     providertest.Step
		stream   bool
		attempt  string // error.type
		exchange string
		failed   bool // the exchange's span
	}{
		{"the client's fault", providertest.Fail(400, "bad"), false, "400", "400", false},
		{"the provider's fault", providertest.Fail(500, "broken"), false, "500", "500", true},
		{"no answer", providertest.Reset(), false, "upstream", "502", true},
		{"a broken stream", providertest.Text("Hello, world.").With(providertest.CutAfterEvents(3)), true, "upstream", "upstream", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := providertest.NewServer(t, tt.step)
			h := newHost(t, nil, at(up.URL, provider.OpenAI(), "sk-1"), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1}))
			more := ""
			if tt.stream {
				more = `,"stream":true`
			}
			h.post("/v1/chat/completions", "openai/gpt-4o", more)
			spans := h.ended(2)
			has(t, spans[0], map[string]string{"error.type": tt.attempt})
			has(t, spans[1], map[string]string{"error.type": tt.exchange})
			if spans[0].Status().Code != codes.Error || (spans[1].Status().Code == codes.Error) != tt.failed {
				t.Errorf("the attempt's status is %v, the exchange's %v", spans[0].Status(), spans[1].Status())
			}
			if got := points(h.metrics()["gen_ai.client.operation.duration"]); got["error.type="+tt.attempt+" "+gpt][0] != 1 && !tt.stream {
				t.Errorf("durations: %v", got)
			}
		})
	}
}

func TestClientGoesAway(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("Hello, world.").With(providertest.StallAfterEvents(3)))
	h := newHost(t, nil, at(up.URL, provider.OpenAI(), "sk-1"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := h.send(ctx, http.MethodPost, "/v1/chat/completions", `{"model":"openai/gpt-4o","stream":true,"messages":[{"role":"user","content":"q"}]}`)
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	spans := h.ended(2)
	has(t, spans[0], map[string]string{"error.type": "canceled", "llmproxy.outcome": "canceled", "llmproxy.usage.estimated": "true"})
	has(t, spans[1], map[string]string{"error.type": "canceled", "llmproxy.aborted": "true"})
	if spans[1].Status().Code == codes.Error {
		t.Errorf("the exchange's status is %v", spans[1].Status())
	}
	m := h.metrics()
	if _, ok := m["gen_ai.client.token.usage"]; ok {
		t.Error("tokens were measured that no provider told")
	}
	if n := len(points(m["gen_ai.client.operation.time_to_first_chunk"])); n != 1 {
		t.Errorf("%d measurements of the first chunk", n)
	}
}

// What asks no provider is told of if it failed, and else not.
func TestWithoutAttempts(t *testing.T) {
	h := newHost(t, nil, llmproxy.WithProvider(provider.Demo()))
	for _, path := range []string{"/ping", "/status", "/v1/models"} {
		resp := h.send(t.Context(), http.MethodGet, path, "")
		resp.Body.Close()
	}
	if status, _ := h.post("/v1/chat/completions", "demo/echo", "", "Authorization", "Bearer wrong"); status != 401 {
		t.Fatal(status)
	}
	span := h.ended(1)[0]
	has(t, span, map[string]string{"error.type": "401", "llmproxy.attempts": "0", "llmproxy.provider": ""})
	if got := points(h.metrics()["llmproxy.exchange.duration"]); len(got) != 1 || got["error.type=401 http.response.status_code=401 llmproxy.route=/v1/chat/completions"][0] != 1 {
		t.Errorf("exchanges: %v", got)
	}
}

// The client's trace goes on below whatever reads it, and the exchange's span
// serves or is internal by what is above it.
func TestParents(t *testing.T) {
	const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	extract := func(next func(http.ResponseWriter, *http.Request)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next(w, r.WithContext(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))))
		})
	}
	for _, tt := range []struct {
		name  string
		front func(*host, http.Handler) http.Handler
		kind  trace.SpanKind
		spans int
	}{
		{"the client's span", func(_ *host, p http.Handler) http.Handler { return extract(p.ServeHTTP) }, trace.SpanKindServer, 2},
		{"a span of this process", func(h *host, p http.Handler) http.Handler {
			return extract(func(w http.ResponseWriter, r *http.Request) {
				ctx, span := h.tracer.Tracer("front").Start(r.Context(), "front", trace.WithSpanKind(trace.SpanKindServer))
				defer span.End()
				p.ServeHTTP(w, r.WithContext(ctx))
			})
		}, trace.SpanKindInternal, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, tt.front, llmproxy.WithProvider(provider.Demo()))
			if status, body := h.post("/v1/chat/completions", "demo/echo", "", "Traceparent", "00-"+traceID+"-"+spanID+"-01"); status != 200 {
				t.Fatal(status, body)
			}
			spans := h.ended(tt.spans)
			below(t, spans[0], spans[1])
			if spans[1].SpanKind() != tt.kind {
				t.Errorf("the exchange's span is %v", spans[1].SpanKind())
			}
			if tt.spans == 3 {
				below(t, spans[1], spans[2])
			}
			top := spans[len(spans)-1]
			if top.SpanContext().TraceID().String() != traceID || top.Parent().SpanID().String() != spanID {
				t.Errorf("the top span is in trace %s below %s", top.SpanContext().TraceID(), top.Parent().SpanID())
			}
		})
	}
}

// What is not sampled is measured all the same.
func TestUnsampled(t *testing.T) {
	never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	reader := sdkmetric.NewManualReader()
	observer, err := otel.New(otel.Options{TracerProvider: never, MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	observer.Exchange(t.Context(), record())
	h := &host{Server: httptest.NewUnstartedServer(nil), tb: t, reader: reader}
	names := []string{}
	for name, m := range h.metrics() {
		if len(points(m)) == 0 {
			t.Errorf("%s has no point", name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.token.usage", "llmproxy.cost.usd", "llmproxy.exchange.duration"}; !slices.Equal(names, want) {
		t.Errorf("measured %q, want %q", names, want)
	}
}
