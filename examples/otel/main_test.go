package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// What the comment says: an answer, metrics, and spans of the client's trace.
func TestComment(t *testing.T) {
	e := exampletest.New(t)
	server := e.Start(e.Blocks[0])
	out := e.Run(e.Blocks[1])
	for _, want := range []string{"data: [DONE]", "\ngen_ai_client_operation_duration_seconds_count{", "\nllmproxy_exchange_duration_seconds_count{", "\nhttp_server_request_duration_seconds_count{"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	said, ok := server.Await(`"Name": "chat echo"`, `"Name": "POST /v1/chat/completions"`, `"Name": "POST /"`)
	if !ok || strings.Count(said, `"TraceID": "0af7651916cd43dd8448eb211c80319c"`) < 3 {
		t.Errorf("the traces are\n%s", said)
	}
}

// A request from a client that is in a trace shows in the metrics and, below
// the client's span, in the traces. What was said shows in neither.
func TestExport(t *testing.T) {
	var traces bytes.Buffer
	h, flush, err := newHandler(&traces)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	do := func(method, path, body string) string {
		t.Helper()
		r, _ := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer secret")
		r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, b, err)
		}
		return string(b)
	}
	if body := do("POST", "/v1/chat/completions", `{"model":"demo/echo","stream":true,"messages":[{"role":"user","content":"canary"}]}`); !strings.Contains(body, "canary") {
		t.Fatal(body)
	}
	s.Close() // the exchange is over now
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	metrics := w.Body.String()
	for _, want := range []string{
		`gen_ai_client_token_usage_count{gen_ai_operation_name="chat",gen_ai_provider_name="demo",gen_ai_request_model="echo"`,
		"gen_ai_client_operation_duration_seconds_count{", "gen_ai_client_operation_time_to_first_chunk_seconds_count{",
		"llmproxy_exchange_duration_seconds_count{", "http_server_request_duration_seconds_count{",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics has no %s\n%s", want, metrics)
		}
	}
	if err := flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(metrics+traces.String(), "canary") {
		t.Error("what was said is exported")
	}
	type span struct {
		Name        string
		SpanContext struct{ TraceID, SpanID string }
		Parent      struct{ SpanID string }
	}
	byID, attempt := map[string]span{}, span{}
	for d := json.NewDecoder(&traces); d.More(); {
		var one span
		if err := d.Decode(&one); err != nil {
			t.Fatal(err)
		}
		if one.SpanContext.TraceID != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("%s is in the trace %s", one.Name, one.SpanContext.TraceID)
		}
		if byID[one.SpanContext.SpanID] = one; one.Name == "chat echo" {
			attempt = one
		}
	}
	exchange := byID[attempt.Parent.SpanID]
	request := byID[exchange.Parent.SpanID]
	if len(byID) != 3 || exchange.Name != "POST /v1/chat/completions" || request.Parent.SpanID != "b7ad6b7169203331" {
		t.Errorf("spans %+v", byID)
	}
}

// A transport of otelhttp tells providers of its own span, in the client's
// trace, instead of the client's.
func TestTransportTellsProviders(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("hi"))
	tracer, propagator := trace.NewTracerProvider(), propagation.TraceContext{}
	openai := provider.OpenAI()
	openai.BaseURL = up.URL
	proxy, err := llmproxy.New(llmproxy.WithProvider(openai), llmproxy.WithKeys("openai", rotate.Secrets("sk-1")...), llmproxy.WithoutAuth(),
		llmproxy.WithTransport(otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithTracerProvider(tracer), otelhttp.WithPropagators(propagator))))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(otelhttp.NewHandler(proxy, "llm", otelhttp.WithTracerProvider(tracer), otelhttp.WithPropagators(propagator)))
	defer s.Close()
	r, _ := http.NewRequest("POST", s.URL+"/v1/chat/completions", strings.NewReader(`{"model":"openai/m","messages":[{"role":"user","content":"q"}]}`))
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	got := up.Requests()[0].Header.Values("Traceparent")
	if len(got) != 1 || !strings.HasPrefix(got[0], "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(got[0], "b7ad6b7169203331") {
		t.Errorf("the provider got traceparent %q", got)
	}
}
