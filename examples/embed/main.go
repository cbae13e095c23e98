// Embed mounts the proxy under /llm/ in servers that have routes of their own:
// in a plain net/http mux, and in chi.
//
//	go run ./examples/embed
//	curl -N http://127.0.0.1:8788/llm/v1/chat/completions -H "Authorization: Bearer secret" -H "Content-Type: application/json" -d '{"model":"demo/echo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'
//
// The same works on port 8789, where chi routes.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
)

func main() {
	proxy, err := llmproxy.New(
		llmproxy.FromEnv(os.LookupEnv),
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithProxyKeys("secret"),
	)
	if err != nil {
		log.Fatal(err)
	}
	failed := make(chan error)
	go func() { failed <- http.ListenAndServe("127.0.0.1:8788", plain(proxy)) }() // main waits for it
	go func() { failed <- http.ListenAndServe("127.0.0.1:8789", routed(proxy)) }()
	fmt.Println("net/http at http://127.0.0.1:8788/llm/, chi at http://127.0.0.1:8789/llm/")
	log.Fatal(<-failed)
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
