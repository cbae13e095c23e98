package llmproxy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/rotate"
)

const accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// The page shows keys' states, exchanges with their attempts, and figures; no
// content and no secret, within 60 KB, under a policy that loads nothing else.
func TestStatusPage(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") == "Bearer sk-first-canary" {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(429)
			io.WriteString(w, `{"error":{"message":"Rate limit reached for secret-content"}}`)
			return
		}
		io.WriteString(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"secret-content"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1234,"completion_tokens":5,"total_tokens":1239}}`)
	})
	clock := new(fakeClock)
	prices, err := price.Parse([]byte("up,m<script>,,100,,,1000\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := proxy(t, compatible("up", up.URL, "sk-first-canary", "sk-second-canary"), llmproxy.WithClock(clock.now), llmproxy.WithPrices(prices))
	for range 98 {
		if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m<script>","messages":[{"role":"user","content":"secret-content"}],"top_k":1}`); a.StatusCode != 200 {
			t.Fatal(a.StatusCode, a.body)
		}
	}
	do(t, s, "POST", "/v1/chat/completions", `{"model":"nobody/secret-content`)
	clock.advance(time.Minute)
	a := do(t, s, "GET", "/status", "", "Accept", accept)
	if a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || a.Header.Get("Vary") == "" {
		t.Fatal(a.StatusCode, a.Header)
	}
	for _, want := range []string{"up/m&lt;script&gt;", "rate_limited", "data-until=", "✓ healthy", "120 932", "$0.1284", "$12.5832", "2 attempts", "1 failed", "<title>"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	for _, never := range []string{"canary", "secret-content", "<script>alert", "http://", "https://"} {
		if strings.Contains(a.body, never) {
			t.Errorf("%q is on the page", never)
		}
	}
	if n := len(a.body); n > 60<<10 {
		t.Errorf("the page has %d bytes", n)
	}
	csp := a.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy: %s", csp)
	}
}

// A target that is left alone is told, to browsers and to others, and so are the
// names that stand for models.
func TestStatusOfTargets(t *testing.T) {
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) })
	s := proxy(t, compatible("up", up.URL, "k"), llmproxy.WithRetry(llmproxy.Retry{Streak: 1}), llmproxy.WithPool(rotate.WithBackoff(rotate.Backoff{Target: time.Hour, TargetMax: time.Hour})),
		llmproxy.WithAlias("fast", "up/m", "up/spare"), llmproxy.WithDefaultModel("fast"))
	if a := do(t, s, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[{"role":"user","content":"q"}]}`); a.StatusCode != 502 {
		t.Fatal(a.StatusCode, a.body)
	}
	page := do(t, s, "GET", "/status", "", "Accept", accept).body
	for _, want := range []string{"● 1 fault in a row, back in <time data-until=", "<code>fast</code></th><td class=\"wrap\"><code>up/m</code>, <code>up/spare</code>", "<code>default</code></th><td class=\"wrap\"><code>fast</code>"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	var status struct {
		LeftAlone []struct {
			Model  string
			Faults int
			Until  time.Time
		} `json:"left_alone"`
	}
	body := do(t, s, "GET", "/status", "").body
	if err := json.Unmarshal([]byte(body), &status); err != nil || len(status.LeftAlone) != 1 || status.LeftAlone[0].Model != "up/m" || status.LeftAlone[0].Faults != 1 || time.Until(status.LeftAlone[0].Until) < 59*time.Minute {
		t.Errorf("%v %s", err, body)
	}
}

// Who asks for no HTML gets JSON, as before.
func TestStatusNegotiation(t *testing.T) {
	s := proxy(t, compatible("up", "http://127.0.0.1:1", "k"))
	for header, page := range map[string]bool{accept: true, "": false, "*/*": false, "application/json": false, "application/json, text/html": false, "text/html;q=0.9": true} {
		a := do(t, s, "GET", "/status", "", "Accept", header)
		if got := !json.Valid([]byte(a.body)); a.StatusCode != 200 || got != page {
			t.Errorf("Accept: %s: %d, a page %v", header, a.StatusCode, got)
		}
	}
}

// A browser is asked for a password, which is the proxy's key.
func TestStatusInABrowser(t *testing.T) {
	s := proxy(t, compatible("up", "http://127.0.0.1:1", "k"))
	a := do(t, s, "GET", "/status", "", "Accept", accept, "Authorization", "")
	if a.StatusCode != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("without a key: %d %v", a.StatusCode, a.Header)
	}
	if a := do(t, s, "GET", "/status", "", "Authorization", ""); a.Header.Get("WWW-Authenticate") != "" {
		t.Error("a client that is no browser is asked for a password")
	}
	for password, want := range map[string]int{clientKey: 200, "wrong": 401, "": 401} {
		req, _ := http.NewRequest("GET", s.URL+"/api/llm/status", nil)
		req.SetBasicAuth("anybody", password)
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("password %q: %d", password, resp.StatusCode)
		}
	}
}
