package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// What the comment says: answers up to the limit, then errors in the format of
// each client, and principals in what the server prints.
func TestComment(t *testing.T) {
	e := exampletest.New(t)
	server := e.Start(e.Blocks[0])
	out := e.Run(e.Blocks[1])
	var kinds []string
	for line := range strings.Lines(out) {
		var said struct {
			Object, Type string
			Error        struct{ Type string }
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		kinds = append(kinds, strings.TrimSpace(said.Object+said.Type+" "+said.Error.Type))
	}
	want := []string{"chat.completion", "message", "chat.completion", "chat.completion", "chat.completion",
		"rate_limit_error", "error rate_limit_error", "message", "authentication_error", "error authentication_error"}
	if !slices.Equal(kinds, want) {
		t.Errorf("got  %q\nwant %q\n%s", kinds, want, out)
	}
	if out, ok := server.Await(`"ann" asked /v1/chat/completions for demo/echo: 200`, `"bob" asked /v1/messages for demo/echo: 200`, `"" asked /v1/messages`); !ok {
		t.Error(out)
	}
}

// A real provider's key comes from the environment; the client's token stays
// here.
func TestTokenStaysHere(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("hi"))
	t.Setenv("OPENAI_API_KEY", "sk-upstream")
	t.Setenv("OPENAI_BASE_URL", up.URL)
	keys, err := newSigner(strings.Repeat("s", 32))
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHandler(keys, newLimiter(2, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	token, err := keys.sign("ann")
	if err != nil {
		t.Fatal(err)
	}
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1beta/models/openai%2Fgpt-5.6:generateContent", strings.NewReader(`{"contents":[{"parts":[{"text":"q"}]}]}`))
		r.Header.Set("X-Goog-Api-Key", token)
		h.ServeHTTP(w, r)
		return w
	}
	if w := ask(); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "hi") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := up.Requests()[0]; got.Credential() != "sk-upstream" || strings.Contains(string(got.Body), token) || slices.Contains(got.Header.Values("X-Goog-Api-Key"), token) {
		t.Errorf("the provider got %s %v", got.Body, got.Header)
	}
}

func TestLimit(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := newLimiter(2, time.Minute)
	l.now = func() time.Time { return now }
	for i, step := range []struct {
		pass time.Duration
		who  string
		wait time.Duration
	}{
		{0, "a", 0}, {0, "a", 0}, {0, "a", time.Minute}, {0, "b", 0},
		{59 * time.Second, "a", time.Second}, {time.Second, "a", 0}, {0, "a", time.Minute},
		{time.Hour, "a", 0}, {0, "a", 0}, {0, "a", time.Minute},
	} {
		now = now.Add(step.pass)
		if wait := l.allow(step.who); wait != step.wait {
			t.Errorf("%d: %s waits %v, want %v", i, step.who, wait, step.wait)
		}
	}
	h := l.middleware(func(*http.Request) (string, error) { return "a", nil }, http.NotFoundHandler())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/messages", nil))
	if body, _ := io.ReadAll(w.Body); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" || !strings.Contains(string(body), `"rate_limit_error"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), body)
	}
}

// Tokens that anyone could make, or that were not made for this, are refused.
func TestTokens(t *testing.T) {
	keys, err := newSigner(strings.Repeat("s", 32))
	if err != nil {
		t.Fatal(err)
	}
	good := jwt.MapClaims{"sub": "ann", "aud": audience, "exp": time.Now().Add(time.Hour).Unix()}
	with := func(name string, value any) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range good {
			c[k] = v
		}
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	for name, c := range map[string]struct {
		method jwt.SigningMethod
		key    any
		claims jwt.MapClaims
		ok     bool
	}{
		"good":           {jwt.SigningMethodHS256, keys.secret, good, true},
		"unsigned":       {jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good, false},
		"another secret": {jwt.SigningMethodHS256, []byte("another"), good, false},
		"another method": {jwt.SigningMethodHS512, keys.secret, good, false},
		"expired":        {jwt.SigningMethodHS256, keys.secret, with("exp", time.Now().Add(-time.Minute).Unix()), false},
		"for ever":       {jwt.SigningMethodHS256, keys.secret, with("exp", nil), false},
		"for another":    {jwt.SigningMethodHS256, keys.secret, with("aud", "billing"), false},
		"no subject":     {jwt.SigningMethodHS256, keys.secret, with("sub", nil), false},
	} {
		token, err := jwt.NewWithClaims(c.method, c.claims).SignedString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if who, err := keys.principal(r); (err == nil) != c.ok || c.ok && who != "ann" {
			t.Errorf("%s: %q %v", name, who, err)
		}
	}
	if _, err := newSigner("short"); err == nil {
		t.Error("a short secret was taken")
	}
}
