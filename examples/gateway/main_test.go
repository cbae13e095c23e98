package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// What the comment says: a miss and a hit of the cache, another format, and a
// universal request that its second step answers.
func TestComment(t *testing.T) {
	e := exampletest.New(t)
	server := e.Start(e.Blocks[0])
	out := e.Run(e.Blocks[1])
	if strings.Count(out, "The stand-in for OpenAI says hello.") != 2 || strings.Count(out, "The stand-in for Anthropic says hello.") != 1 {
		t.Errorf("the answers are %s", out)
	}
	if out := e.Run(e.Blocks[2]); !strings.Contains(out, "The stand-in for Anthropic says hello.") {
		t.Errorf("the universal request's answer is %s", out)
	}
	said, _ := server.Await("cache MISS, step 0\n", "cache HIT, step 0\n", "claude-sonnet-5-5: 200", "step 1\n")
	for _, want := range []string{
		`^proxy at .*, through the gateway at http://127\.0\.0\.1:\d+/v1\n`,
		`\nopenai gpt-5\.6: 200 through "stand-in", log \w{26}, cache MISS, step 0\n`,
		`\nopenai gpt-5\.6: 200 through "stand-in", log \w{26}, cache HIT, step 0\n`,
		`\nanthropic claude-sonnet-5-5: 200 through "stand-in", log \w{26}, cache unused, step 0\n`,
		`\nanthropic by a universal request: 200 through "stand-in", log \w{26}, cache unused, step 1\n`,
	} {
		if !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("no %s in what it printed:\n%s", want, said)
		}
	}
}

// With an account in the environment the requests go to its gateway, with the
// token and the provider's key.
func TestAccount(t *testing.T) {
	up := providertest.NewServer(t, providertest.Text("hi").With(providertest.Header("cf-aig-log-id", "log1"), providertest.Header("cf-aig-cache-status", "HIT")))
	e := exampletest.New(t)
	e.Env = []string{"CLOUDFLARE_ACCOUNT_ID=acct", "AI_GATEWAY_NAME=mine", "CF_AIG_TOKEN=cf-token", "OPENAI_API_KEY=sk-mine", "AI_GATEWAY_BASE_URL=" + up.URL + "/v1"}
	server := e.Start(e.Blocks[0])
	chat, _, _ := strings.Cut(e.Blocks[1], "\n")
	if out := e.Run(chat + "\nchat"); !strings.Contains(out, `"hi"`) {
		t.Errorf("the answer is %s", out)
	}
	got := up.Requests()[0]
	if got.Path != "/v1/acct/mine/openai/chat/completions" || got.Credential() != "sk-mine" || got.Header.Get("Cf-Aig-Authorization") != "Bearer cf-token" || got.Header.Get("Cf-Aig-Cache-Ttl") != "60" {
		t.Errorf("the gateway got %s %v", got.Path, got.Header)
	}
	if out, ok := server.Await(`openai gpt-5.6: 200 through "mine", log log1, cache HIT, step 0`); !ok {
		t.Errorf("it printed\n%s", out)
	}
}
