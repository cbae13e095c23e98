package otel_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/observe/otel"
	"github.com/go-llmproxy/llmproxy/provider"
)

// The exporter stands for the host's own; examples/otel has real ones.
func ExampleNew() {
	exporter := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	observer, err := otel.New(otel.Options{TracerProvider: tracer})
	if err != nil {
		log.Fatal(err)
	}
	proxy, err := llmproxy.New(llmproxy.WithProvider(provider.Demo()), llmproxy.WithoutAuth(), llmproxy.WithObserver(observer))
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(proxy)
	resp, err := http.Post(server.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"demo/echo","messages":[{"role":"user","content":"Hello!"}]}`))
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	server.Close()
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.SpanKind, span.Name)
	}
	// Output:
	// client chat echo
	// server POST /v1/chat/completions
}
