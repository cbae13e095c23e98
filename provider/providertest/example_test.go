package providertest_test

import (
	"fmt"
	"io"
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

// Every way of failing at an answer's beginning. Each step takes one request;
// Forever takes all that follow.
func ExampleFail() {
	up := providertest.NewServer(new(quiet),
		providertest.Fail(http.StatusBadRequest, "max_tokens is too large"), // in the shape of the request's format
		providertest.RateLimited(0),                                         // without a hint
		providertest.RateLimited(20*time.Second),                            // with one
		providertest.Overloaded(),
		providertest.Raw(http.StatusOK, "text/html", []byte("<html>")),
		providertest.ResetUnread(), // before the request's body is read
		providertest.Reset(),       // after it
		providertest.Abort(),
		providertest.EndlessHeaders(),
		providertest.Forever(providertest.Hang()),
	)
	defer up.Close()
	for range 9 {
		resp, err := http.Post(up.URL+"/v1/messages", "application/json", strings.NewReader(`{"model":"m"}`))
		if err != nil {
			fmt.Println("no answer")
			continue
		}
		fmt.Println(resp.StatusCode, resp.Header["Content-Type"], resp.Header["Retry-After"])
		_ = resp.Body.Close()
	}
	// Output:
	// 400 [application/json] []
	// 429 [application/json] []
	// 429 [application/json] [20]
	// 529 [application/json] []
	// 200 [text/html] []
	// no answer
	// no answer
	// no answer
	// no answer
}

// An account whose money is used up: what a provider says then depends on whose
// format it is.
func ExampleQuotaExhausted() {
	up := providertest.NewServer(new(quiet), providertest.Forever(providertest.QuotaExhausted()))
	defer up.Close()
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		resp, err := http.Post(up.URL+path, "application/json", strings.NewReader(`{"model":"m"}`))
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
		fmt.Println(path, resp.StatusCode)
	}
	// Output:
	// /v1/chat/completions 429
	// /v1/messages 400
}

// A prompt that the provider's filter stops, and an answer that it ends.
func ExampleBlockedPrompt() {
	up := providertest.NewServer(t,
		providertest.BlockedPrompt(),
		providertest.Say(providertest.Answer{Text: "First you take", Filtered: true}),
	)
	_ = up.URL
}

// An error in the body of a 200, or in the stream after some events.
func ExampleFailInside() {
	half := providertest.Answer{Text: "This is half of an"}
	up := providertest.NewServer(t,
		providertest.FailInside(0, half, 529, "overloaded"), // before the first event
		providertest.FailInside(4, half, 529, "overloaded"), // in the middle
	)
	_ = up.URL
}

// A stream can end in many ways but the right one.
func ExampleCutAfterEvents() {
	hello := providertest.Text("Hello, world.")
	for _, step := range []providertest.Step{
		hello, // as it should
		hello.With(providertest.CutAfterEvents(3)),   // the connection ends, HTTP's body does not
		hello.With(providertest.CutAfterBytes(100)),  // in the middle of an event
		hello.With(providertest.ResetAfterEvents(3)), // by a TCP reset
		hello.With(providertest.EndAfterEvents(3)),   // as if the answer were complete
		hello.With(providertest.EndAfterBytes(100)),
		hello.With(providertest.WrongLength(10)), // before its Content-Length
	} {
		up := providertest.NewServer(new(quiet), step)
		resp, err := http.Post(up.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"m","stream":true}`))
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(resp.Body)
		fmt.Println("marker:", strings.Contains(string(body), "[DONE]"), "error:", err != nil)
		_ = resp.Body.Close()
		up.CloseClientConnections()
		up.Close()
	}
	// Output:
	// marker: true error: false
	// marker: false error: true
	// marker: false error: true
	// marker: false error: true
	// marker: false error: false
	// marker: false error: false
	// marker: true error: true
}

// Streams that are slow or strange, and whole all the same; the last one falls
// silent.
func ExampleTrickle() {
	hello := providertest.Text("Grüß Gott.")
	up := providertest.NewServer(t,
		hello.With(providertest.Trickle(1, time.Millisecond)), // splits UTF-8
		hello.With(providertest.Pause(time.Second)),           // before each event
		hello.With(providertest.PauseAfterEvents(3, time.Minute)),
		hello.With(providertest.SlowHeader(time.Minute)),
		hello.With(providertest.Comments(1<<20)), // a long one before each event
		hello.With(providertest.LongEvent(2, 20<<20)),
		hello.With(providertest.CRLF()),
		hello.With(providertest.Gzip()),              // though nobody asked for it
		hello.With(providertest.StallAfterEvents(3)), // until the client goes
		hello.With(providertest.Header("X-Request-Id", "req_1")),
	)
	_ = up.URL
}

// Parallel tool calls whose deltas are mixed, the last call's first.
func ExampleAnswer() {
	step := providertest.Say(providertest.Answer{Interleave: true, Reverse: true, Tools: []providertest.ToolCall{
		{ID: "call_a", Name: "weather", Arguments: `{"city":"Lima"}`},
		{ID: "call_b", Name: "weather", Arguments: `{"city":"Oslo"}`},
	}})
	_ = step
}

// Over HTTP/2 a server that restarts says GOAWAY, and lets its streams end, or
// does not.
func ExampleNewTLSServer() {
	hello := providertest.Text("Hello, world.")
	up := providertest.NewTLSServer(t,
		hello.With(providertest.CutAfterEvents(3)), // RST_STREAM
		hello.With(providertest.GoAway()),
		hello.With(providertest.GoAway(), providertest.ResetAfterEvents(3)),
	)
	_ = up.Client() // trusts its certificate
}

// Addresses at which no HTTP is spoken.
func ExampleRefused() {
	p := provider.OpenAI()
	p.BaseURL = providertest.Refused(t)   // refuses connections
	p.BaseURL = providertest.BrokenTLS(t) // breaks off handshakes
	p.BaseURL = providertest.Silent(t)    // takes connections and says nothing
}

// A server of the test's own that lives in a bubble of virtual time, as the
// proxy under test has to beside a NewPipeServer.
func ExamplePipe() {
	pipe := providertest.NewPipe()
	s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Hello.") })}
	done := make(chan struct{})
	go func() { // waited for below
		_ = s.Serve(pipe)
		close(done)
	}()
	client := http.Client{Transport: &http.Transport{DialContext: pipe.DialContext}}
	resp, err := client.Get("http://" + pipe.Addr().String())
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	_ = s.Close()
	<-done
	fmt.Println(string(body))
	// Output: Hello.
}

// A list of models, in the shape that the request asks for.
func ExampleModelList() {
	up := providertest.NewServer(new(quiet), providertest.ModelList("gpt-1", "gpt-2"))
	defer up.Close()
	resp, err := http.Get(up.URL + "/v1/models")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	models, _, err := provider.OpenAI().ParseModels(must(io.ReadAll(resp.Body)))
	fmt.Println(len(models), models[1].ID, err)
	// Output: 2 gpt-2 <nil>
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// One server stands at every provider's own address.
func ExampleServer_Everywhere() {
	up := providertest.NewServer(t, providertest.Check(func(q *providertest.Request) {
		if q.Host != "api.openai.com" {
			t.Errorf("asked at %s", q.Host)
		}
	}, providertest.Text("Hello.")))
	client := http.Client{Transport: up.Everywhere()}
	_ = client
}

// quiet is a test for examples, which have none.
type quiet struct{ testing.TB }

func (*quiet) Helper()        {}
func (*quiet) Cleanup(func()) {}
