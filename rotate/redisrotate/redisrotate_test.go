package redisrotate

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

func engine(t testing.TB) *Engine {
	t.Helper()
	url := os.Getenv("REDIS_URL")
	if url == "" {
		t.Skip("REDIS_URL is unset: nothing runs over Redis")
	}
	e, err := Open(url, WithPrefix(fmt.Sprintf("test-%x", time.Now().UnixNano())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestConformance(t *testing.T) {
	rotatetest.TestShared(t, func(t *testing.T) rotate.Shared { return engine(t) })
}

// trips counts what goes to the server.
type trips struct{ n atomic.Int64 }

func (c *trips) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}
func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func pool(e rotate.Shared, opts ...rotate.PoolOption) *rotate.Pool {
	store := rotate.Static(map[string][]rotate.Key{"p": rotatetest.Keys(7)})
	return rotate.NewPool(store, append([]rotate.PoolOption{rotate.WithShared(e)}, opts...)...)
}

func TestOneTripPerAcquire(t *testing.T) {
	e := engine(t)
	p := pool(e, rotate.WithSharedTimeout(5*time.Second))
	use := func() {
		t.Helper()
		_, done, err := p.Acquire(context.Background(), rotate.Scope{Provider: "p", Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		done(rotate.Outcome{})
	}
	use() // the server may have to be told the script
	var c trips
	e.client.AddHook(&c)
	for range 100 {
		use()
	}
	if n := c.n.Load(); n != 100 {
		t.Errorf("%d trips for 100 requests", n)
	}
}

// A server that accepts and never answers costs a request the timeout, once.
func TestServerThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e, err := Open("redis://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p := pool(e)
	start := time.Now()
	for range 50 {
		_, done, err := p.Acquire(context.Background(), rotate.Scope{Provider: "p", Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		done(rotate.Outcome{})
	}
	// 50 ms, and again for each 200 ms that this takes; without the bound it is seconds.
	if d := time.Since(start); d > time.Second {
		t.Errorf("50 requests took %v", d)
	}
}

func TestClientsWithoutBound(t *testing.T) {
	if _, err := New(redis.NewClient(&redis.Options{})); err == nil || !strings.Contains(err.Error(), "ContextTimeoutEnabled") {
		t.Errorf("got %v", err)
	}
	if _, err := New(nil); err == nil {
		t.Error("no client is accepted")
	}
}

// All keys of a provider are in one slot of a cluster, whatever its name.
func TestHashTag(t *testing.T) {
	e := &Engine{prefix: "rotate"}
	for _, provider := range []string{"openai", "a{b}c", "}{", ""} {
		tags := map[string]bool{}
		for _, what := range []string{"counter:x", "cooldowns", "version", "versions"} {
			k := e.key(provider, what)
			open := strings.IndexByte(k, '{')
			tag := k[open+1 : open+strings.IndexByte(k[open:], '}')]
			tags[tag] = true
			if tag == "" {
				t.Errorf("%q has an empty tag", k)
			}
		}
		if len(tags) != 1 {
			t.Errorf("%q: %v", provider, tags)
		}
	}
}

func BenchmarkAcquire(b *testing.B) {
	for _, block := range []int{1, 100} {
		b.Run(fmt.Sprintf("blocks of %d", block), func(b *testing.B) {
			p := pool(engine(b), rotate.WithBlocks(block), rotate.WithSharedTimeout(5*time.Second))
			for b.Loop() {
				_, done, err := p.Acquire(context.Background(), rotate.Scope{Provider: "p", Model: "m"})
				if err != nil {
					b.Fatal(err)
				}
				done(rotate.Outcome{})
			}
		})
	}
}

// A server to which a connection takes longer than a request may wait is
// reached all the same, in the end.
func TestSlowConnection(t *testing.T) {
	url := os.Getenv("REDIS_URL")
	if url == "" {
		t.Skip("REDIS_URL is unset: nothing runs over Redis")
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	o.ContextTimeoutEnabled = true
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case <-time.After(150 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	client := redis.NewClient(o)
	defer client.Close()
	e, err := New(client)
	if err != nil {
		t.Fatal(err)
	}
	recovered := make(chan rotate.Event, 100)
	p := pool(e, rotate.WithEvents(func(ev rotate.Event) { recovered <- ev }))
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		_, done, err := p.Acquire(context.Background(), rotate.Scope{Provider: "p", Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		done(rotate.Outcome{})
		for len(recovered) > 0 {
			if ev := <-recovered; ev.Kind == rotate.SharedRecovered {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the pool never reaches the server")
}
