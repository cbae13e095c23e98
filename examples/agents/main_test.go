package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// What the comment says: every client is served by the demo, and none with a
// wrong key.
func TestComment(t *testing.T) {
	e := exampletest.New(t)
	e.Start(e.Blocks[0])
	out := e.Run(e.Blocks[1])
	for i := range clients {
		want := fmt.Sprintf("ok   %-11s POST %s: %q", clients[i].name, clients[i].path("demo/echo"), "This is the demo provider.")
		if !strings.Contains(out, strings.TrimSuffix(want, `"`)) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	wrong := strings.Replace(e.Blocks[1], "secret", "wrong", 1)
	if out := e.Run("! " + wrong); strings.Count(out, "FAIL") != len(clients) || strings.Count(out, "401 Unauthorized") != len(clients) {
		t.Errorf("with a wrong key:\n%s", out)
	}
}

// serve returns the address of a proxy before an upstream, which stands for one
// provider of each format.
func serve(t *testing.T, up *providertest.Server) string {
	t.Helper()
	providers := []*provider.HTTP{provider.OpenAI(), provider.Anthropic(), provider.GoogleAIStudio(), provider.Cerebras(), provider.Cohere()}
	opts := []llmproxy.Option{llmproxy.WithProxyKeys("secret")}
	for _, p := range providers {
		p.BaseURL = up.URL
		opts = append(opts, llmproxy.WithProvider(p), llmproxy.WithKeys(p.ID, rotate.Secrets("sk-upstream")...))
	}
	proxy, err := llmproxy.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

// Every client reaches providers of every format: what it asks arrives there,
// as it was or valid in that format, and the answer, a text and a call of its tool, comes
// back whole.
func TestEveryFormat(t *testing.T) {
	for _, model := range []string{"openai/m", "anthropic/m", "google-ai-studio/m", "cerebras/m", "cohere/m"} {
		for i := range clients {
			c := &clients[i]
			t.Run(c.name+" "+model, func(t *testing.T) {
				tool := toolOf(t, c)
				up := providertest.NewServer(t, providertest.Say(providertest.Answer{Text: "Hello.", Tools: []providertest.ToolCall{{ID: "call_1", Name: tool, Arguments: `{"command":"ls"}`}}}))
				said, _, err := c.try(t.Context(), serve(t, up), "secret", model)
				if want := "Hello.[calls " + tool + "]"; err != nil || said != want {
					t.Errorf("it heard %q, want %q: %v", said, want, err)
				}
				q := up.Requests()[0]
				untouched := string(q.Body) == strings.ReplaceAll(c.body, "MODEL", "m")
				if err := q.Invalid(); err != nil && !untouched {
					t.Errorf("the %s request is not valid: %v", q.Format, err)
				}
				for _, want := range []string{"You are a coding agent", "Say hello.", `"` + tool + `"`, "Runs a command."} {
					if !strings.Contains(string(q.Body), want) {
						t.Errorf("%s did not arrive in %s", want, q.Body)
					}
				}
				if q.Credential() != "sk-upstream" || !q.Stream {
					t.Errorf("the credential is %s, a stream is asked for: %t", q.Credential(), q.Stream)
				}
			})
		}
	}
}

// toolOf returns the name of the tool that the client brings.
func toolOf(t *testing.T, c *client) string {
	t.Helper()
	type named struct {
		Name                 string
		Function             struct{ Name string }
		FunctionDeclarations []struct{ Name string }
	}
	var body struct{ Tools []named }
	if err := json.Unmarshal([]byte(c.body), &body); err != nil || len(body.Tools) != 1 {
		t.Fatalf("%s brings %d tools: %v", c.name, len(body.Tools), err)
	}
	one := body.Tools[0]
	if len(one.FunctionDeclarations) == 1 {
		return one.FunctionDeclarations[0].Name
	}
	return one.Name + one.Function.Name
}

// An answer that fails, or is cut, is no success.
func TestFailures(t *testing.T) {
	for name, step := range map[string]providertest.Step{
		"refused": providertest.Fail(400, "no"),
		"inside":  providertest.FailInside(3, providertest.Answer{Text: "one two three four five six"}, 500, "broken"),
		"cut":     providertest.Text("one two three four five six").With(providertest.CutAfterEvents(4)),
		"ended":   providertest.Text("one two three four five six").With(providertest.EndAfterEvents(4)),
	} {
		for i := range clients {
			c := &clients[i]
			up := providertest.NewServer(t, step)
			if said, _, err := c.try(t.Context(), serve(t, up), "secret", "cerebras/m"); err == nil {
				t.Errorf("%s, %s: it heard %q", name, c.name, said)
			}
		}
	}
}

// README.md tells of every client, with the address and the request that are
// tried here.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		c := &clients[i]
		row := fmt.Sprintf("| `%s` | `http://127.0.0.1:8787%s`", c.name, c.base)
		request := fmt.Sprintf("| `POST %s` |", c.endpoint)
		_, rest, ok := strings.Cut(string(text), row)
		if line, _, _ := strings.Cut(rest, "\n"); !ok || !strings.Contains(line, request) {
			t.Errorf("there is no row %s … %s", row, request)
		}
	}
	e := exampletest.New(t)
	if !strings.Contains(string(text), "```sh\n"+e.Blocks[1]+"```") || !strings.Contains(string(text), "`"+strings.TrimSpace(e.Blocks[0])+"`") {
		t.Error("README.md and the comment differ")
	}
}
