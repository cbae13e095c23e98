package redisrotate_test

import (
	"fmt"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/redisrotate"
)

// Inside the proxy it is llmproxy.WithPool(rotate.WithShared(engine)).
func Example() {
	engine, err := redisrotate.Open("redis://cache:6379/0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	store := rotate.Static(map[string][]rotate.Key{"openai": rotate.Secrets("sk-one", "sk-two")})
	pool := rotate.NewPool(store, rotate.WithShared(engine))
	_ = pool.Acquire // strictly in turn over all processes
}
