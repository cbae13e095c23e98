package redislimit_test

import (
	"context"
	"fmt"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/limit/redislimit"
)

func Example() {
	store, err := redislimit.Open("redis://cache:6379/0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	limiter := limit.New(func(context.Context, string) (limit.Limits, error) {
		return limit.Limits{Requests: 60}, nil
	}, limit.WithStore(store))
	_ = limiter.Admit // for llmproxy.WithAdmission
}
