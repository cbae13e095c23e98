package llmproxy_test

import (
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// manners are what providers do that is no failure, or not only theirs.
func manners() []fault {
	calls := []providertest.ToolCall{{ID: "call_a", Name: "f", Arguments: `{"x":"a"}`}, {ID: "call_b", Name: "f", Arguments: `{"x":"b"}`}}
	tools := func(a providertest.Answer) map[moment]providertest.Step {
		a.Tools, a.Usage = calls, true
		return map[moment]providertest.Step{firstContent: providertest.Say(a)}
	}
	const calling = "the calls are all there is"
	return []fault{
		{name: "Tool calls whose deltas are mixed", at: tools(providertest.Answer{Interleave: true}), never: calling, reads: true},
		{name: "Tool calls in reverse", at: tools(providertest.Answer{Reverse: true}), never: calling, reads: true},
		{name: "Tool calls in reverse, mixed", at: tools(providertest.Answer{Interleave: true, Reverse: true}), never: calling, reads: true},
		{name: "Prompt blocked by the provider's filter", at: map[moment]providertest.Step{headersSent: providertest.BlockedPrompt()}, never: "it is the whole answer", reads: true},
		{name: "Answer ended by the provider's filter", at: map[moment]providertest.Step{atTheEnd: providertest.Say(providertest.Answer{Text: said, Usage: true, Filtered: true})}, never: "it is how the answer ends", reads: true},
		{name: "HTTP/2: the stream is reset", at: with(inStream(providertest.CutAfterEvents), beforeHeaders, providertest.Abort()), http2: true},
		{name: "HTTP/2: GOAWAY, and the stream goes on", at: map[moment]providertest.Step{headersSent: providertest.Say(words).With(providertest.GoAway())}, never: "it comes with the header", http2: true},
		{name: "HTTP/2: GOAWAY, and the connection ends", never: whileSent, http2: true, at: inStream(func(n int) func(*providertest.Reply) {
			return func(r *providertest.Reply) {
				providertest.GoAway()(r)
				providertest.ResetAfterEvents(n)(r)
			}
		})},
		{name: "Client abort, no stream", at: map[moment]providertest.Step{beforeHeaders: providertest.Hang(), midStream: providertest.Say(words).With(providertest.Trickle(40, 2*time.Second))}, never: "a whole answer has no parts", leaves: true, whole: true},
		{name: "Client abort, the rest is drained", at: with(inStream(func(n int) func(*providertest.Reply) { return providertest.PauseAfterEvents(n, 2*time.Second) }), beforeHeaders, providertest.Say(words).With(providertest.SlowHeader(2*time.Second))),
			leaves: true, options: []llmproxy.Option{llmproxy.WithOnAbort(llmproxy.OnAbort{Drain: time.Minute})}},
		{name: "Client abort, the rest does not come in time", at: with(inStream(providertest.StallAfterEvents), beforeHeaders, providertest.Hang()),
			leaves: true, options: []llmproxy.Option{llmproxy.WithOnAbort(llmproxy.OnAbort{Drain: time.Minute})}},
	}
}

// conditions are states of the proxy in which it asks no provider.
func conditions() []fault {
	never := only(providertest.Step{})
	return []fault{
		{name: "The circuit breaker is open", at: never, never: noRequest, before: func(t *testing.T, p *rotate.Pool, c *clock, home, model string) {
			for range 5 {
				c.now = c.now.Add(time.Minute) // faults at the same time count as one
				use(t, p, rotate.Scope{Provider: home, Model: model}, rotate.Outcome{Class: rotate.TargetFault})
			}
		}},
		{name: "All keys are cooling", at: never, never: noRequest, before: func(t *testing.T, p *rotate.Pool, _ *clock, home, model string) {
			states, err := p.Snapshot(t.Context(), home)
			if err != nil {
				t.Fatal(err)
			}
			for range states {
				use(t, p, rotate.Scope{Provider: home, Model: model}, rotate.Outcome{Class: rotate.RateLimited, RetryAfter: 7 * time.Second})
			}
		}},
		{name: "Too many requests at one provider", at: never, never: noRequest, busy: true, options: []llmproxy.Option{llmproxy.WithConcurrency(llmproxy.Concurrency{PerProvider: 1})}},
		{name: "Too many requests in all", at: never, never: noRequest, busy: true, options: []llmproxy.Option{llmproxy.WithConcurrency(llmproxy.Concurrency{Total: 1})}},
		{name: "Too long in the queue", at: never, never: noRequest, busy: true, options: []llmproxy.Option{llmproxy.WithConcurrency(llmproxy.Concurrency{PerProvider: 1, Queue: 1, Wait: 3 * time.Second})}},
	}
}

// use has a key taken and given back with an outcome.
func use(t *testing.T, p *rotate.Pool, s rotate.Scope, o rotate.Outcome) {
	t.Helper()
	_, done, err := p.Acquire(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	done(o)
}

// clock stands still until it is set.
type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }
