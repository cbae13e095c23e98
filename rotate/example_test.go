package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
)

func Example() {
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": rotate.Secrets("sk-first", "sk-second")}))
	for range 3 {
		key, done, err := pool.Acquire(context.Background(), rotate.Scope{Provider: "openai", Model: "gpt-4o"})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("call the provider with key", key.Index)
		// resp, err := ...; done(pool.Classify("openai", resp.StatusCode, resp.Header, body, err))
		done(rotate.Outcome{})
	}
	// Output:
	// call the provider with key 0
	// call the provider with key 1
	// call the provider with key 0
}

// A key that met a limit is left alone until the provider's own time.
func ExamplePool_Acquire() {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": {{ID: "only", Secret: rotate.NewSecret("sk-…")}}}),
		rotate.WithClock(func() time.Time { return now }))
	scope := rotate.Scope{Provider: "openai", Model: "gpt-4o"}

	_, done, _ := pool.Acquire(context.Background(), scope)
	done(pool.Classify("openai", 429, http.Header{"Retry-After": {"20"}}, nil, nil))

	_, _, err := pool.Acquire(context.Background(), scope)
	var unavailable *rotate.UnavailableError
	if errors.As(err, &unavailable) {
		fmt.Println(unavailable.Reason, unavailable.RetryAfter)
	}
	now = now.Add(20 * time.Second)
	key, _, _ := pool.Acquire(context.Background(), scope)
	fmt.Println(key.ID)
	// Output:
	// rate_limited 20s
	// only
}

// Any SDK that takes an *http.Client gets a pool with failover.
func ExampleTransport() {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer sk-first" {
			http.Error(w, `{"error":{"code":"insufficient_quota"}}`, http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, "served")
	}))
	defer provider.Close()

	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": rotate.Secrets("sk-first", "sk-second")}))
	client := &http.Client{Transport: &rotate.Transport{Rotator: pool, Provider: "openai"}}

	resp, err := client.Post(provider.URL, "application/json", strings.NewReader(`{"model":"gpt-4o"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// A key store of one's own is one method.
func ExampleStoreFunc() {
	store := rotate.StoreFunc(func(ctx context.Context, provider string) ([]rotate.Key, error) {
		// Ask a database or a vault. The pool asks at most once a second per provider.
		return []rotate.Key{{ID: "team-a", Secret: rotate.NewSecret("sk-a"), Models: []string{"gpt-4o*"}}}, nil
	})
	pool := rotate.NewPool(store, rotate.WithCacheTTL(time.Second))
	key, done, err := pool.Acquire(context.Background(), rotate.Scope{Provider: "openai", Model: "gpt-4o-mini"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer done(rotate.Outcome{})
	fmt.Println(key.ID, key.Secret)
	_, _, err = pool.Acquire(context.Background(), rotate.Scope{Provider: "openai", Model: "o3"})
	fmt.Println(errors.Is(err, rotate.ErrNoKeys))
	// Output:
	// team-a [redacted]
	// true
}

// A conversation stays on one key, so that the provider's prompt cache hits.
func ExampleAffinity() {
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"anthropic": rotate.Secrets("sk-a", "sk-b", "sk-c")}),
		rotate.WithPolicy(rotate.Affinity{}))
	scope := rotate.Scope{Provider: "anthropic", Model: "claude", Affinity: "conversation 42"}
	first, done, _ := pool.Acquire(context.Background(), scope)
	done(rotate.Outcome{})
	second, done, _ := pool.Acquire(context.Background(), scope)
	done(rotate.Outcome{})
	fmt.Println(first.ID == second.ID)
	// Output: true
}

// An SDK whose conversations keep their keys, by a header or by their beginning.
func ExampleConversation() {
	name := rotate.Conversation("X-Session-Id")
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": rotate.Secrets("sk-a", "sk-b")}), rotate.WithPolicy(rotate.Affinity{}))
	transport := &rotate.Transport{Rotator: pool, Provider: "openai",
		Scope: func(r *http.Request, body []byte, s *rotate.Scope) { s.Affinity = name(r, body) }}
	_ = &http.Client{Transport: transport}

	first := name(&http.Request{}, []byte(`{"messages":[{"role":"user","content":"hi"}]}`))
	later := name(&http.Request{}, []byte(`{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"},{"role":"user","content":"so?"}]}`))
	fmt.Println(first == later)
	// Output: true
}

// Rules of one's own stand in front of the documented ones.
func ExampleRules() {
	rules := append(rotate.Rules{
		{Provider: "acme", Status: 420, Class: rotate.RateLimited, Cover: rotate.CoverKey},
	}, rotate.DefaultRules()...)
	fmt.Println(rules.Classify("acme", 420, nil, nil, nil).Class)
	fmt.Println(rules.Classify("anthropic", 400, nil, []byte(`{"error":{"message":"Your credit balance is too low"}}`), nil).Class)
	// Output:
	// rate_limited
	// quota_exhausted
}

func ExampleParseSelection() {
	selection, _ := rotate.ParseSelection("1-3")
	fmt.Println(selection.Contains(0), selection.Contains(1), selection.Contains(3))
	fmt.Println(selection.Check(2))
	// Output:
	// false true true
	// key selection "1-3" is out of range: there are 2 keys, numbers 0 to 1
}

// Refused keys are not tried again within one exchange.
func ExampleScope_exclude() {
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": rotate.Secrets("sk-a", "sk-b")}))
	scope := rotate.Scope{Provider: "openai"}
	for {
		key, done, err := pool.Acquire(context.Background(), scope)
		if err != nil {
			fmt.Println(err)
			return
		}
		done(rotate.Outcome{Class: rotate.Forbidden, Status: 403})
		fmt.Println("refused: key", key.Index)
		scope.Exclude = append(scope.Exclude, key.ID)
	}
	// Output:
	// refused: key 0
	// refused: key 1
	// rotate: all 2 keys of openai have been tried
}
