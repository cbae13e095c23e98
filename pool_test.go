package llmproxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// account is an Anthropic that binds reasoning state to the key that made it:
// it refuses a signature of another one, as the provider does.
type account struct {
	t      *testing.T
	server *httptest.Server

	mu    sync.Mutex
	keys  []string          // of each request, in order
	limit map[string]string // by key: answer 429 with this Retry-After
	bare  bool              // the last request carried no state
}

func newAccount(t *testing.T) *account {
	a := &account{t: t, limit: map[string]string{}}
	a.server = upstream(t, a.serve)
	return a
}

func (a *account) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	key := r.Header.Get("X-Api-Key")
	a.keys = append(a.keys, key)
	w.Header().Set("Content-Type", "application/json")
	if after, ok := a.limit[key]; ok {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(429)
		io.WriteString(w, `{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`)
		return
	}
	var req struct {
		Stream   bool
		Messages []struct {
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		a.t.Errorf("%v: %s", err, body)
	}
	a.bare = true
	for i, m := range req.Messages {
		var blocks []struct{ Type, Signature, ID string }
		json.Unmarshal(m.Content, &blocks) // text alone is a string
		for _, b := range blocks {
			if strings.Contains(b.ID, "llmp") {
				a.t.Errorf("messages[%d]: a packed ID was sent: %s", i, b.ID)
			}
			if b.Type != "thinking" {
				continue
			}
			a.bare = false
			if b.Signature != "signed-by-"+key {
				w.WriteHeader(400)
				fmt.Fprintf(w, `{"type":"error","error":{"type":"invalid_request_error","message":"messages.%d: Invalid signature in thinking block"}}`, i)
				return
			}
		}
	}
	id := fmt.Sprintf("toolu_%d", len(a.keys))
	if !req.Stream {
		fmt.Fprintf(w, `{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"thinking","thinking":"hm","signature":"signed-by-%s"},{"type":"tool_use","id":%q,"name":"f","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}`, key, id)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range []string{
		`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"signed-by-` + key + `"}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"` + id + `","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}`,
		`{"type":"content_block_stop","index":1}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}`,
		`{"type":"message_stop"}`,
	} {
		var v struct{ Type string }
		json.Unmarshal([]byte(e), &v)
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", v.Type, e)
	}
}

func (a *account) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys[len(a.keys)-1]
}

func (a *account) setLimit(key, after string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if delete(a.limit, key); after != "" {
		a.limit[key] = after
	}
}

func (a *account) option(keys ...string) llmproxy.Option {
	p := provider.Anthropic()
	p.BaseURL = a.server.URL + "/v1"
	return llmproxy.Options(llmproxy.WithProvider(p), llmproxy.WithKeys("anthropic", named(keys...)...))
}

// named returns keys whose IDs are their secrets.
func named(secrets ...string) []rotate.Key {
	keys := rotate.Secrets(secrets...)
	for i := range keys {
		keys[i].ID = secrets[i]
	}
	return keys
}

// chat is an agent that speaks OpenAI Chat: each turn ends in a tool call,
// whose result starts the next.
type chat struct {
	t        *testing.T
	s        *httptest.Server
	messages []string
	stream   bool
	// plain clients send back what OpenAI documents and nothing else, so that
	// only a tool call's ID comes back.
	plain bool
}

func newChat(t *testing.T, s *httptest.Server) *chat {
	return &chat{t: t, s: s, messages: []string{`{"role":"user","content":"go"}`}}
}

func (c *chat) turn(header ...string) answer {
	c.t.Helper()
	body := fmt.Sprintf(`{"model":"anthropic/claude-x","reasoning_effort":"low","stream":%v,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"messages":[%s]}`,
		c.stream, strings.Join(c.messages, ","))
	a := do(c.t, c.s, "POST", "/v1/chat/completions", body, header...)
	if a.StatusCode != 200 {
		return a
	}
	var whole struct {
		Choices []struct{ Message json.RawMessage }
	}
	message := ""
	if c.stream {
		message = c.gather(a.body)
	} else if err := json.Unmarshal([]byte(a.body), &whole); err != nil || len(whole.Choices) != 1 {
		c.t.Fatalf("%v: %s", err, a.body)
	} else {
		message = string(whole.Choices[0].Message)
	}
	var m struct {
		ToolCalls json.RawMessage `json:"tool_calls"`
	}
	var calls []struct{ ID string }
	json.Unmarshal([]byte(message), &m)
	if json.Unmarshal(m.ToolCalls, &calls); len(calls) != 1 {
		c.t.Fatalf("no tool call: %s", a.body)
	}
	if c.plain {
		message = `{"role":"assistant","content":null,"tool_calls":` + string(m.ToolCalls) + `}`
	}
	c.messages = append(c.messages, message, fmt.Sprintf(`{"role":"tool","tool_call_id":%q,"content":"42"}`, calls[0].ID))
	return a
}

// gather makes a message of a stream's tool call.
func (c *chat) gather(stream string) string {
	id, args := "", ""
	for line := range strings.Lines(stream) {
		var v struct {
			Choices []struct {
				Delta struct {
					ToolCalls []struct {
						ID       string
						Function struct{ Arguments string }
					} `json:"tool_calls"`
				}
			}
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &v) == nil {
			for _, ch := range v.Choices {
				for _, call := range ch.Delta.ToolCalls {
					id, args = id+call.ID, args+call.Function.Arguments
				}
			}
		}
	}
	return fmt.Sprintf(`{"role":"assistant","content":null,"tool_calls":[{"id":%q,"type":"function","function":{"name":"f","arguments":%q}}]}`, id, args)
}

var fiveKeys = []string{"k0", "k1", "k2", "k3", "k4"}

var policies = map[string]rotate.Policy{
	"round robin": rotate.RoundRobin{}, "random": rotate.Random{}, "weighted": rotate.Weighted{},
	"least in flight": rotate.LeastInFlight{}, "most headroom": rotate.MostHeadroom{}, "affinity": rotate.Affinity{},
}

// pitfall 40: reasoning state is bound to an account, so the conversation that
// carries it goes to the key that made it, whatever the policy and the client.
func TestStateGoesToItsKey(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			for i := range 4 {
				a := newAccount(t)
				s := proxy(t, a.option(fiveKeys...), llmproxy.WithPool(rotate.WithPolicy(policy)))
				mine, other := newChat(t, s), newChat(t, s)
				mine.plain, mine.stream = i&1 != 0, i&2 != 0
				mine.plain = mine.plain || mine.stream
				mine.turn()
				home := a.last()
				for range 10 {
					other.turn() // other traffic moves the policy on
					a := a
					got := mine.turn()
					if got.StatusCode != 200 || a.last() != home || a.bare || got.Header.Get("Llmproxy-Loss") != "" {
						t.Fatalf("plain %v, stream %v: %d by %s, home is %s, without state %v, %v: %s", mine.plain, mine.stream, got.StatusCode, a.last(), home, a.bare, got.Header, got.body)
					}
				}
			}
		})
	}
}

// pitfall 9, pitfall 40: while the state's key cools another serves, without
// the state and saying so; after, the conversation comes home.
func TestStateIsLeftOutAwayFromHome(t *testing.T) {
	for _, plain := range []bool{false, true} {
		a, clock := newAccount(t), new(fakeClock)
		s := proxy(t, a.option(fiveKeys...), llmproxy.WithClock(clock.now), llmproxy.WithPool(rotate.WithClock(clock.now)))
		c := newChat(t, s)
		c.plain = plain
		c.turn()
		home := a.last()
		fork := *c // the conversation as it is at home

		a.setLimit(home, "30")
		got := c.turn()
		if got.StatusCode != 200 || a.last() == home || !a.bare {
			t.Fatalf("%d by %s, home is %s, without state %v: %s", got.StatusCode, a.last(), home, a.bare, got.body)
		}
		if loss := got.Header.Get("Llmproxy-Loss"); !strings.Contains(loss, "reasoning state") || got.Header.Get("Llmproxy-Attempts") != "2" {
			t.Errorf("the loss is not told: %v", got.Header)
		}
		// Strict clients are told rather than served without.
		a.setLimit(home, "")
		n := len(a.keys)
		strict := fork
		if got := strict.turn("Llmproxy-Strict", "true"); got.StatusCode != 400 || len(a.keys) != n {
			t.Errorf("strict: %d, %d requests: %s", got.StatusCode, len(a.keys)-n, got.body)
		}
		clock.advance(29 * time.Second)
		away := fork
		if away.turn(); a.last() == home {
			t.Error("the key was used before its time")
		}
		clock.advance(2 * time.Second)
		back := fork
		if got := back.turn(); got.StatusCode != 200 || a.last() != home || a.bare || got.Header.Get("Llmproxy-Loss") != "" {
			t.Errorf("%d by %s, home is %s: %s", got.StatusCode, a.last(), home, got.body)
		}
		// The conversation that moved on carries state of two keys: it stays
		// with the latest, and what that one cannot read is left out.
		moved := ""
		for range 3 {
			if got := c.turn(); got.StatusCode != 200 || a.bare {
				t.Fatalf("%d, without state %v: %s", got.StatusCode, a.bare, got.body)
			}
			if moved == "" {
				moved = a.last()
			}
			if a.last() != moved || moved == home {
				t.Errorf("served by %s, then %s", moved, a.last())
			}
		}
	}
}

// pitfall 14: when all keys cool, the caller is told when the first recovers,
// in its own format.
func TestAllKeysCooling(t *testing.T) {
	clock := new(fakeClock)
	after := map[string]string{"k0": "120", "k1": "45", "k2": "600"}
	var calls atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", after[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")])
		w.WriteHeader(429)
		io.WriteString(w, `{"error":{"message":"slow","type":"rate_limit_error"}}`)
	})
	s := proxy(t, compatible("up", up.URL, "k0", "k1", "k2"), llmproxy.WithPool(rotate.WithClock(func() time.Time { return epoch.Add(time.Duration(clock.offset.Load())) })))
	// The exchange that meets the limits has the provider's own words, but the
	// time of the first key to recover, not of the last that was tried.
	got := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`)
	if got.StatusCode != 429 || calls.Load() != 3 || got.Header.Get("Retry-After") != "45" || !strings.Contains(got.body, "slow") {
		t.Fatalf("%d after %d calls, Retry-After %q: %s", got.StatusCode, calls.Load(), got.Header.Get("Retry-After"), got.body)
	}
	clock.advance(5 * time.Second)
	for path, c := range map[string]struct{ body, want string }{
		"/v1/chat/completions":                 {`{"model":"up/m","messages":[]}`, `"type":"rate_limit`},
		"/v1/responses":                        {`{"model":"up/m","input":"x"}`, `"code":"rate_limit_exceeded"`},
		"/v1/messages":                         {`{"model":"up/m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}`, `"type":"rate_limit_error"`},
		"/key/1/v1/chat/completions":           {`{"model":"up/m","messages":[]}`, `"type":"rate_limit`},
		"/v1/chat/completions?streamed=please": {`{"model":"up/m","stream":true,"messages":[]}`, `"type":"rate_limit`},
	} {
		got := do(t, s, "POST", path, c.body)
		if got.StatusCode != 429 || got.Header.Get("Retry-After") != "40" || got.Header.Get("Retry-After-Ms") != "40000" || !strings.Contains(got.body, c.want) || calls.Load() != 3 {
			t.Errorf("%s: %d after %d calls, Retry-After %q: %s", path, got.StatusCode, calls.Load(), got.Header.Get("Retry-After"), got.body)
		}
	}
}

// An account without money is not the client's fault, whatever the provider
// calls it: a client drops a request that is answered by 400.
//
// pitfall 11, pitfall 12
func TestEmptyAccountIsNoBadRequest(t *testing.T) {
	for path, c := range map[string]struct{ body, want string }{
		"/v1/messages":         {`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}`, `"type":"billing_error"`},
		"/v1/chat/completions": {`{"model":"anthropic/m","messages":[{"role":"user","content":"x"}]}`, `"type":"insufficient_quota"`},
	} {
		up := providertest.NewServer(t, providertest.QuotaExhausted(), providertest.QuotaExhausted())
		anthropic := provider.Anthropic()
		anthropic.BaseURL = up.URL
		s := proxy(t, llmproxy.WithProvider(anthropic), llmproxy.WithKeys("anthropic", rotate.Secrets("k0", "k1")...))
		got := do(t, s, "POST", path, c.body)
		if got.StatusCode != 402 || got.Header.Get("Retry-After") == "" || !strings.Contains(got.body, c.want) || !strings.Contains(got.body, "credit balance is too low") || up.Count() != 2 {
			t.Errorf("%s: %d after %d calls, Retry-After %q: %s", path, got.StatusCode, up.Count(), got.Header.Get("Retry-After"), got.body)
		}
		if got := do(t, s, "POST", path, c.body); got.StatusCode != 429 || up.Count() != 2 { // both are cooling
			t.Errorf("%s: then %d after %d calls: %s", path, got.StatusCode, up.Count(), got.body)
		}
	}
}

var epoch = time.Now()

// pitfall 14: a host may have requests wait, within a bound.
func TestBoundedWait(t *testing.T) {
	var calls atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.Header().Set("Retry-After-Ms", "60")
			w.WriteHeader(429)
		case 3:
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(429)
		default:
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, chatAnswer)
		}
	})
	s := proxy(t, compatible("up", up.URL, "k0"), llmproxy.WithPool(rotate.WithWait(5*time.Second)))
	ask := func() answer { return do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`) }
	if got := ask(); got.StatusCode != 429 { // its only key has been tried
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := ask(); got.StatusCode != 200 || calls.Load() != 2 {
		t.Errorf("%d after %d calls: %s", got.StatusCode, calls.Load(), got.body)
	}
	began := time.Now()
	for range 2 { // 30 seconds are beyond the bound
		if got := ask(); got.StatusCode != 429 || calls.Load() != 3 || time.Since(began) > 3*time.Second {
			t.Errorf("%d after %d calls and %v", got.StatusCode, calls.Load(), time.Since(began))
		}
	}
}

// Which answers touch a key, for how long, and whether another is tried.
// pitfall 9, pitfall 10, pitfall 11, pitfall 12
func TestWhatCoolsAKey(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		header   string // Retry-After
		body     string
		failover bool
		cools    time.Duration // 0: not at all
		max      time.Duration // it is used again by then
	}{
		"429 without hints":       {429, "", ``, true, 500 * time.Millisecond, 2 * time.Second},
		"429 with Retry-After":    {429, "90", ``, true, 89 * time.Second, 91 * time.Second},
		"429 quota":               {429, "", `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`, true, 50 * time.Minute, 61 * time.Minute},
		"400":                     {400, "", `{"error":{"message":"bad temperature","type":"invalid_request_error"}}`, false, 0, 0},
		"400 content policy":      {400, "", `{"error":{"message":"flagged","type":"invalid_request_error","code":"content_policy_violation"}}`, false, 0, 0},
		"413":                     {413, "", `{"error":{"message":"too large"}}`, false, 0, 0},
		"422":                     {422, "", `{"detail":"no"}`, false, 0, 0},
		"401":                     {401, "", `{"error":{"message":"bad key"}}`, true, 9 * time.Minute, 11 * time.Minute},
		"402":                     {402, "", `{"error":{"message":"pay"}}`, true, 50 * time.Minute, 61 * time.Minute},
		"402 with Retry-After":    {402, "300", `{"error":{"message":"pay"}}`, true, 299 * time.Second, 301 * time.Second},
		"403":                     {403, "", `{"error":{"message":"not this model"}}`, true, 0, 0},
		"500":                     {500, "", `{"error":{"message":"oops"}}`, true, 0, 0},
		"529":                     {529, "", `{"error":{"message":"overloaded","type":"overloaded_error"}}`, true, 0, 0},
		"error with a far reset":  {429, "604800", ``, true, 604799 * time.Second, 604801 * time.Second},
		"error inside a 200":      {200, "", `{"error":{"message":"slow down","code":429}}`, true, 500 * time.Millisecond, 2 * time.Second},
		"client fault inside 200": {200, "", `{"error":{"message":"bad","code":400}}`, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			clock := new(fakeClock)
			var sick atomic.Bool
			var mu sync.Mutex
			var used []string
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				mu.Lock()
				used = append(used, key)
				mu.Unlock()
				w.Header().Set("Content-Type", "application/json")
				if key == "k0" && sick.Load() {
					if c.header != "" {
						w.Header().Set("Retry-After", c.header)
					}
					w.WriteHeader(c.status)
					io.WriteString(w, c.body)
					return
				}
				io.WriteString(w, chatAnswer)
			})
			s := proxy(t, compatible("up", up.URL, "k0", "k1"), llmproxy.WithPool(rotate.WithClock(clock.now)))
			ask := func() (answer, []string) {
				used = nil
				return do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`), slices.Clone(used)
			}
			sick.Store(true)
			got, keys := ask()
			if c.failover && (got.StatusCode != 200 || !slices.Equal(keys, []string{"k0", "k1"})) || !c.failover && (got.StatusCode < 400 || !slices.Equal(keys, []string{"k0"})) {
				t.Fatalf("%d %s with %v", got.StatusCode, got.body, keys)
			}
			sick.Store(false)
			usesK0 := func() bool {
				var all []string
				for range 4 {
					_, keys := ask()
					all = append(all, keys...)
				}
				return slices.Contains(all, "k0")
			}
			if usesK0() != (c.cools == 0) {
				t.Errorf("right after: used again: %v", c.cools != 0)
			}
			if c.cools == 0 {
				return
			}
			clock.advance(c.cools)
			if usesK0() {
				t.Errorf("the key was used again within %v", c.cools)
			}
			clock.advance(c.max - c.cools)
			if !usesK0() {
				t.Errorf("the key was not used again after %v", c.max)
			}
		})
	}
}

// pitfall 11: Anthropic says with 400 that an account has no money left.
func TestAnthropicCreditBalance(t *testing.T) {
	var used []string
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		used = append(used, r.Header.Get("X-Api-Key"))
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("X-Api-Key") == "k0" {
			w.WriteHeader(400)
			io.WriteString(w, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}`)
			return
		}
		io.WriteString(w, `{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`)
	})
	p := provider.Anthropic()
	p.BaseURL = up.URL + "/v1"
	s := proxy(t, llmproxy.WithProvider(p), llmproxy.WithKeys("anthropic", named("k0", "k1")...))
	for range 4 {
		if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"anthropic/c","messages":[{"role":"user","content":"x"}]}`); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	if !slices.Equal(used, []string{"k0", "k1", "k1", "k1", "k1"}) {
		t.Errorf("used %v", used)
	}
}

// pitfall 8: a later, shorter limit does not shorten one that stands, also
// across requests and their keys' models.
func TestLimitsAreOfModels(t *testing.T) {
	clock := new(fakeClock)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if strings.Contains(string(b), `"big"`) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(429)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	s := proxy(t, compatible("up", up.URL, "k0"), llmproxy.WithPool(rotate.WithClock(clock.now)))
	ask := func(model string) int {
		return do(t, s, "POST", "/v1/chat/completions", `{"model":"up/`+model+`","messages":[]}`).StatusCode
	}
	if got := []int{ask("big"), ask("small"), ask("big")}; !slices.Equal(got, []int{429, 200, 429}) {
		t.Errorf("got %v", got)
	}
}

// pitfall 40: with affinity a conversation stays on its key as it grows, in
// every client's format, and conversations spread over the keys.
func TestAffinityKeepsConversations(t *testing.T) {
	var mu sync.Mutex
	last := ""
	limited := map[string]bool{}
	clock := new(fakeClock)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		last = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if limited[last] {
			w.Header().Set("Retry-After", "10")
			w.WriteHeader(429)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	s := proxy(t, compatible("up", up.URL, fiveKeys...), llmproxy.WithAffinity(rotate.Conversation()),
		llmproxy.WithPool(rotate.WithPolicy(rotate.Affinity{}), rotate.WithClock(clock.now)))
	formats := map[string]struct{ path, head, user, model, tail string }{
		"openai":    {"/v1/chat/completions", `{"model":"up/m","messages":[`, `{"role":"user","content":"%s"}`, `{"role":"assistant","content":"%s"}`, `]}`},
		"responses": {"/v1/responses", `{"model":"up/m","input":[`, `{"role":"user","content":"%s"}`, `{"role":"assistant","content":"%s"}`, `]}`},
		"anthropic": {"/v1/messages", `{"model":"up/m","max_tokens":9,"messages":[`, `{"role":"user","content":"%s"}`, `{"role":"assistant","content":"%s"}`, `]}`},
	}
	for name, f := range formats {
		homes := map[string]bool{}
		for i := range 20 {
			turns := []string{fmt.Sprintf(f.user, fmt.Sprint("question ", i))}
			ask := func() {
				t.Helper()
				if a := do(t, s, "POST", f.path, f.head+strings.Join(turns, ",")+f.tail); a.StatusCode != 200 {
					t.Fatalf("%s: %d %s", name, a.StatusCode, a.body)
				}
			}
			ask()
			home := last
			homes[home] = true
			for range 3 {
				turns = append(turns, fmt.Sprintf(f.model, "answer"), fmt.Sprintf(f.user, "more"))
				if ask(); last != home {
					t.Errorf("%s: conversation %d went from %s to %s", name, i, home, last)
				}
			}
			if i > 0 {
				continue
			}
			limited[home] = true
			if ask(); last == home {
				t.Errorf("%s: no spill-over", name)
			}
			second := last
			limited[home] = false
			if ask(); last != second {
				t.Errorf("%s: the second choice changed", name)
			}
			clock.advance(11 * time.Second)
			if ask(); last != home {
				t.Errorf("%s: the conversation did not come home", name)
			}
		}
		if len(homes) < 3 {
			t.Errorf("%s: 20 conversations use %d of 5 keys", name, len(homes))
		}
	}
}

// A selection in the path binds every policy, and a conversation's owner too.
func TestKeySelectionBindsPolicies(t *testing.T) {
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t)
			s := proxy(t, a.option(fiveKeys...), llmproxy.WithPool(rotate.WithPolicy(policy)), llmproxy.WithAffinity(rotate.Conversation()))
			for spec, want := range map[string]string{"2": "k2", "1-3": "k1 k2 k3", "3-": "k3 k4", "-1": "k0 k1"} {
				for i := range 8 {
					body := fmt.Sprintf(`{"model":"anthropic/claude-x","messages":[{"role":"user","content":"%d"}]}`, i)
					if got := do(t, s, "POST", "/key/"+spec+"/v1/chat/completions", body); got.StatusCode != 200 || !strings.Contains(want, a.last()) {
						t.Errorf("/key/%s: %d with %s", spec, got.StatusCode, a.last())
					}
				}
			}
			if got := do(t, s, "POST", "/key/5/v1/chat/completions", `{"model":"anthropic/claude-x","messages":[]}`); got.StatusCode != 400 {
				t.Errorf("/key/5: %d", got.StatusCode)
			}
			c := newChat(t, s)
			c.turn()
			body := `{"model":"anthropic/claude-x","messages":[` + strings.Join(c.messages, ",") + `]}`
			away := (slices.Index(fiveKeys, a.last()) + 1) % len(fiveKeys)
			got := do(t, s, "POST", fmt.Sprintf("/key/%d/v1/chat/completions", away), body)
			if got.StatusCode != 200 || a.last() != fiveKeys[away] || !a.bare || got.Header.Get("Llmproxy-Loss") == "" {
				t.Errorf("%d with %s, without state %v, %v", got.StatusCode, a.last(), a.bare, got.Header)
			}
		})
	}
}

// vault is a Store whose keys change.
type vault struct{ keys atomic.Pointer[[]rotate.Key] }

func (v *vault) Keys(context.Context, string) ([]rotate.Key, error) { return *v.keys.Load(), nil }
func (v *vault) set(keys ...string) {
	list := named(keys...)
	v.keys.Store(&list)
}

// Keys are replaced while requests run: once the pool has been told, a removed
// key is used no more, and what runs with it ends well.
func TestHotReplacement(t *testing.T) {
	var mu sync.Mutex
	count := map[string]int{}
	removed := ""
	hold, held := make(chan struct{}), make(chan string, 1)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		count[key]++
		if key == removed {
			t.Errorf("%s was used after it was removed", key)
		}
		mu.Unlock()
		if strings.Contains(string(b), "slow") {
			held <- key
			<-hold
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, chatAnswer)
	})
	store := new(vault)
	store.set("k0", "k1", "k2")
	pool := rotate.NewPool(store, rotate.WithCacheTTL(time.Hour))
	s := proxy(t, llmproxy.WithProvider(provider.Compatible("up", up.URL)), llmproxy.WithKeyRotator(pool))

	var slow sync.WaitGroup
	slow.Go(func() {
		if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[],"x":"slow"}`); a.StatusCode != 200 {
			t.Errorf("in flight: %d %s", a.StatusCode, a.body)
		}
	})
	gone := <-held

	var load sync.WaitGroup
	var gate sync.RWMutex // a request that runs already may use what it has
	var stop atomic.Bool
	for range 4 {
		load.Go(func() {
			for !stop.Load() {
				gate.RLock()
				if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`); a.StatusCode != 200 {
					t.Errorf("%d %s", a.StatusCode, a.body)
				}
				gate.RUnlock()
			}
		})
	}
	left := slices.DeleteFunc([]string{"k0", "k1", "k2"}, func(k string) bool { return k == gone })
	gate.Lock()
	store.set(append(left, "k3")...)
	pool.Refresh("up")
	mu.Lock()
	removed = gone
	clear(count)
	mu.Unlock()
	gate.Unlock()
	for enough := false; !enough; time.Sleep(time.Millisecond) {
		mu.Lock()
		enough = count["k3"] >= 20
		mu.Unlock()
	}
	stop.Store(true)
	load.Wait()
	close(hold)
	slow.Wait()
	for _, k := range append(left, "k3") {
		if d := count[k] - count["k3"]; d < -1 || d > 1 {
			t.Errorf("uneven: %v", count)
		}
	}
}
