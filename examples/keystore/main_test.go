package main

import (
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

	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
)

// What the comment says: who answers after each change.
func TestComment(t *testing.T) {
	e := exampletest.New(t)
	e.Start(e.Blocks[0])
	want := []string{
		"key of sk-…1111", "key of sk-…2222", "key of sk-…1111",
		"key of sk-…2222", "key of sk-…3333", "key of sk-…2222",
		"key of sk-…3333", "key of sk-…3333",
		`[{"id":"first","secret":"sk-…3333","enabled":true},{"id":"second","secret":"sk-…2222","enabled":false}]`,
		`[{"id":"second","secret":"sk-…2222","enabled":false}]`,
	}
	if got := strings.Split(strings.TrimSpace(e.Run(e.Blocks[1])), "\n"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// site is the example with an upstream that the test watches.
type site struct {
	t    *testing.T
	http *httptest.Server

	mu      sync.Mutex
	used    map[string]int
	dead    map[string]bool // keys that must not be used any more
	limited map[string]bool // keys that are answered 429
	hold    chan struct{}   // requests that say "wait" do, until it is closed
	held    chan string
}

func newSite(t *testing.T, file string) (s *site, stop func()) {
	s = &site{t: t, used: map[string]int{}, dead: map[string]bool{}, limited: map[string]bool{}, hold: make(chan struct{}), held: make(chan string, 1)}
	h, closeDB, err := newHandler(t.Context(), file, "admin", "secret", roundTripper(s.upstream))
	if err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(h)
	return s, func() { s.http.Close(); closeDB() }
}

func (s *site) upstream(r *http.Request) (*http.Response, error) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.used[key]++
	if s.dead[key] {
		s.t.Errorf("%s was used after it was gone", key)
	}
	limited := s.limited[key]
	s.mu.Unlock()
	if strings.Contains(string(body), "wait") {
		s.held <- key
		<-s.hold
	}
	if limited {
		resp := answer(r, 429, `{"error":{"message":"slow down"}}`)
		resp.Header.Set("Retry-After", "3600")
		return resp, nil
	}
	return local().RoundTrip(r)
}

func (s *site) call(method, path, key, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.http.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (s *site) admin(method, path, body string) {
	s.t.Helper()
	if status, said := s.call(method, "/admin/keys/local"+path, "admin", body); status != http.StatusNoContent {
		s.t.Fatalf("%s %s: %d %s", method, path, status, said)
	}
}

func (s *site) ask(word string) (int, string) {
	s.t.Helper()
	return s.call("POST", "/v1/chat/completions", "secret", fmt.Sprintf(`{"model":"local/m","messages":[{"role":"user","content":%q}]}`, word))
}

func (s *site) count(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[key]
}

// Keys are added, disabled, rotated and removed while requests run: none fails,
// what is gone is never used again, and what runs with it finishes.
func TestKeysChangeWhileRequestsRun(t *testing.T) {
	s, stop := newSite(t, t.TempDir()+"/keys.db")
	defer stop()
	if status, said := s.ask("hi"); status != http.StatusServiceUnavailable {
		t.Errorf("without keys: %d %s", status, said)
	}
	s.admin("PUT", "/a", "sk-a-first")

	slow := make(chan int)
	go func() { status, _ := s.ask("wait"); slow <- status }() // received below
	if key := <-s.held; key != "sk-a-first" {
		t.Fatalf("held %s", key)
	}

	var load sync.WaitGroup
	var done atomic.Bool
	var pause sync.RWMutex // a request that has its key may use it
	for range 4 {
		load.Go(func() {
			for !done.Load() {
				pause.RLock()
				if status, said := s.ask("hi"); status != 200 {
					t.Errorf("%d %s", status, said)
				}
				pause.RUnlock()
			}
		})
	}
	change := func(gone, method, path, body string) {
		t.Helper()
		pause.Lock()
		defer pause.Unlock()
		s.admin(method, path, body)
		s.mu.Lock()
		s.dead[gone] = true
		s.mu.Unlock()
	}
	busy := func(keys ...string) {
		t.Helper()
		for _, k := range keys {
			n, deadline := s.count(k), time.Now().Add(10*time.Second)
			for s.count(k) < n+5 {
				if time.Now().After(deadline) {
					t.Fatalf("%s is not used", k)
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
	s.admin("PUT", "/b", "sk-b-first") // added without a pause
	busy("sk-a-first", "sk-b-first")
	change("sk-a-first", "PUT", "/a", "sk-a-second")
	busy("sk-a-second", "sk-b-first")
	change("sk-b-first", "POST", "/b/disable", "")
	s.admin("PUT", "/c", "sk-c")
	busy("sk-a-second", "sk-c")
	change("sk-a-second", "DELETE", "/a", "")
	busy("sk-c")
	s.mu.Lock()
	delete(s.dead, "sk-b-first")
	s.mu.Unlock()
	s.admin("POST", "/b/enable", "")
	busy("sk-b-first", "sk-c")
	done.Store(true)
	load.Wait()

	close(s.hold)
	if status := <-slow; status != 200 {
		t.Errorf("the request in flight: %d", status)
	}
}

// Counters and cooldowns are in the file: a restart does not ask a key again
// that must rest.
func TestRestartForgetsNothing(t *testing.T) {
	file := t.TempDir() + "/keys.db"
	s, stop := newSite(t, file)
	s.admin("PUT", "/a", "sk-a")
	s.admin("PUT", "/b", "sk-b")
	s.limited["sk-a"] = true
	for range 4 {
		if status, said := s.ask("hi"); status != 200 {
			t.Errorf("%d %s", status, said)
		}
	}
	if s.used["sk-a"] != 1 || s.used["sk-b"] != 4 {
		t.Errorf("used %v", s.used)
	}
	stop()
	s, stop = newSite(t, file)
	for range 4 {
		if status, said := s.ask("hi"); status != 200 {
			t.Errorf("%d %s", status, said)
		}
	}
	if s.used["sk-a"] != 0 || s.used["sk-b"] != 4 {
		t.Errorf("after the restart: used %v", s.used)
	}
	// A new secret is another key: the old one's cooldown does not hold for it.
	s.admin("PUT", "/a", "sk-a-new")
	for range 4 {
		s.ask("hi")
	}
	if s.used["sk-a-new"] != 2 {
		t.Errorf("after the rotation: used %v", s.used)
	}
	stop()
}

func TestAdministration(t *testing.T) {
	s, stop := newSite(t, t.TempDir()+"/keys.db")
	defer stop()
	const secret = "sk-a-secret-of-some-length"
	s.admin("PUT", "/a", secret)
	for _, c := range []struct {
		method, path, key, body string
		status                  int
		said                    string
	}{
		{"GET", "/admin/keys/local", "admin", "", 200, `[{"id":"a","secret":"sk-…ngth","enabled":true}]` + "\n"},
		{"GET", "/admin/keys/local", "secret", "", 401, ""},
		{"PUT", "/admin/keys/local/x", "", "sk", 401, ""},
		{"PUT", "/admin/keys/local/x", "admin", " ", 400, ""},
		{"PUT", "/admin/keys/local/x", "admin", "two words", 400, ""},
		{"DELETE", "/admin/keys/local/x", "admin", "", 404, ""},
		{"POST", "/admin/keys/local/x/disable", "admin", "", 404, ""},
		{"POST", "/v1/chat/completions", "admin", "{}", 401, ""},
	} {
		status, said := s.call(c.method, c.path, c.key, c.body)
		if status != c.status || c.said != "" && said != c.said || strings.Contains(said, secret) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, said)
		}
	}
	if _, _, err := newHandler(t.Context(), t.TempDir()+"/keys.db", "", "secret", local()); err == nil {
		t.Error("it starts without a key for its administration")
	}
}
