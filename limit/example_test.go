package limit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

// Each principal has limits of its own; whom nobody names has those of "".
func Example() {
	limiter := limit.New(func(_ context.Context, principal string) (limit.Limits, error) {
		if principal == "alice" {
			return limit.Limits{Tokens: 1_000_000, Money: 20 * price.Dollar}, nil
		}
		return limit.Limits{Requests: 1, Tokens: 100_000, Money: price.Dollar}, nil
	})
	proxy, err := llmproxy.New(
		llmproxy.WithProvider(provider.Demo()),
		llmproxy.WithAuth(func(r *http.Request) (string, error) { return r.Header.Get("X-User"), nil }),
		llmproxy.WithAdmission(limiter.Admit),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"alice", "alice", "bob", "bob"} {
		r := httptest.NewRequest("POST", "/v1/messages", strings.NewReader(`{"model":"demo/echo","max_tokens":9,"messages":[{"role":"user","content":"Hello!"}]}`))
		r.Header.Set("X-User", user)
		w := httptest.NewRecorder()
		proxy.ServeHTTP(w, r)
		fmt.Printf("%s %d %q\n", user, w.Code, w.Header().Get("Retry-After"))
	}
	// Output:
	// alice 200 ""
	// alice 200 ""
	// bob 200 ""
	// bob 429 "60"
}

// What was reserved and not used is given back.
func ExampleLimiter_Admit() {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	limiter := limit.New(func(context.Context, string) (limit.Limits, error) {
		return limit.Limits{Tokens: 1000}, nil
	}, limit.WithClock(func() time.Time { return noon }))
	ask := func() (func(*llmproxy.Exchange), error) { // of 100 tokens, for an answer of at most 800
		return limiter.Admit(context.Background(), &llmproxy.Admission{Op: provider.Chat, InputTokens: 100, MaxOutputTokens: 800, Header: http.Header{}})
	}
	settle, err := ask()
	fmt.Println("first:", err)
	_, err = ask()
	var refused *translate.Error
	if errors.As(err, &refused) {
		fmt.Println("second, meanwhile:", refused.StatusCode(), refused.RetryAfter)
	}
	settle(&llmproxy.Exchange{Status: 200, Attempts: []llmproxy.Attempt{{}}, Usage: &translate.Usage{Input: 80, Output: 20}})
	_, err = ask()
	fmt.Println("second, after it:", err)
	// Output:
	// first: <nil>
	// second, meanwhile: 429 48s
	// second, after it: <nil>
}

// A client may allow for more than it will get; a bound on what is reserved
// leaves room for others meanwhile.
func ExampleWithOutput() {
	limits := func(context.Context, string) (limit.Limits, error) { return limit.Limits{Tokens: 100_000}, nil }
	for _, limiter := range []*limit.Limiter{limit.New(limits), limit.New(limits, limit.WithOutput(1000, 4000))} {
		n := 0
		for ; ; n++ {
			q := &llmproxy.Admission{Op: provider.Chat, InputTokens: 1000, MaxOutputTokens: 32_000, Header: http.Header{}}
			if _, err := limiter.Admit(context.Background(), q); err != nil {
				break
			}
		}
		fmt.Println(n, "at a time")
	}
	// Output:
	// 3 at a time
	// 20 at a time
}
