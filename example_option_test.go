package llmproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

const hello = `{"model":"lab/small","messages":[{"role":"user","content":"Hello!"}]}`

// newLab returns an OpenAI-compatible server whose answer is what say returns.
func newLab(say func(r *http.Request) string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"1","object":"chat.completion","model":"small","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}`, say(r))
	}))
}

// keyOf returns which key a request has. It leaves out the key's beginning: a
// provider that quotes a whole key is not quoted to clients.
func keyOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer sk-")
}

// textOf returns what a Chat answer says.
func textOf(w *httptest.ResponseRecorder) string {
	_, rest, _ := strings.Cut(w.Body.String(), `"content":"`)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

// Any OpenAI-compatible server is a provider, with clients of all formats.
func ExampleWithProvider() {
	lab := newLab(func(*http.Request) string { return "Hello from the lab." })
	defer lab.Close()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL+"/v1")),
		llmproxy.WithDefaultProvider(provider.Demo()), // not needed, as there is another one
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(proxy.Providers())
	w := ask(proxy, "/v1beta/models/lab/small:generateContent", `{"contents":[{"parts":[{"text":"Hello!"}]}]}`)
	fmt.Println(strings.Contains(w.Body.String(), `"text":"Hello from the lab."`))
	// Output:
	// [lab]
	// true
}

// The names that clients use: a default, an alias and the home of bare names.
func ExampleWithDefaultModel() {
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithAlias("fast", "demo/echo"),
		llmproxy.WithDefaultModel("fast"),
		llmproxy.WithHome(translate.OpenAI, "demo"),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, model := range []string{"demo/echo", "fast", "default", "echo"} {
		w := ask(proxy, "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Hello!"}]}`, model))
		fmt.Println(model, w.Code, w.Header().Get("Llmproxy-Model"))
	}
	// Output:
	// demo/echo 200 echo
	// fast 200 echo
	// default 200 echo
	// echo 200 echo
}

// An equal question has an equal answer, until it is too old.
func ExampleWithCache() {
	asked, now := 0, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	lab := newLab(func(*http.Request) string { asked++; return fmt.Sprint("answer ", asked) })
	defer lab.Close()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithCache(llmproxy.Cache{TTL: time.Hour}),
		llmproxy.WithClock(func() time.Time { return now }),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	show := func(header ...string) {
		w := ask(proxy, "/v1/chat/completions", hello, header...)
		fmt.Println(textOf(w), w.Header().Get("Llmproxy-Cache"))
	}
	show()
	show()
	show("Cache-Control", "no-cache") // a client that wants a new one
	now = now.Add(2 * time.Hour)
	show()
	// Output:
	// answer 1 miss
	// answer 1 hit
	// answer 2 miss
	// answer 3 miss
}

// A process with little memory does without the heap that is held for speed.
func ExampleWithHeapReserve() {
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithHeapReserve(0),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	w := ask(proxy, "/v1/chat/completions", `{"model":"demo/echo","messages":[{"role":"user","content":"Hello!"}]}`)
	fmt.Println(w.Code)
	// Output: 200
}

// The host admits requests, and is told at the end what they took. Package
// limit has an AdmitFunc for requests, tokens and money.
func ExampleWithAdmission() {
	lab := newLab(func(*http.Request) string { return "Hello!" })
	defer lab.Close()
	budget := int64(1500) // tokens
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithAdmission(func(_ context.Context, q *llmproxy.Admission) (func(*llmproxy.Exchange), error) {
			if budget <= 0 {
				return nil, translate.Errorf(translate.QuotaExceeded, "the tokens are used up")
			}
			return func(x *llmproxy.Exchange) {
				if x.Usage != nil {
					budget -= x.Usage.Total()
				}
			}, nil
		}),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		fmt.Println(ask(proxy, "/v1/chat/completions", hello).Code, budget)
	}
	// Output:
	// 200 400
	// 200 -700
	// 402 -700
}

// The list prices that come along are extended by a price of the host's own.
func ExampleWithPrices() {
	lab := newLab(func(*http.Request) string { return "Hello!" })
	defer lab.Close()
	prices, err := price.Default().With([]byte("lab,small,,3.00,0.30,,15.00\n"))
	if err != nil {
		log.Fatal(err)
	}
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithPrices(prices),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) {
			fmt.Println(x.Model, x.Usage.TotalInput(), x.Usage.TotalOutput(), x.Cost, x.Priced)
		}}),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	ask(proxy, "/v1/chat/completions", hello)
	ask(proxy, "/v1/chat/completions", strings.Replace(hello, "small", "large", 1))
	// Output:
	// small 1000 100 $0.0045 true
	// large 1000 100 $0.00 false
}

// Providers that an AI Gateway knows are reached through it, in their own
// format. A stand-in takes the gateway's place here.
func ExampleWithGateway() {
	standIn := newLab(func(r *http.Request) string { return r.URL.Path })
	defer standIn.Close()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.OpenAI()),
		llmproxy.WithKeys("openai", rotate.Secrets("sk-openai")...),
		llmproxy.WithGateway(&gateway.Gateway{Account: "0123456789abcdef", Name: "production", BaseURL: standIn.URL + "/v1"}),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	body := strings.Replace(hello, "lab/small", "openai/gpt-5.6", 1)
	fmt.Println(textOf(ask(proxy, "/v1/chat/completions", body)))
	fmt.Println(textOf(ask(proxy, "/g/staging/v1/chat/completions", body))) // another gateway of the account
	// Output:
	// /v1/0123456789abcdef/production/openai/chat/completions
	// /v1/0123456789abcdef/staging/openai/chat/completions
}

// Images by URL reach a provider that takes bytes only, if the host fetches
// them, and decides from where.
func ExampleWithMediaFetcher() {
	gemini := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(strings.Contains(string(body), `{"mimeType":"image/png","data":"UE5H"}`))
		io.WriteString(w, `{"candidates":[{"content":{"parts":[{"text":"A picture."}]},"finishReason":"STOP"}]}`)
	}))
	defer gemini.Close()
	studio := provider.GoogleAIStudio()
	studio.BaseURL = gemini.URL
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(studio),
		llmproxy.WithKeys(studio.Name(), rotate.Secrets("key")...),
		llmproxy.WithMediaFetcher(func(_ context.Context, url string) (mimeType string, data []byte, err error) {
			if !strings.HasPrefix(url, "https://images.example.com/") {
				return "", nil, errors.New("not one of ours")
			}
			return "image/png", []byte("PNG"), nil
		}),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range []string{"images.example.com", "169.254.169.254"} {
		w := ask(proxy, "/v1/chat/completions", `{"model":"google-ai-studio/gemini-3.5-flash","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://`+host+`/a.png"}}]}]}`)
		fmt.Println(w.Code, textOf(w))
	}
	// Output:
	// true
	// 200 A picture.
	// 400
}

// One record for each request, in the host's log.
func ExampleWithLogger() {
	lab := newLab(func(*http.Request) string { return "Hello!" })
	defer lab.Close()
	keep := []string{"msg", "route", "status", "provider", "model_asked", "key", "attempts", "input_tokens", "output_tokens"}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		for _, name := range keep {
			if a.Key == name {
				return a
			}
		}
		return slog.Attr{}
	}}))
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithKeys("lab", rotate.Key{ID: "team-a", Secret: rotate.NewSecret("sk-one")}),
		llmproxy.WithLogger(logger),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	ask(proxy, "/v1/chat/completions", hello)
	// Output: msg=exchange route=/v1/chat/completions status=200 provider=lab model_asked=lab/small key=team-a attempts=1 input_tokens=1000 output_tokens=100
}

// Bounds on memory, time, attempts and concurrency. A zero field means its
// default.
func ExampleWithLimits() {
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithLimits(llmproxy.Limits{RequestBody: 64}),
		llmproxy.WithTimeouts(llmproxy.Timeouts{FirstContent: 2 * time.Minute, Idle: time.Minute}),
		llmproxy.WithRetry(llmproxy.Retry{Attempts: 6, Time: time.Minute}),
		llmproxy.WithConcurrency(llmproxy.Concurrency{Total: 1000, PerProvider: 200, Queue: 100}),
		llmproxy.WithOnAbort(llmproxy.OnAbort{Drain: 10 * time.Second}), // for the usage of streams that their clients leave
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ask(proxy, "/v1/chat/completions", hello).Code)

	_, err = llmproxy.New(llmproxy.WithProvider(provider.Demo()), llmproxy.WithoutAuth(), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1000}))
	fmt.Println(err)
	// Output:
	// 413
	// llmproxy: WithRetry: Attempts must be lte 100
}

// The host's own transport sees each attempt: for tracing, or an HTTP proxy.
func ExampleWithTransport() {
	lab := newLab(func(r *http.Request) string { return r.Header.Get("X-Team") })
	defer lab.Close()
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DisableCompression = true // bytes pass as they are
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", lab.URL)),
		llmproxy.WithTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.Header.Set("X-Team", "blue")
			return base.RoundTrip(r)
		})),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(textOf(ask(proxy, "/v1/chat/completions", hello)))
	// Output: blue
}

// A router that leaves its prefix on the path, and a browser that may call from
// one origin only.
func ExampleWithPathPrefix() {
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithPathPrefix("/llm"),
		llmproxy.WithCORS("https://app.example.com"),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	body := strings.Replace(hello, "lab/small", "demo/echo", 1)
	for _, origin := range []string{"https://app.example.com", "https://example.net"} {
		w := ask(proxy, "/llm/v1/chat/completions", body, "Origin", origin)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Access-Control-Allow-Origin"))
	}
	fmt.Println(ask(proxy, "/v1/chat/completions", body).Code)
	// Output:
	// 200 "https://app.example.com"
	// 200 ""
	// 404
}
