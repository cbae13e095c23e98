package main

import (
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// start starts both processes of the comment, over the Redis at REDIS_URL.
func start(t *testing.T, env ...string) *exampletest.Example {
	t.Helper()
	url := os.Getenv("REDIS_URL")
	if url == "" {
		t.Skip("REDIS_URL is unset: nothing runs over Redis")
	}
	e := exampletest.New(t)
	e.Env = env
	e.Replace("-redis redis://127.0.0.1:6379/0", "-redis '"+url+"' -prefix "+rand.Text())
	e.Start(e.Blocks[0])
	e.Start(e.Blocks[1])
	return e
}

// What the comment says: the two take turns as one, and a limit that one has
// met is the other's, too.
func TestComment(t *testing.T) {
	e := start(t)
	if got, want := strings.Fields(e.Run(e.Blocks[2])), strings.Fields(strings.Repeat("key one key two key three ", 2)); !slices.Equal(got, want) {
		t.Errorf("the turns are %q", got)
	}
	ask, _, _ := strings.Cut(e.Blocks[2], "\n")
	got := strings.Split(strings.TrimSpace(e.Run(ask+"\n"+e.Blocks[3])), "\n")
	if len(got) != 7 || slices.Contains(got, "key two") || !slices.Contains(got[3:], "key one") || !slices.Contains(got[3:], "key three") {
		t.Errorf("after the limit: %q", got)
	}
}

// Keys in the environment are shared, too: the second process does not ask with
// the key that the first one was refused with.
func TestKeysOfTheEnvironment(t *testing.T) {
	if os.Getenv("REDIS_URL") == "" {
		t.Skip("REDIS_URL is unset: nothing runs over Redis")
	}
	up := providertest.NewServer(t, providertest.Fail(401, "no such key"), providertest.Forever(providertest.Text("hi")))
	e := start(t, "OPENAI_API_KEY=sk-1,sk-2", "OPENAI_BASE_URL="+up.URL)
	const ask = `ask() { curl -s "http://$1/v1/chat/completions" -H "Authorization: Bearer secret" -d '{"model":"openai/m","messages":[{"role":"user","content":"q"}]}'; }; `
	if out := e.Run(ask + "ask 127.0.0.1:8794; for i in 1 2 3; do ask 127.0.0.1:8795; done"); strings.Count(out, `"hi"`) != 4 {
		t.Errorf("the answers are %s", out)
	}
	var used []string
	for _, q := range up.Requests() {
		used = append(used, q.Credential())
	}
	if want := []string{"sk-1", "sk-2", "sk-2", "sk-2", "sk-2"}; !slices.Equal(used, want) {
		t.Errorf("the keys were %q, want %q", used, want)
	}
}
