// Embed mounts the proxy under /llm/ in a server that has routes of its own: in
// a plain net/http mux, or with -chi in chi.
//
//	go run ./examples/embed
//
// In another shell:
//
//	curl -s http://127.0.0.1:8788/
//	curl -N http://127.0.0.1:8788/llm/v1/chat/completions -H "Authorization: Bearer secret" -H "Content-Type: application/json" -d '{"model":"demo/echo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'
//
// Providers with a key in the environment (OPENAI_API_KEY, …) are served, too.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/serve"
	"github.com/go-llmproxy/llmproxy/provider"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8788", "address to listen on")
	useChi := flag.Bool("chi", false, "have chi route")
	flag.Parse()
	proxy, err := llmproxy.New(
		llmproxy.FromEnv(os.LookupEnv),
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithProxyKeys("secret"),
	)
	if err != nil {
		log.Fatal(err)
	}
	h := plain(proxy)
	if *useChi {
		h = routed(proxy)
	}
	if err := serve.Until(*addr, h, func(addr string) { fmt.Printf("proxy at http://%s/llm/v1\n", addr) }); err != nil {
		log.Fatal(err)
	}
}

// plain mounts the proxy in a net/http mux.
func plain(proxy http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", home)
	mux.Handle("/llm/", http.StripPrefix("/llm", proxy))
	return mux
}

// routed mounts the proxy in chi, whose Mount leaves the prefix on the path.
func routed(proxy http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Get("/", home)
	r.Mount("/llm", http.StripPrefix("/llm", proxy))
	return r
}

func home(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "the host's own page") }
