// Middleware puts the proxy behind a host's own sign-in and rate limit: clients
// come with a JWT, whose subject is the principal of what they ask, and each
// principal may ask five times an hour.
//
//	export JWT_SECRET=only-to-try-it-out-0123456789abcdef
//	go run ./examples/middleware
//
// In another shell:
//
//	export JWT_SECRET=only-to-try-it-out-0123456789abcdef
//	TOKEN=$(go run ./examples/middleware -token ann)
//	chat() { curl -s http://127.0.0.1:8792/v1/chat/completions -H "Authorization: Bearer $TOKEN" -d '{"model":"demo/echo","messages":[{"role":"user","content":"Hello!"}]}'; echo; }
//	messages() { curl -s http://127.0.0.1:8792/v1/messages -H "x-api-key: $TOKEN" -d '{"model":"demo/echo","max_tokens":99,"messages":[{"role":"user","content":"Hello!"}]}'; echo; }
//	chat; messages; chat; chat; chat             # five answers
//	chat; messages                               # the limit, in the format of either client
//	TOKEN=$(go run ./examples/middleware -token bob)
//	messages                                     # bob has a limit of his own
//	TOKEN=wrong; chat; messages                  # nobody
//
// The server prints who asked for what. Providers with a key in the environment
// (OPENAI_API_KEY, …) are served, too. Package limit has limits of requests,
// tokens and money that are more than an example.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/serve"
	"github.com/go-llmproxy/llmproxy/provider"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8792", "address to listen on")
	token := flag.String("token", "", "print a token for this subject and leave")
	flag.Parse()
	keys, err := newSigner(os.Getenv("JWT_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	if *token != "" {
		signed, err := keys.sign(*token)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(signed)
		return
	}
	h, err := newHandler(keys, newLimiter(5, time.Hour/5))
	if err != nil {
		log.Fatal(err)
	}
	if err := serve.Until(*addr, h, func(addr string) { fmt.Printf("proxy at http://%s/v1, for those with a token\n", addr) }); err != nil {
		log.Fatal(err)
	}
}

// newHandler returns the proxy behind the limiter. Both ask the signer who it
// is; what is refused there, the proxy answers.
func newHandler(keys *signer, limit *limiter) (http.Handler, error) {
	proxy, err := llmproxy.New(
		llmproxy.FromEnv(os.LookupEnv),
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithAuth(keys.principal),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) {
			fmt.Printf("%q asked %s for %s: %d\n", x.Principal, x.Route, x.ModelAsked, x.Status)
		}}),
	)
	if err != nil {
		return nil, err
	}
	return limit.middleware(keys.principal, proxy), nil
}
