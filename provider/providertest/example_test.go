package providertest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

var t *testing.T // a test's

// A provider whose first key is limited and whose second one breaks off.
func ExampleNewServer() {
	up := providertest.NewServer(t,
		providertest.RateLimited(2*time.Second),
		providertest.Text("Hello, world.").With(providertest.CutAfterEvents(3)),
		providertest.Forever(providertest.Text("Hello again.")),
	)
	up.RequireKey("sk-1", "sk-2")

	p := provider.OpenAI()
	p.BaseURL = up.URL
	// … send requests to a proxy that has p, and look at up.Requests().
}

// An implementation of provider.Provider is held to the contract.
func ExampleTestProvider() {
	mine := provider.Compatible("mine", "https://llm.example.com/v1")
	providertest.TestProvider(t, mine, rotate.Key{Secret: rotate.NewSecret("canary")}, "my-model")
}

// A step of one's own looks at the request and answers as it likes.
func ExampleCheck() {
	step := providertest.Check(func(q *providertest.Request) {
		if q.Format != translate.Anthropic || !strings.HasPrefix(q.Model, "claude-") {
			t.Errorf("asked for %s in %s", q.Model, q.Format)
		}
	}, providertest.Say(providertest.Answer{Thinking: "Hm.", Text: "Yes.", Signature: "c2ln"}))
	_ = step
}

// Faults can be combined, as they come together in life.
func ExampleStep_With() {
	step := providertest.Text("Ünïcödé").With(providertest.CRLF(), providertest.Comments(100_000), providertest.Trickle(1, 0))
	reply := step.Reply(&providertest.Request{})
	fmt.Println(http.StatusText(max(reply.Status, 200)))
	// Output: OK
}

// A stall of minutes that takes no time: the server, and whatever asks it, live
// in a bubble of virtual time.
func ExampleNewPipeServer() {
	synctest.Test(t, func(t *testing.T) {
		up := providertest.NewPipeServer(t, providertest.Text("Hello.").With(providertest.SlowHeader(10*time.Minute)))
		resp, err := up.Client().Post(up.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"m","messages":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	})
}
