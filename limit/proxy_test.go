package limit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const answer = `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50}}`

// formats are the requests of the four clients, of 100 tokens at the most, and
// what an error's type is called there, by status.
var formats = []struct {
	name, path, body string
	kind             func(body []byte) string
	kinds            map[int]string
}{
	{"chat", "/v1/chat/completions", `{"model":"up/m","max_tokens":60,"messages":[{"role":"user","content":"q"}]}`, errorType, map[int]string{429: "rate_limit_error", 402: "insufficient_quota"}},
	{"responses", "/v1/responses", `{"model":"up/m","max_output_tokens":60,"input":"q"}`, errorType, map[int]string{429: "rate_limit_error", 402: "insufficient_quota"}},
	{"messages", "/v1/messages", `{"model":"up/m","max_tokens":60,"messages":[{"role":"user","content":"q"}]}`, errorType, map[int]string{429: "rate_limit_error", 402: "billing_error"}},
	{"gemini", "/v1beta/models/up%2Fm:generateContent", `{"contents":[{"role":"user","parts":[{"text":"q"}]}],"generationConfig":{"maxOutputTokens":60}}`, func(body []byte) string {
		var e struct{ Error struct{ Status string } }
		json.Unmarshal(body, &e)
		return e.Error.Status
	}, map[int]string{429: "RESOURCE_EXHAUSTED", 402: "RESOURCE_EXHAUSTED"}},
}

func errorType(body []byte) string {
	var e struct{ Error struct{ Type string } }
	json.Unmarshal(body, &e)
	return e.Error.Type
}

// serve serves a Proxy with the limiter in front of an upstream.
func serve(t *testing.T, l *limit.Limiter, upstream http.HandlerFunc, opts ...llmproxy.Option) *httptest.Server {
	t.Helper()
	up := httptest.NewServer(upstream)
	t.Cleanup(up.Close)
	prices, err := (*price.Table)(nil).With([]byte("up,m,,1000,,,1000\n")) // a token is a tenth of a cent
	if err != nil {
		t.Fatal(err)
	}
	p, err := llmproxy.New(append(opts,
		llmproxy.WithProvider(provider.Compatible("up", up.URL+"/v1")), llmproxy.WithKeys("up", rotate.Secrets("sk-1")...),
		llmproxy.WithAuth(func(r *http.Request) (string, error) { return r.Header.Get("X-Who"), nil }),
		llmproxy.WithPrices(prices), llmproxy.WithAdmission(l.Admit))...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return s
}

func answering(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Ratelimit-Limit-Requests", "the provider's")
	io.WriteString(w, answer)
}

func post(ctx context.Context, s *httptest.Server, path, body, who string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("X-Who", who)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, b, err
}

// Every client is refused in its own words, and told when to come again.
func TestProxyRefuses(t *testing.T) {
	now := noon
	for _, c := range []struct {
		limits            limit.Limits
		status            int
		retry             string
		policy, left      string // of the refusal
		remainingRequests string // of the answer
	}{
		{limit.Limits{Requests: 1}, 429, "60", `"requests";q=1;w=60`, `"requests";r=0;t=60`, "0"},
		{limit.Limits{Requests: 100, Tokens: 120}, 429, "", `"requests";q=100;w=60, "tokens";q=120;w=60`, `"requests";r=99;t=1, "tokens";r=70;t=25`, "99"},
		{limit.Limits{Money: price.Dollar / 10}, 402, "43200", "", "", ""},
		{limit.Limits{Requests: 2, Money: price.Dollar / 10}, 402, "43200", `"requests";q=2;w=60`, `"requests";r=1;t=30`, "1"},
	} {
		for _, f := range formats {
			l := limit.New(fixed(c.limits), limit.WithClock(func() time.Time { return now }))
			s := serve(t, l, answering)
			resp, body, err := post(t.Context(), s, f.path, f.body, "alice")
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%s: %v %s", f.name, err, body)
			}
			name := "X-Ratelimit-Remaining-Requests"
			if f.name == "messages" {
				name = "Anthropic-Ratelimit-Requests-Remaining"
			}
			if got := resp.Header.Get(name); got != c.remainingRequests {
				t.Errorf("%s, %+v: %s requests are left, want %q", f.name, c.limits, got, c.remainingRequests)
			}
			if got := resp.Header.Get("X-Ratelimit-Limit-Requests"); strings.HasPrefix(got, "the provider's") != (c.limits.Requests == 0) {
				t.Errorf("%s, %+v: the limit is %q", f.name, c.limits, got)
			}
			resp, body, err = post(t.Context(), s, f.path, f.body, "alice")
			if err != nil {
				t.Fatal(err)
			}
			h := resp.Header
			if resp.StatusCode != c.status || f.kind(body) != f.kinds[c.status] || h.Get("Content-Type") != "application/json" {
				t.Errorf("%s, %+v: %d %s", f.name, c.limits, resp.StatusCode, body)
			}
			if c.status == 429 && f.name == "chat" && !strings.Contains(string(body), `"code":"rate_limit_exceeded"`) {
				t.Errorf("%s, %+v: %s", f.name, c.limits, body)
			}
			if got := h.Get("Retry-After"); got == "" || c.retry != "" && got != c.retry {
				t.Errorf("%s, %+v: Retry-After is %q, want %q", f.name, c.limits, got, c.retry)
			}
			if h.Get("RateLimit-Policy") != c.policy || h.Get("RateLimit") != c.left {
				t.Errorf("%s, %+v: %q %q", f.name, c.limits, h.Get("RateLimit-Policy"), h.Get("RateLimit"))
			}
			if resp, body, err := post(t.Context(), s, f.path, f.body, "bob"); err != nil || resp.StatusCode != 200 {
				t.Errorf("%s, %+v: another principal: %v %s", f.name, c.limits, err, body)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	l := limit.New(fixed(limit.Limits{Requests: 7, Tokens: 1000}), limit.WithClock(func() time.Time { return noon }))
	s := serve(t, l, answering)
	for _, f := range formats {
		resp, body, err := post(t.Context(), s, f.path, f.body, f.name)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v %s", f.name, err, body)
		}
		reserved := int64(len(f.body)+3)/4 + 60
		left := fmt.Sprint(1000 - reserved)
		want := map[string]string{
			"X-Ratelimit-Limit-Requests": "7", "X-Ratelimit-Remaining-Requests": "6", "X-Ratelimit-Reset-Requests": "8.572s",
			"X-Ratelimit-Limit-Tokens": "1000", "X-Ratelimit-Remaining-Tokens": left, "X-Ratelimit-Reset-Tokens": (time.Duration(reserved) * 60 * time.Millisecond).String(),
		}
		if f.name == "messages" {
			want = map[string]string{
				"Anthropic-Ratelimit-Requests-Limit": "7", "Anthropic-Ratelimit-Requests-Remaining": "6", "Anthropic-Ratelimit-Requests-Reset": "2026-03-01T12:00:09Z",
				"Anthropic-Ratelimit-Tokens-Limit": "1000", "Anthropic-Ratelimit-Tokens-Remaining": left, "Anthropic-Ratelimit-Tokens-Reset": "2026-03-01T12:00:05Z",
			}
		}
		for name, v := range resp.Header {
			if strings.Contains(name, "Ratelimit-") && name != "Ratelimit-Policy" && want[name] != v[0] {
				t.Errorf("%s: %s is %q, want %q", f.name, name, v, want[name])
			}
			delete(want, name)
		}
		if len(want) > 0 {
			t.Errorf("%s: the answer lacks %v", f.name, want)
		}
	}
}

// Many clients at once: what reaches the provider is what the limit has room
// for, and all of it.
func TestProxyRace(t *testing.T) { // pitfall 43
	const clients = 64
	most := int64(len(formats[0].body)+3)/4 + 60 // what a chat request may take, of which it takes 50
	for name, c := range map[string]struct {
		limits limit.Limits
		of     int   // how many of the formats ask
		status int   // of a refusal
		atOnce int64 // how many find room together,
		inAll  int64 // and when more come one by one
	}{
		"requests": {limit.Limits{Requests: 20}, 4, 429, 20, 20},
		"tokens":   {limit.Limits{Tokens: 1000}, 1, 429, 1000 / most, (1000-most)/50 + 1},
		"money":    {limit.Limits{Money: price.Dollar}, 1, 402, 1000 / most, (1000-most)/50 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			var reached, refused atomic.Int64
			release, full := make(chan struct{}), make(chan struct{})
			settled := make(chan struct{}, 2*clients) // which may be after the client has its answer
			l := limit.New(fixed(c.limits), limit.WithClock(func() time.Time { return noon }))
			s := serve(t, l, func(w http.ResponseWriter, r *http.Request) {
				reached.Add(1)
				<-release
				answering(w, r)
			}, llmproxy.WithObserver(llmproxy.Observer{Exchange: func(context.Context, *llmproxy.Exchange) { settled <- struct{}{} }}))
			var wg sync.WaitGroup
			for i := range clients {
				f := formats[i%c.of]
				wg.Go(func() {
					resp, body, err := post(t.Context(), s, f.path, f.body, "alice")
					switch {
					case err != nil:
						t.Error(err)
					case resp.StatusCode == c.status:
						if refused.Add(1) == clients-c.atOnce {
							close(full)
						}
					case resp.StatusCode != 200:
						t.Errorf("%d %s", resp.StatusCode, body)
					}
				})
			}
			select {
			case <-full:
			case <-time.After(30 * time.Second):
				t.Errorf("only %d were refused, want %d", refused.Load(), clients-c.atOnce)
			}
			close(release)
			wg.Wait()
			for range clients {
				<-settled
			}
			if n := reached.Load(); n != c.atOnce {
				t.Errorf("%d requests reached the provider, want %d", n, c.atOnce)
			}
			for range clients {
				if _, _, err := post(t.Context(), s, formats[0].path, formats[0].body, "alice"); err != nil {
					t.Fatal(err)
				}
				<-settled
			}
			if n := reached.Load(); n != c.inAll {
				t.Errorf("%d requests reached the provider in all, want %d", n, c.inAll)
			}
		})
	}
}

// A client that leaves is charged for what it was sent.
func TestProxyAborted(t *testing.T) {
	l := limit.New(fixed(limit.Limits{Tokens: 10_000}), limit.WithClock(func() time.Time { return noon }))
	settled := make(chan llmproxy.Exchange, 1)
	s := serve(t, l, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q},\"finish_reason\":null}]}\n\n", strings.Repeat("word", 100))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, llmproxy.WithObserver(llmproxy.Observer{Exchange: func(_ context.Context, x *llmproxy.Exchange) { settled <- *x }}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/chat/completions", strings.NewReader(`{"model":"up/m","stream":true,"max_tokens":5000,"messages":[{"role":"user","content":"12345678"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Who", "p")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	cancel()
	x := <-settled
	if got, want := remaining(t, l), "9875"; got != want || !x.Aborted {
		t.Errorf("%s tokens are left, want %s: 25 of the body and 100 of the answer; %+v", got, want, x)
	}
}
