package llmproxy_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/gateway"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// A nil argument is as good as no option, and nobody is served by a nil
// function.
func TestNilOptions(t *testing.T) {
	up := providertest.NewServer(t, providertest.Fail(503, "no"), providertest.Text("hi"))
	p, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", up.URL)), llmproxy.WithProxyKeys("secret"),
		nil, llmproxy.Options(nil), llmproxy.WithDefaultProvider(nil), llmproxy.WithStore(nil), llmproxy.WithKeyRotator(nil), llmproxy.WithAuth(nil),
		llmproxy.WithTransport(nil), llmproxy.WithLogger(nil), llmproxy.WithMediaFetcher(nil), llmproxy.WithGateway(nil), llmproxy.WithAffinity(nil),
		llmproxy.WithClassifier(nil), llmproxy.WithAdmission(nil), llmproxy.WithPrices(nil), llmproxy.WithClock(nil), llmproxy.WithPool(nil),
		llmproxy.WithObserver(llmproxy.Observer{}),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key    string
		status int
	}{{"", http.StatusUnauthorized}, {"secret", http.StatusServiceUnavailable}, {"secret", http.StatusOK}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"lab/m","messages":[{"role":"user","content":"q"}]}`))
		r.Header.Set("X-Api-Key", c.key)
		p.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("with the key %q: %d %s", c.key, w.Code, w.Body)
		}
	}
	if _, err := llmproxy.New(llmproxy.FromEnv(nil), llmproxy.WithProvider(nil)); err == nil || !strings.Contains(err.Error(), "nil lookup") || !strings.Contains(err.Error(), "nil provider") {
		t.Errorf("a proxy of nothing: %v", err)
	}
}

// What leads nowhere is told when the proxy is made, not by the first request.
func TestTargetsAreChecked(t *testing.T) {
	demo := llmproxy.Options(llmproxy.WithProvider(provider.Demo()), llmproxy.WithoutAuth())
	for name, c := range map[string]struct {
		option llmproxy.Option
		says   string
	}{
		"an alias":                {llmproxy.WithAlias("fast", "demo/echo", "dmeo/echo"), `WithAlias: "dmeo/echo": no provider "dmeo" is configured`},
		"a default":               {llmproxy.WithDefaultModel("openai/gpt-5.6"), `no provider "openai"`},
		"a good alias":            {llmproxy.WithAlias("fast", "demo/echo", "bare"), ""},
		"a default alias":         {llmproxy.Options(llmproxy.WithAlias("demos/fast", "demo/echo"), llmproxy.WithDefaultModel("demos/fast")), ""},
		"a default with models":   {llmproxy.WithDefaultModel("models/demo/echo"), ""},
		"a bare default":          {llmproxy.WithDefaultModel("echo"), ""},
		"a provider's other name": {llmproxy.Options(llmproxy.WithProvider(provider.Perplexity()), llmproxy.WithAlias("a", "perplexity-ai/sonar")), ""},
	} {
		_, err := llmproxy.New(demo, c.option)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The rules of the pool that the proxy makes, or is given, are those by which
// its answers are read; a classifier comes before them.
func TestRulesOfThePool(t *testing.T) {
	rules := append(rotate.Rules{{Provider: "lab", Status: 418, Class: rotate.RateLimited}}, rotate.DefaultRules()...)
	keys := map[string][]rotate.Key{"lab": rotate.Secrets("sk-one", "sk-two")}
	for name, c := range map[string]struct {
		option llmproxy.Option
		asked  int
	}{
		"default":        {llmproxy.WithKeys("lab", keys["lab"]...), 1},
		"WithPool":       {llmproxy.Options(llmproxy.WithKeys("lab", keys["lab"]...), llmproxy.WithPool(rotate.WithRules(rules))), 2},
		"WithKeyRotator": {llmproxy.WithKeyRotator(rotate.NewPool(rotate.Static(keys), rotate.WithRules(rules))), 2},
		"WithClassifier": {llmproxy.Options(llmproxy.WithKeys("lab", keys["lab"]...), llmproxy.WithPool(rotate.WithRules(rules)), llmproxy.WithClassifier(rotate.Classify)), 1},
	} {
		script := []providertest.Step{providertest.Fail(418, "a teapot"), providertest.Text("hi")}
		up := providertest.NewServer(t, script[:c.asked]...)
		p, err := llmproxy.New(llmproxy.WithProvider(provider.Compatible("lab", up.URL)), llmproxy.WithoutAuth(), c.option)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"lab/m","messages":[{"role":"user","content":"q"}]}`)))
		if asked := len(up.Requests()); asked != c.asked || (w.Code == http.StatusOK) != (c.asked == 2) {
			t.Errorf("%s: asked %d times, %d %s", name, asked, w.Code, w.Body)
		}
	}
}

// Probes do not fill the log, failures stand out, and all else is Info.
func TestLogLevels(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("hi"), providertest.Fail(503, "no"))
	var logs strings.Builder
	p, err := llmproxy.New(
		llmproxy.WithProvider(provider.Compatible("lab", up.URL)), llmproxy.WithProxyKeys("secret"),
		llmproxy.WithLogger(slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, key, level string }{
		{"GET", "/ping", "", "DEBUG"}, {"POST", "/ping", "", "INFO"}, {"GET", "/v1/models", "", "INFO"},
		{"POST", "/v1/chat/completions", "secret", "INFO"}, {"POST", "/v1/chat/completions", "secret", "WARN"},
	} {
		logs.Reset()
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(`{"model":"lab/m","messages":[{"role":"user","content":"q"}]}`))
		r.Header.Set("X-Api-Key", c.key)
		p.ServeHTTP(httptest.NewRecorder(), r)
		if got := logs.String(); !strings.Contains(got, `"level":"`+c.level+`","msg":"exchange"`) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s %s: %s", c.method, c.path, got)
		}
	}
}

// A wrong base URL is told with the path that it led to, and a browser that
// looks what is here is not told to use another method.
func TestNoRoute(t *testing.T) {
	p, err := llmproxy.New(llmproxy.WithProvider(provider.Demo()), llmproxy.WithoutAuth(), llmproxy.WithPathPrefix("/llm"))
	if err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		"GET /llm/": `no such route: \"/llm/\"`, "GET /llm": `no such route: \"/llm\"`, "POST /llm/": "no gateway is configured",
		"POST /llm/v2/chat/completions": `no such route: \"/llm/v2/chat/completions\"`, "POST /v1/messages": `no such route: \"/v1/messages\"`,
		"GET /llm/%3Cb%3E%0A" + strings.Repeat("x", 200): `no such route: \"/llm/<b>\nxxx`,
	} {
		method, target, _ := strings.Cut(path, " ")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), says) || len(w.Body.String()) > 300 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	p, err = llmproxy.New(llmproxy.WithProvider(provider.Demo()), llmproxy.WithoutAuth(), llmproxy.WithGateway(&gateway.Gateway{Account: "a"}))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("the universal route: %d %v", w.Code, w.Header())
	}
}
