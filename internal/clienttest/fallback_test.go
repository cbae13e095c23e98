package clienttest

import (
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// pair starts a proxy whose model "best" is the first upstream's, and the
// second one's where that fails.
func pair(t *testing.T, first, second loopUpstream, one, two []providertest.Step) (base string, a, b *providertest.Server) {
	t.Helper()
	a, b = providertest.NewServer(t, one...), providertest.NewServer(t, two...)
	p, q := first.make(), second.make()
	p.BaseURL, q.BaseURL = a.URL, b.URL
	return listen(t, llmproxy.WithProvider(p, q), llmproxy.WithKeys(p.ID, rotate.Secrets("sk-one")...), llmproxy.WithKeys(q.ID, rotate.Secrets("sk-two")...),
		llmproxy.WithAlias("best", first.model, second.model)), a, b
}

// eachPair runs f for every SDK and manner, with each upstream and the next.
func eachPair(t *testing.T, f func(t *testing.T, sdk int, first, second loopUpstream, stream bool)) {
	for i, first := range loopUpstreams {
		second := loopUpstreams[(i+1)%len(loopUpstreams)]
		for sdk, c := range conversations {
			for manner, stream := range map[string]bool{"whole": false, "streamed": true} {
				t.Run(c.name+" to "+first.model+" or "+second.model+" "+manner, func(t *testing.T) { f(t, sdk, first, second, stream) })
			}
		}
	}
}

// failsEarly answers a stream by an error after what comes before all content.
func failsEarly() providertest.Step {
	return providertest.Step{Reply: func(q *providertest.Request) *providertest.Reply {
		n := 1
		if q.Format == translate.Gemini { // whose first event is content
			n = 0
		}
		return providertest.FailInside(n, providertest.Answer{Text: "never seen"}, 529, "overloaded").Reply(q)
	}}
}

// pitfall 4, pitfall 27: a target that fails before its first content is
// followed by the next one, in whose format the request is written anew.
func TestFallback(t *testing.T) {
	failures := map[string]providertest.Step{"503": providertest.Fail(503, "down"), "529": providertest.Overloaded(), "reset": providertest.Reset(), "inside": failsEarly()}
	eachPair(t, func(t *testing.T, sdk int, first, second loopUpstream, stream bool) {
		for name, failure := range failures {
			if name == "inside" && !stream {
				continue
			}
			base, a, b := pair(t, first, second, []providertest.Step{failure}, []providertest.Step{providertest.Text("From the second.")})
			s, err := conversations[sdk].start(t.Context(), base, "best", stream)("What is it?", nil)
			if err != nil || s.String() != (seen{text: "From the second."}).String() {
				t.Errorf("%s: %v, %v", name, s, message(err))
			}
			for _, up := range []*providertest.Server{a, b} {
				if q := up.Requests(); len(q) != 1 || !strings.Contains(string(q[0].Body), "What is it?") || !strings.Contains(string(q[0].Body), "be brief") {
					t.Errorf("%s: %d requests", name, len(q))
				}
			}
			one, two := a.Requests()[0], b.Requests()[0]
			if got := one.Model + " " + two.Model; strings.Contains(got, "best") {
				t.Errorf("%s: the models are %s", name, got)
			}
			if one.Credential() != "sk-one" || two.Credential() != "sk-two" {
				t.Errorf("%s: the credentials are %s and %s", name, one.Credential(), two.Credential())
			}
		}
	})
}

// A conversation that changes providers in its middle and comes back: nobody is
// sent the other's reasoning state, and the first has its own again.
func TestFallbackInLoop(t *testing.T) {
	eachPair(t, func(t *testing.T, sdk int, first, second loopUpstream, stream bool) {
		steps := toolLoop()[:4]
		var state [3]string
		for i := range state {
			state[i] = steps[i].answer.Signature
		}
		say := func(i int, up loopUpstream) providertest.Step {
			a := steps[i].answer
			if !up.signs {
				a.Signature = ""
			}
			return providertest.Say(a)
		}
		base, a, b := pair(t, first, second,
			[]providertest.Step{say(0, first), providertest.Fail(503, "down"), say(2, first), say(3, first)}, []providertest.Step{say(1, second)})
		talk := conversations[sdk].start(t.Context(), base, "best", stream)
		for i, s := range steps {
			if got, err := talk(s.user, s.results); err != nil || got.text != s.answer.Text || len(got.calls) != len(s.answer.Tools) {
				t.Fatalf("turn %d: %v, %v", i+1, got, message(err))
			}
		}
		last, other := string(a.Requests()[3].Body), string(b.Requests()[0].Body)
		has := func(body, state string) bool { return strings.Contains(body, state) }
		if first.signs && (!has(last, state[0]) || !has(last, state[2])) {
			t.Errorf("the first provider has not got its own state: %s", last)
		}
		if !sameOrigin(first, second) && (has(last, state[1]) || has(other, state[0])) {
			t.Errorf("foreign state is sent: %s\nand %s", other, last)
		}
		for _, body := range []string{last, other} {
			if translate.Sealed([]byte(body)) {
				t.Errorf("the proxy's envelope is sent: %s", body)
			}
		}
		for i := range 4 {
			if result := "result-" + string(rune('1'+i)); !has(last, result) {
				t.Errorf("%s is missing: %s", result, last)
			}
		}
	})
}

// sameOrigin reports whether the upstreams read each other's state.
func sameOrigin(a, b loopUpstream) bool {
	return strings.Contains(a.model, "claude") && strings.Contains(b.model, "claude")
}
