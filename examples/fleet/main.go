// Fleet is one of several processes that share their pool of keys over Redis or
// Valkey: all of them together take the keys in turn, and a key that one of
// them finds at its limit rests for all.
//
//	go run ./examples/fleet -addr 127.0.0.1:8794 -redis redis://127.0.0.1:6379/0
//
// and another one, in a second shell:
//
//	go run ./examples/fleet -addr 127.0.0.1:8795 -redis redis://127.0.0.1:6379/0
//
// A fake provider, "local", needs no network: it has three keys, one, two and
// three, and answers with the one that it was asked with. In a third shell:
//
//	ask() { curl -s "http://$1/v1/chat/completions" -H "Authorization: Bearer secret" -d "{\"model\":\"local/m\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" | grep -o 'key [a-z]*'; }
//	ask 127.0.0.1:8794; ask 127.0.0.1:8795; ask 127.0.0.1:8794   # one, two, three
//	ask 127.0.0.1:8795; ask 127.0.0.1:8794; ask 127.0.0.1:8795   # and again
//
// Asked to "limit two" the provider answers 429 to the key two, for a minute.
// The process that meets it goes on to the next key; the other one need not
// meet it:
//
//	for i in 1 2 3; do ask 127.0.0.1:8794 "limit two"; done
//	for i in 1 2 3 4; do ask 127.0.0.1:8795; done   # never two
//
// Without -redis each process takes the keys in turn by itself, and meets each
// limit by itself. Providers with keys in the environment (OPENAI_API_KEY=sk-1,sk-2)
// are shared in the same way.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/serve"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/redisrotate"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8794", "address to listen on")
	url := flag.String("redis", "", "URL of the Redis or Valkey that the fleet shares")
	prefix := flag.String("prefix", "fleet", "what the names of its keys in there begin with")
	flag.Parse()
	proxy, err := newProxy(*url, *prefix)
	if err != nil {
		log.Fatal(err)
	}
	if err := serve.Until(*addr, proxy, func(addr string) { fmt.Printf("proxy at http://%s/v1\n", addr) }); err != nil {
		log.Fatal(err)
	}
}

func newProxy(url, prefix string) (*llmproxy.Proxy, error) {
	opts := []llmproxy.Option{
		llmproxy.FromEnv(os.LookupEnv),
		llmproxy.WithProvider(newLocal()),
		llmproxy.WithKeys("local", localKeys()...),
		llmproxy.WithProxyKeys("secret"),
		llmproxy.WithObserver(llmproxy.Observer{Attempt: func(_ context.Context, _ *llmproxy.Exchange, a *llmproxy.Attempt) {
			fmt.Printf("%s answered %d to the key %s\n", a.Provider, a.Status, a.Key)
		}}),
	}
	if url != "" {
		engine, err := redisrotate.Open(url, redisrotate.WithPrefix(prefix)) // open as long as the program runs
		if err != nil {
			return nil, err
		}
		// By default a process goes on alone where Redis takes longer than 50 ms.
		// What is to be seen here is the fleet.
		opts = append(opts, llmproxy.WithPool(rotate.WithShared(engine), rotate.WithSharedTimeout(10*time.Second), rotate.WithRefusal()))
	}
	return llmproxy.New(opts...)
}
