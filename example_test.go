package llmproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// ask sends a request to a handler and returns what came of it.
func ask(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The proxy is a handler, mounted wherever the host likes. An Anthropic client
// asks a provider that speaks OpenAI Chat.
func ExampleNew() {
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithProxyKeys("my-key"),
	)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/llm/", http.StripPrefix("/llm", proxy))

	w := ask(mux, "/llm/v1/messages", `{"model":"demo/echo","max_tokens":9,"messages":[{"role":"user","content":"Hello!"}]}`, "X-Api-Key", "my-key")
	fmt.Println(w.Code, w.Header().Get("Llmproxy-Provider"), strings.Contains(w.Body.String(), `"type":"message"`))
	w = ask(mux, "/llm/v1/messages", `{}`, "X-Api-Key", "another")
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "authentication_error"))
	// Output:
	// 200 demo true
	// 401 true
}

// All options that are wrong are reported at once, and no secret is quoted.
func ExampleFromEnv() {
	env := map[string]string{
		"PROXY_API_KEY":     "my-key",
		"OPENAI_API_KEY":    "sk-first,sk-second",
		"ANTHROPIC_API_KEY": `["sk-ant-first"]`,
		"GROQ_API_KEY":      "",
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok } // os.LookupEnv
	proxy, err := llmproxy.New(llmproxy.FromEnv(lookup))
	fmt.Println(proxy.Providers(), err)

	env["DEV"] = "perhaps"
	_, err = llmproxy.New(llmproxy.FromEnv(lookup))
	fmt.Println(err)
	// Output:
	// [openai anthropic] <nil>
	// llmproxy: DEV: must be true or false
}

// An alias is tried target by target: a provider that is down costs an attempt,
// and not the answer.
func ExampleWithAlias() {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer down.Close()
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("first", down.URL+"/v1"), provider.Demo()),
		llmproxy.WithKeys("first", rotate.Secrets("sk-1")...),
		llmproxy.WithAlias("fast", "first/big", "demo/echo"),
		llmproxy.WithoutAuth(),
	)
	if err != nil {
		log.Fatal(err)
	}
	w := ask(proxy, "/v1/chat/completions", `{"model":"fast","messages":[{"role":"user","content":"Hello!"}]}`)
	fmt.Println(w.Code, w.Header().Get("Llmproxy-Provider"), w.Header().Get("Llmproxy-Model"), w.Header().Get("Llmproxy-Attempts"))
	// Output: 200 demo echo 2
}

// The host authenticates as it likes, and names who asked.
func ExampleWithAuth() {
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithAuth(func(r *http.Request) (principal string, err error) {
			switch token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); token {
			case "alice-token":
				return "alice", nil
			case "bob-token":
				return "", translate.Errorf(translate.Permission, "bob may not")
			}
			return "", errors.New("no such token") // a 401; the reason is for the log
		}),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) {
			fmt.Printf("%d %q\n", x.Status, x.Principal)
		}}),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{"alice-token", "bob-token", "mallory"} {
		ask(proxy, "/v1/chat/completions", `{"model":"demo/echo","messages":[{"role":"user","content":"Hello!"}]}`, "Authorization", "Bearer "+token)
	}
	// Output:
	// 200 "alice"
	// 403 ""
	// 401 ""
}

// The record of an exchange holds no content and no credential.
func ExampleWithObserver() {
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithoutAuth(),
		llmproxy.WithObserver(llmproxy.Observer{
			Attempt: func(_ context.Context, _ *llmproxy.Exchange, a *llmproxy.Attempt) {
				fmt.Println("attempt:", a.Provider, a.Format, a.Status, a.Class)
			},
			Exchange: func(_ context.Context, x *llmproxy.Exchange) {
				fmt.Println("exchange:", x.ID, x.Route, x.ClientFormat, "to", x.ProviderFormat, x.Status, x.UsageFrom)
			},
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	ask(proxy, "/v1/messages", `{"model":"demo/echo","max_tokens":9,"messages":[{"role":"user","content":"Hello!"}]}`, "X-Request-Id", "from-the-client")
	// Output:
	// attempt: demo openai 200 success
	// exchange: from-the-client /v1/messages anthropic to openai 200 upstream
}

// What the provider's format cannot carry is told in a header; a strict proxy
// refuses it.
func ExampleWithStrict() {
	const body = `{"model":"demo/echo","max_tokens":9,"top_k":4,"messages":[{"role":"user","content":"Hello!"}]}`
	options := llmproxy.Options(llmproxy.WithProvider(provider.Demo()), llmproxy.WithoutAuth())

	proxy, _ := llmproxy.New(options)
	w := ask(proxy, "/v1/messages", body)
	fmt.Println(w.Code, w.Header().Get("Llmproxy-Loss"))

	strict, _ := llmproxy.New(options, llmproxy.WithStrict())
	w = ask(strict, "/v1/messages", body)
	fmt.Println(w.Code)

	w = ask(proxy, "/v1/messages", body, "Llmproxy-Strict", "true") // one client asks for it
	fmt.Println(w.Code)
	// Output:
	// 200 top_k: not known in Chat Completions
	// 400
	// 400
}

// Middleware in front of the proxy refuses in the words of its clients.
func ExampleWriteError() {
	closed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		llmproxy.WriteError(w, r, translate.Errorf(translate.RateLimit, "come back tomorrow"))
	})
	for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-3.5-flash:generateContent"} {
		w := ask(closed, path, `{}`)
		body, _ := io.ReadAll(w.Body)
		fmt.Println(w.Code, string(body))
	}
	// Output:
	// 429 {"error":{"message":"come back tomorrow","type":"rate_limit_error","param":null,"code":null}}
	// 429 {"type":"error","error":{"type":"rate_limit_error","message":"come back tomorrow"}}
	// 429 {"error":{"code":429,"message":"come back tomorrow","status":"RESOURCE_EXHAUSTED"}}
}
