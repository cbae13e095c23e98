// Gateway reaches providers through Cloudflare AI Gateway, and prints what the
// gateway says of each request: the ID of its log entry, the state of its cache
// and the step that answered.
//
//	go run ./examples/gateway
//
// Without a Cloudflare account in the environment a stand-in for the gateway
// answers, which runs beside it and asks no provider. In another shell:
//
//	chat() { curl -s http://127.0.0.1:8793/v1/chat/completions -H "Authorization: Bearer secret" -H "cf-aig-cache-ttl: 60" -d '{"model":"openai/gpt-5.6","messages":[{"role":"user","content":"Hello!"}]}'; echo; }
//	chat; chat                        # the second answer is from the gateway's cache
//	curl -s http://127.0.0.1:8793/v1/messages -H "x-api-key: secret" -d '{"model":"anthropic/claude-sonnet-5-5","max_tokens":99,"messages":[{"role":"user","content":"Hello!"}]}'; echo
//
// A universal request has the gateway fail over; keys are filled in here. The
// stand-in knows no model "gone", so its second step answers:
//
//	curl -s http://127.0.0.1:8793/ -H "Authorization: Bearer secret" -d '[{"provider":"openai","endpoint":"chat/completions","headers":{},"query":{"model":"gone","messages":[]}},{"provider":"anthropic","endpoint":"v1/messages","headers":{},"query":{"model":"claude-sonnet-5-5","max_tokens":99,"messages":[{"role":"user","content":"Hello!"}]}}]'; echo
//
// With CLOUDFLARE_ACCOUNT_ID, AI_GATEWAY_NAME, CF_AIG_TOKEN and providers' keys
// (OPENAI_API_KEY, ANTHROPIC_API_KEY) in the environment the same goes through
// the real one.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/serve"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8793", "address to listen on")
	flag.Parse()
	lookup, err := environment()
	if err != nil {
		log.Fatal(err)
	}
	proxy, err := llmproxy.New(
		llmproxy.FromEnv(lookup),
		llmproxy.WithProxyKeys("secret"),
		llmproxy.WithObserver(llmproxy.Observer{Attempt: report}),
	)
	if err != nil {
		log.Fatal(err)
	}
	greet := func(addr string) {
		fmt.Printf("proxy at http://%s/v1, through the gateway at %s\n", addr, where(lookup))
	}
	if err := serve.Until(*addr, proxy, greet); err != nil {
		log.Fatal(err)
	}
}

// report prints what the gateway said of an attempt.
func report(_ context.Context, x *llmproxy.Exchange, a *llmproxy.Attempt) {
	if a.Gateway.LogID == "" {
		fmt.Printf("%s %s: %d, not through the gateway\n", a.Provider, a.Model, a.Status)
		return
	}
	fmt.Printf("%s %s: %d through %q, log %s, cache %s, step %d\n",
		a.Provider, cmp.Or(a.Model, "by a universal request"), a.Status, x.Gateway, a.Gateway.LogID, cmp.Or(a.Gateway.CacheStatus, "unused"), a.Gateway.Step)
}

// environment returns os.LookupEnv, or where that names no account an
// environment that leads to a stand-in.
func environment() (func(string) (string, bool), error) {
	if os.Getenv("CLOUDFLARE_ACCOUNT_ID") != "" {
		return os.LookupEnv, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: newStandIn(), ReadHeaderTimeout: 10 * time.Second}
	go func() { log.Fatal(server.Serve(listener)) }() // it lasts as long as the program
	vars := map[string]string{
		"CLOUDFLARE_ACCOUNT_ID": "account", "AI_GATEWAY_NAME": "stand-in", "CF_AIG_TOKEN": "token",
		"AI_GATEWAY_BASE_URL": "http://" + listener.Addr().String() + "/v1",
		"OPENAI_API_KEY":      "sk-of-nobody", "ANTHROPIC_API_KEY": "sk-ant-of-nobody",
	}
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }, nil
}

func where(lookup func(string) (string, bool)) string {
	if base, ok := lookup("AI_GATEWAY_BASE_URL"); ok {
		return base
	}
	return "Cloudflare"
}
