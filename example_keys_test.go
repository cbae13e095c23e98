package llmproxy_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

// Keys are taken in turn; one that the provider refuses rests, and the request
// goes on with another one.
func ExampleWithKeys() {
	lab := newLab(keyOf)
	defer lab.Close()
	limited := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if keyOf(r) == "two" {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		lab.Config.Handler.ServeHTTP(w, r)
	})
	server := httptest.NewServer(limited)
	defer server.Close()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", server.URL)),
		llmproxy.WithKeys("lab", rotate.Secrets("sk-one", "sk-two")...),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	for range 4 {
		w := ask(proxy, "/v1/chat/completions", hello)
		fmt.Printf("%s %q\n", textOf(w), w.Header().Get("Llmproxy-Attempts"))
	}
	// Output:
	// one ""
	// one "2"
	// one ""
	// one ""
}

// A store of the host's own says which keys there are, at any time.
func ExampleWithStore() {
	lab := newLab(keyOf)
	defer lab.Close()
	key := "sk-first"
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithStore(rotate.StoreFunc(func(_ context.Context, provider string) ([]rotate.Key, error) {
			return []rotate.Key{{ID: provider + "-key", Secret: rotate.NewSecret(key)}}, nil // a database, a vault
		})),
		llmproxy.WithPool(rotate.WithCacheTTL(0)), // ask for every request; a second is the default
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(textOf(ask(proxy, "/v1/chat/completions", hello)))
	key = "sk-rotated"
	fmt.Println(textOf(ask(proxy, "/v1/chat/completions", hello)))
	// Output:
	// first
	// rotated
}

// Two processes that share an engine take the keys in turn as one. Packages
// redisrotate and sqlrotate have engines.
func ExampleWithPool() {
	lab := newLab(keyOf)
	defer lab.Close()
	engine := rotatetest.NewMemory(nil)
	process := func() *llmproxy.Proxy {
		proxy, err := llmproxy.New(
			llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
			llmproxy.WithKeys("lab", rotate.Secrets("sk-one", "sk-two", "sk-three")...),
			llmproxy.WithPool(rotate.WithShared(engine)),
			llmproxy.WithoutAuth(),
		)
		if err != nil {
			log.Fatal(err)
		}
		return proxy
	}
	a, b := process(), process()
	for _, proxy := range []*llmproxy.Proxy{a, b, b, a} {
		fmt.Println(textOf(ask(proxy, "/v1/chat/completions", hello)))
	}
	// Output:
	// one
	// two
	// three
	// one
}

// A pool of the host's own can be shared by several proxies, and by SDKs
// (rotate.Transport).
func ExampleWithKeyRotator() {
	lab := newLab(keyOf)
	defer lab.Close()
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"lab": rotate.Secrets("sk-one", "sk-two")}))
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithKeyRotator(pool),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(textOf(ask(proxy, "/v1/chat/completions", hello)))
	key, done, err := pool.Acquire(context.Background(), rotate.Scope{Provider: "lab"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Secret.Reveal())
	done(rotate.Outcome{}) // a success
	// Output:
	// one
	// sk-two
}

// A conversation stays with its key, so that the provider's prompt cache hits.
func ExampleWithAffinity() {
	lab := newLab(keyOf)
	defer lab.Close()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithKeys("lab", rotate.Secrets("sk-one", "sk-two", "sk-three")...),
		llmproxy.WithPool(rotate.WithPolicy(rotate.Affinity{})),
		llmproxy.WithAffinity(rotate.Conversation("X-Session-Id")),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	first := textOf(ask(proxy, "/v1/chat/completions", hello, "X-Session-Id", "a"))
	ask(proxy, "/v1/chat/completions", hello, "X-Session-Id", "b")
	fmt.Println(textOf(ask(proxy, "/v1/chat/completions", hello, "X-Session-Id", "a")) == first)
	// Output: true
}

// What a provider says in its own way can be read in the host's: this one
// answers 420 where a key has asked too often.
func ExampleWithClassifier() {
	lab := newLab(keyOf)
	defer lab.Close()
	calm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if keyOf(r) == "one" {
			w.WriteHeader(420)
			return
		}
		lab.Config.Handler.ServeHTTP(w, r)
	}))
	defer calm.Close()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", calm.URL)),
		llmproxy.WithKeys("lab", rotate.Secrets("sk-one", "sk-two")...),
		llmproxy.WithClassifier(func(provider string, status int, h http.Header, body []byte, err error) rotate.Outcome {
			if provider == "lab" && status == 420 {
				return rotate.Outcome{Class: rotate.RateLimited}
			}
			return rotate.Classify(provider, status, h, body, err)
		}),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(textOf(ask(proxy, "/v1/chat/completions", hello)))
	// Output: two
}
