// Otel exports what OpenTelemetry learns of each exchange: metrics for
// Prometheus at /metrics, and traces as JSON on standard output.
//
//	go run ./examples/otel
//
// In another shell:
//
//	curl -N http://127.0.0.1:8791/v1/chat/completions -H "Authorization: Bearer secret" -H "Content-Type: application/json" -H "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" -d '{"model":"demo/echo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'
//	curl -s http://127.0.0.1:8791/metrics | grep -E '^(gen_ai|llmproxy|http_server)'
//
// The trace has three spans: otelhttp's of the request, which is below the
// client's own, the exchange's, and the attempt's. Providers with a key in the
// environment (OPENAI_API_KEY, …) are served, too. A host that has a collector
// replaces the two exporters by those for OTLP; nothing else changes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/serve"
	"github.com/go-llmproxy/llmproxy/observe/otel"
	"github.com/go-llmproxy/llmproxy/provider"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8791", "address to listen on")
	flag.Parse()
	if err := run(*addr); err != nil {
		log.Fatal(err)
	}
}

// run serves until it is interrupted.
func run(addr string) error {
	h, flush, err := newHandler(os.Stdout)
	if err != nil {
		return err
	}
	err = serve.Until(addr, h, func(addr string) {
		fmt.Fprintf(os.Stderr, "proxy at http://%s/v1, metrics at http://%s/metrics\n", addr, addr)
	})
	return errors.Join(err, flush(context.Background()))
}

// newHandler returns the proxy with its metrics beside it, and what writes the
// traces that are left once no request runs.
func newHandler(traces io.Writer) (_ http.Handler, flush func(context.Context) error, _ error) {
	spans, err := stdouttrace.New(stdouttrace.WithWriter(traces), stdouttrace.WithPrettyPrint())
	if err != nil {
		return nil, nil, err
	}
	tracer := trace.NewTracerProvider(trace.WithBatcher(spans, trace.WithBatchTimeout(time.Second)))
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	meter := metric.NewMeterProvider(metric.WithReader(reader))

	observer, err := otel.New(otel.Options{TracerProvider: tracer, MeterProvider: meter})
	if err != nil {
		return nil, nil, err
	}
	proxy, err := llmproxy.New(
		llmproxy.FromEnv(os.LookupEnv),
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithProxyKeys("secret"),
		llmproxy.WithObserver(observer),
	)
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", otelhttp.NewHandler(proxy, "llm",
		otelhttp.WithTracerProvider(tracer), otelhttp.WithMeterProvider(meter), otelhttp.WithPropagators(propagation.TraceContext{})))
	return mux, func(ctx context.Context) error { return errors.Join(tracer.Shutdown(ctx), meter.Shutdown(ctx)) }, nil
}
