package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-llmproxy/llmproxy"
)

// contenderSpec tells floor and proxy where upstream is.
type contenderSpec struct {
	Upstream string
}

// newFloor is the least that a proxy in Go does with net/http: pass on, with
// another credential.
func newFloor(s contenderSpec) (http.Handler, error) {
	to, err := url.Parse(s.Upstream)
	if err != nil {
		return nil, err
	}
	// As many idle connections as the proxy's own transport keeps, and neither
	// compression nor a buffer of its own for each answer.
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConns, tr.MaxIdleConnsPerHost = 1024, 256
	tr.DisableCompression = true
	return &httputil.ReverseProxy{
		Transport:     tr,
		BufferPool:    buffers{&sync.Pool{New: func() any { return new([32 << 10]byte) }}},
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			if r.In.Header["X-Api-Key"] != nil {
				r.Out.Header["X-Api-Key"] = []string{upstreamKey}
			} else {
				r.Out.Header["Authorization"] = []string{"Bearer " + upstreamKey}
			}
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}, nil
}

// buffers is an httputil.BufferPool.
type buffers struct{ pool *sync.Pool }

func (b buffers) Get() []byte  { return b.pool.Get().(*[32 << 10]byte)[:] }
func (b buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }

// counter is an observer as a host has one. It adds up usage, and answers
// whose usage it was not told.
type counter struct {
	exchanges, tokens, missed atomic.Int64
}

func (c *counter) exchange(_ context.Context, x *llmproxy.Exchange) {
	c.exchanges.Add(1)
	if u := x.Usage; u != nil {
		c.tokens.Add(u.TotalInput() + u.TotalOutput())
	}
	passed := !strings.HasPrefix(x.Route, "/v1/") // unread, so nothing is counted
	if x.Status == http.StatusOK && !passed && !x.Aborted && (x.Usage == nil || x.Usage.TotalOutput() != outputTokens) {
		c.missed.Add(1)
	}
}

// newProxy is this project as a user has it: configured from variables, keys
// pooled, clients authenticated, an observer on, net/http's own transport.
func newProxy(s contenderSpec, c *counter, more ...llmproxy.Option) (http.Handler, error) {
	const keys = upstreamKey + "-1," + upstreamKey + "-2," + upstreamKey + "-3," + upstreamKey + "-4"
	env := map[string]string{
		"PROXY_API_KEY":      clientKey,
		"OPENAI_API_KEY":     keys,
		"OPENAI_BASE_URL":    s.Upstream + "/v1",
		"ANTHROPIC_API_KEY":  keys,
		"ANTHROPIC_BASE_URL": s.Upstream,
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return llmproxy.New(llmproxy.FromEnv(lookup), llmproxy.WithObserver(llmproxy.Observer{
		Attempt:  func(context.Context, *llmproxy.Exchange, *llmproxy.Attempt) {},
		Exchange: c.exchange,
	}), llmproxy.Options(more...))
}
