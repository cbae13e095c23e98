package llmproxy_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// cacheTest is a proxy with a cache, whose callers are named by their key.
type cacheTest struct {
	t     *testing.T
	up    *providertest.Server
	send  func(path, body string, header ...string) answer
	clock *fakeClock

	mu   sync.Mutex
	last llmproxy.Exchange
}

func newCacheTest(t *testing.T, c llmproxy.Cache, script ...providertest.Step) *cacheTest {
	ct := &cacheTest{t: t, up: providertest.NewServer(t, script...), clock: new(fakeClock)}
	openai, anthropic := provider.OpenAI(), provider.Anthropic()
	openai.BaseURL, anthropic.BaseURL = ct.up.URL+"/v1", ct.up.URL
	s := proxy(t, llmproxy.WithProvider(openai, anthropic), llmproxy.WithKeys("openai", rotate.Secrets("a")...), llmproxy.WithKeys("anthropic", rotate.Secrets("a")...),
		llmproxy.WithCache(c), llmproxy.WithClock(ct.clock.now), llmproxy.WithRetry(llmproxy.Retry{Attempts: 1}),
		llmproxy.WithAuth(func(r *http.Request) (string, error) { return r.Header.Get("Authorization"), nil }),
		llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) {
			ct.mu.Lock()
			defer ct.mu.Unlock()
			ct.last = *x
		}}))
	ct.send = func(path, body string, header ...string) answer { return do(t, s, "POST", path, body, header...) }
	return ct
}

// want sends a request and holds the answer to hit or miss, and the upstream to
// the requests that it had.
func (ct *cacheTest) want(state string, asked int, path, body string, header ...string) answer {
	ct.t.Helper()
	a := ct.send(path, body, header...)
	if got := a.Header.Get("Llmproxy-Cache"); got != state || ct.up.Count() != asked {
		ct.t.Errorf("%s %.80s: %d, cache %q, %d requests upstream; want %q, %d", path, body, a.StatusCode, got, ct.up.Count(), state, asked)
	}
	return a
}

const cacheQuestion = `{"model":"openai/m","messages":[{"role":"user","content":"q"}]}`

// A hit is the answer that was kept, to the byte, in every format, whole and
// streamed, translated or not; and it is nothing to any provider.
func TestCache(t *testing.T) {
	requests := map[string][2]string{}
	for _, p := range []string{"openai", "anthropic"} {
		for _, stream := range []string{"false", "true"} {
			requests["chat "+p+stream] = [2]string{"/v1/chat/completions", `{"model":"` + p + `/m","stream":` + stream + `,"messages":[{"role":"user","content":"q"}]}`}
			requests["messages "+p+stream] = [2]string{"/v1/messages", `{"model":"` + p + `/m","max_tokens":9,"stream":` + stream + `,"messages":[{"role":"user","content":"q"}]}`}
			requests["responses "+p+stream] = [2]string{"/v1/responses", `{"model":"` + p + `/m","stream":` + stream + `,"input":"q"}`}
		}
		requests["gemini "+p] = [2]string{"/v1beta/models/" + p + "/m:generateContent", `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`}
		requests["gemini stream "+p] = [2]string{"/v1beta/models/" + p + "/m:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`}
	}
	requests["embeddings"] = [2]string{"/v1/embeddings", `{"model":"openai/m","input":"q"}`}
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			ct := newCacheTest(t, llmproxy.Cache{}, providertest.Forever(providertest.Text("one two three")))
			first := ct.want("miss", 1, r[0], r[1])
			ct.clock.advance(90 * time.Second)
			again := ct.want("hit", 1, r[0], r[1], "User-Agent", "another", "X-Stainless-Retry-Count", "1")
			if again.body != first.body || again.StatusCode != 200 || len(first.body) == 0 {
				t.Errorf("first\n%s\nagain\n%s", first.body, again.body)
			}
			if again.Header.Get("Content-Type") != first.Header.Get("Content-Type") || again.Header.Get("Age") != "90" || again.Header.Get("X-Request-Id") == first.Header.Get("X-Request-Id") {
				t.Errorf("header %v, first %v", again.Header, first.Header)
			}
			ct.mu.Lock()
			defer ct.mu.Unlock()
			if x := ct.last; !x.Cached || x.Usage != nil || len(x.Attempts) != 0 || x.Key != "" || !x.Priced || x.Cost != 0 || x.Provider == "" || x.BytesOut != int64(len(again.body)) {
				t.Errorf("record %+v", x)
			}
		})
	}
}

// Whatever may change the answer makes another request of it.
func TestCacheTellsRequestsApart(t *testing.T) {
	ct := newCacheTest(t, llmproxy.Cache{}, providertest.Forever(providertest.Text("one")))
	const path = "/v1/chat/completions"
	ct.want("miss", 1, path, cacheQuestion)
	ct.want("miss", 2, path, strings.Replace(cacheQuestion, `"q"`, `"Q"`, 1))
	ct.want("miss", 3, path, cacheQuestion+" ")
	ct.want("miss", 4, path, cacheQuestion, "Authorization", "Bearer another")
	ct.want("miss", 5, path, cacheQuestion, "Openai-Beta", "x")
	ct.want("miss", 6, path, cacheQuestion, "Llmproxy-Strict", "true")
	ct.want("miss", 7, "/key/0"+path, cacheQuestion)
	ct.want("hit", 7, path, cacheQuestion)
	ct.want("miss", 8, path, cacheQuestion, "Cache-Control", "no-cache")
	ct.want("hit", 8, path, cacheQuestion)
	ct.want("", 9, path, cacheQuestion, "Cache-Control", "max-age=5, No-Store")
	if a := ct.send("/openai/chat/completions", strings.Replace(cacheQuestion, "openai/", "", 1)); a.Header.Get("Llmproxy-Cache") != "" || ct.up.Count() != 10 {
		t.Error("pass-through is cached")
	}
	ct.clock.advance(5*time.Minute - time.Second)
	ct.want("hit", 10, path, cacheQuestion)
	ct.clock.advance(time.Second)
	ct.want("miss", 11, path, cacheQuestion)

	shared := newCacheTest(t, llmproxy.Cache{Shared: true}, providertest.Forever(providertest.Text("one")))
	shared.want("miss", 1, path, cacheQuestion)
	shared.want("hit", 1, path, cacheQuestion, "Authorization", "Bearer another")
}

// What did not end well is not kept.
func TestCacheKeepsNoFailure(t *testing.T) {
	words := providertest.Text("one two three four five six")
	for name, step := range map[string]providertest.Step{
		"limited": providertest.RateLimited(time.Second), "refused": providertest.Fail(400, "no"), "broken": providertest.Fail(500, "no"),
		"cut": words.With(providertest.CutAfterEvents(4)), "ends": words.With(providertest.EndAfterEvents(3)),
		"inside": providertest.FailInside(3, providertest.Answer{Text: "one two three four"}, 500, "no"), "html": providertest.Raw(200, "text/html", []byte("<html>")),
	} {
		for _, stream := range []string{"true", "false"} {
			for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
				if stream == "false" && (name == "cut" || name == "ends" || name == "inside") {
					continue // faults of streams
				}
				t.Run(name+" "+stream+path, func(t *testing.T) {
					ct := newCacheTest(t, llmproxy.Cache{}, providertest.Forever(step))
					body := `{"model":"openai/m","max_tokens":9,"stream":` + stream + `,"messages":[{"role":"user","content":"q"}]}`
					for range 2 {
						if a := ct.send(path, body); a.Header.Get("Llmproxy-Cache") == "hit" {
							t.Errorf("a failure was kept: %s", a.body)
						}
					}
				})
			}
		}
	}
}

func TestCacheStreamsWithTools(t *testing.T) {
	const path, body = "/v1/chat/completions", `{"model":"openai/m","stream":true,"messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f"}}]}`
	ct := newCacheTest(t, llmproxy.Cache{}, providertest.Forever(providertest.Text("one")))
	ct.want("", 1, path, body)
	ct.want("", 2, path, body)
	whole := strings.Replace(body, `"stream":true`, `"stream":false`, 1)
	ct.want("miss", 3, path, whole)
	ct.want("hit", 3, path, whole)
	ct = newCacheTest(t, llmproxy.Cache{StreamsWithTools: true}, providertest.Forever(providertest.Text("one")))
	ct.want("miss", 1, path, body)
	ct.want("hit", 1, path, body)
}

// The bounds on bytes hold, and the answer that was not asked for longest goes.
func TestCacheBounds(t *testing.T) {
	question := func(i int) string { return strings.Replace(cacheQuestion, `"q"`, fmt.Sprintf(`"q%d"`, i), 1) }
	const path = "/v1/chat/completions"
	ct := newCacheTest(t, llmproxy.Cache{Bytes: 20 << 10}, providertest.Forever(providertest.Text(strings.Repeat("word ", 1000))))
	ct.want("miss", 1, path, question(1))
	ct.want("miss", 2, path, question(2))
	ct.want("hit", 2, path, question(1))
	ct.want("miss", 3, path, question(3))
	ct.want("miss", 4, path, question(4))
	ct.want("hit", 4, path, question(4))
	ct.want("miss", 5, path, question(2))
	small := newCacheTest(t, llmproxy.Cache{EntryBytes: 4 << 10}, providertest.Forever(providertest.Text(strings.Repeat("word ", 1000))))
	small.want("miss", 1, path, question(1))
	small.want("miss", 2, path, question(1))
}

// Nobody who is not let in is told an answer, and equal requests at once are
// safe.
func TestCacheStandsBehindAuth(t *testing.T) {
	up := providertest.NewServer(t, providertest.Forever(providertest.Text("secret")))
	p := provider.OpenAI()
	p.BaseURL = up.URL + "/v1"
	s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("openai", rotate.Secrets("a")...), llmproxy.WithCache(llmproxy.Cache{Shared: true}))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a := do(t, s, "POST", "/v1/chat/completions", cacheQuestion); !strings.Contains(a.body, "secret") {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
	wg.Wait()
	if a := do(t, s, "POST", "/v1/chat/completions", cacheQuestion, "Authorization", "Bearer wrong"); a.StatusCode != 401 || strings.Contains(a.body, "secret") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	// Who holds another proxy key is another caller.
	two := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("openai", rotate.Secrets("a")...), llmproxy.WithCache(llmproxy.Cache{}), llmproxy.WithProxyKeys("other-key"))
	for key, want := range map[string]string{clientKey: "hit", "other-key": "miss"} {
		if key == clientKey {
			do(t, two, "POST", "/v1/chat/completions", cacheQuestion)
		}
		if a := do(t, two, "POST", "/v1/chat/completions", cacheQuestion, "Authorization", "Bearer "+key); a.Header.Get("Llmproxy-Cache") != want {
			t.Errorf("%s: %q, want %s", key, a.Header.Get("Llmproxy-Cache"), want)
		}
	}
	if _, err := llmproxy.New(llmproxy.WithProvider(p), llmproxy.WithoutAuth(), llmproxy.WithCache(llmproxy.Cache{TTL: -1, Bytes: -1})); err == nil || !strings.Contains(err.Error(), "WithCache: TTL") {
		t.Errorf("New: %v", err)
	}
}
