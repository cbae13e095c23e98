// Package rotate hands out API keys from pools, and learns from what comes of them.
//
// A Store says which keys a provider has. A Pool hands them out: Acquire
// returns a key, and a function that is called once with the Outcome of the
// attempt. Classify makes an Outcome of an HTTP answer.
//
//	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"openai": rotate.Secrets("sk-a", "sk-b")}))
//	key, done, err := pool.Acquire(ctx, rotate.Scope{Provider: "openai", Model: "gpt-4o"})
//	if err != nil {
//		return err
//	}
//	resp, err := call(ctx, key.Secret.Reveal())
//	done(pool.Classify("openai", resp.StatusCode, resp.Header, nil, err))
package rotate
