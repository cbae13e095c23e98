package llmproxy_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
	"github.com/go-llmproxy/llmproxy/rotate"
)

// moment is how far an answer has come when a fault strikes.
type moment int

const (
	beforeHeaders moment = iota
	headersSent
	firstContent
	midStream
	atTheEnd // all but the last event has come
)

var moments = [...]string{"before headers", "headers sent", "first content", "mid-stream", "at the end"}

// events returns how many events of a stream precede the moment.
func (m moment) events(r *providertest.Reply) int {
	first := 0
	for first < len(r.Chunks) && !bytes.Contains(r.Chunks[first], []byte("alpha")) {
		first++
	}
	switch m {
	case headersSent:
		return first
	case firstContent:
		return first + 1
	case midStream:
		return first + 3
	}
	return len(r.Chunks) - 1
}

const said = "alpha beta gamma delta epsilon"

var words = providertest.Answer{Text: said, Usage: true}

// fault is one way for a provider to fail.
type fault struct {
	name string
	// at makes the provider's step for a moment at which the fault can occur.
	at map[moment]providertest.Step
	// never says why the fault occurs at no other moment.
	never string
	// address is that of a provider with the fault; nil: a server with the
	// step at beforeHeaders has it.
	address func(testing.TB) string
	bounds  llmproxy.Timeouts
	options []llmproxy.Option
	// before is what the pool has seen before the request.
	before func(t *testing.T, p *rotate.Pool, clock *clock, home, model string)
	// http2 has the provider speak HTTP/2.
	http2 bool
	// busy has another request under way.
	busy bool
	// reads has the client say which tool calls it read, and why they ended.
	reads bool
	// whole asks for no stream.
	whole bool
	// leaves has the client go away a second after it asked.
	leaves bool
}

// virtual reports whether the fault takes time.
func (f *fault) virtual() bool { return f.leaves || f.busy || f.bounds != (llmproxy.Timeouts{}) }

const (
	noHeader   = "it precedes every answer"
	whileSent  = "a header is sent whole, or the fault is a reset"
	noStatus   = "the status has been sent"
	fromHeader = "it lies in the header, and shows at once"
	noRequest  = "no request is sent to the provider"
)

// only is a fault that is there from the beginning.
func only(s providertest.Step) map[moment]providertest.Step {
	return map[moment]providertest.Step{beforeHeaders: s}
}

// inStream is a fault that may strike in every part of a stream.
func inStream(strike func(n int) func(*providertest.Reply)) map[moment]providertest.Step {
	steps := map[moment]providertest.Step{}
	for m := headersSent; m <= atTheEnd; m++ {
		steps[m] = providertest.Say(words).With(func(r *providertest.Reply) {
			n := m.events(r)
			if n == 0 { // content is in the first event; a comment shows that the header is out
				r.Chunks, n = append([][]byte{[]byte(": here\n\n")}, r.Chunks...), 1
			}
			strike(n)(r)
		})
	}
	return steps
}

// inBand is an error event at every moment.
func inBand(status int) map[moment]providertest.Step {
	steps := map[moment]providertest.Step{}
	for m := headersSent; m <= atTheEnd; m++ {
		steps[m] = providertest.Step{Reply: func(q *providertest.Request) *providertest.Reply {
			n := m.events(providertest.Say(words).Reply(q))
			return providertest.FailInside(n, words, status, "trouble").Reply(q)
		}}
	}
	return steps
}

func without(m map[moment]providertest.Step, at moment) map[moment]providertest.Step {
	delete(m, at)
	return m
}

func with(m map[moment]providertest.Step, at moment, s providertest.Step) map[moment]providertest.Step {
	m[at] = s
	return m
}

// faults are all of them. Every one comes from providertest.
func faults() []fault {
	const hint = 7 * time.Second
	say := func(f ...func(*providertest.Reply)) map[moment]providertest.Step {
		return map[moment]providertest.Step{headersSent: providertest.Say(words).With(f...)}
	}
	fs := []fault{
		{name: "Connection refused", at: only(providertest.Step{}), never: noHeader, address: providertest.Refused},
		{name: "TLS failure", at: only(providertest.Step{}), never: noHeader, address: providertest.BrokenTLS},
		{name: "Reset before the request body is read", at: only(providertest.ResetUnread()), never: noHeader},
		{name: "Reset", at: with(inStream(providertest.ResetAfterEvents), beforeHeaders, providertest.Reset())},
		{name: "Closed without an answer", at: only(providertest.Abort()), never: noHeader},
		{name: "Slow headers", at: only(providertest.Hang()), never: noHeader, bounds: llmproxy.Timeouts{ResponseHeader: 30 * time.Second}},
		{name: "Endless headers", at: only(providertest.EndlessHeaders()), never: noHeader},
		{name: "429 with a hint", at: only(providertest.RateLimited(hint)), never: noStatus},
		{name: "429 without a hint", at: only(providertest.RateLimited(0)), never: noStatus},
	}
	for _, status := range []int{400, 401, 402, 403, 404, 413, 500, 502, 503} {
		fs = append(fs, fault{name: fmt.Sprint(status), at: only(providertest.Fail(status, "trouble")), never: noStatus})
	}
	fs = append(fs,
		fault{name: "No money or quota left", at: only(providertest.QuotaExhausted()), never: noStatus},
		fault{name: "529", at: only(providertest.Overloaded()), never: noStatus},
		fault{name: "200 with an error for a body", at: map[moment]providertest.Step{headersSent: providertest.FailInside(0, words, 529, "trouble")}, never: "the body is the error and nothing else", whole: true},
		fault{name: "Error event: overloaded", at: inBand(529), never: "an event needs a header"},
		fault{name: "Error event: rate limit", at: inBand(429), never: "an event needs a header"},
		fault{name: "Connection cut after events", at: inStream(providertest.CutAfterEvents), never: whileSent},
		fault{name: "Connection cut in an event", at: inStream(func(n int) func(*providertest.Reply) {
			return func(r *providertest.Reply) {
				providertest.CutAfterBytes(len(bytes.Join(r.Chunks[:n], nil)) + 9)(r)
			}
		}), never: whileSent},
		fault{name: "Whole answer cut", at: map[moment]providertest.Step{midStream: providertest.Say(words).With(providertest.WrongLength(0), providertest.CutAfterBytes(40))}, never: "a whole answer has no parts", whole: true},
		fault{name: "End without the terminal event", at: inStream(providertest.EndAfterEvents), never: whileSent},
		fault{name: "Stall", at: with(inStream(providertest.StallAfterEvents), beforeHeaders, providertest.Hang()), bounds: llmproxy.Timeouts{ResponseHeader: 30 * time.Second, FirstContent: 30 * time.Second, Idle: 30 * time.Second}},
		fault{name: "Trickle, within the bounds", at: say(providertest.Trickle(7, time.Second)), never: "it lasts from the first byte to the last", bounds: llmproxy.Timeouts{FirstContent: time.Hour, Idle: time.Minute}},
		fault{name: "Content-Length too large", at: map[moment]providertest.Step{atTheEnd: providertest.Say(words).With(providertest.WrongLength(10))}, never: "it shows at the end", whole: true},
		fault{name: "Content-Length too small", at: map[moment]providertest.Step{atTheEnd: providertest.Say(words).With(providertest.WrongLength(-10))}, never: "it shows at the end", whole: true},
		fault{name: "Gzip that nobody asked for", at: say(providertest.Gzip()), never: fromHeader},
		fault{name: "An event of 1 MiB", at: map[moment]providertest.Step{firstContent: providertest.Say(providertest.Answer{Text: said + strings.Repeat(" x", 1<<19), Whole: true, Usage: true})}, never: "it is the only content"},
		fault{name: "An event beyond `Limits.Event`", at: without(inStream(func(n int) func(*providertest.Reply) { return providertest.LongEvent(n, 1<<20) }), atTheEnd),
			never: "an event needs a header, and the last one is like any other", options: []llmproxy.Option{llmproxy.WithLimits(llmproxy.Limits{Event: 64 << 10})}},
		fault{name: "Comments of 1 MiB", at: say(providertest.Comments(1 << 20)), never: "it is before each event"},
		fault{name: "HTML with 200", at: map[moment]providertest.Step{headersSent: providertest.Raw(200, "text/html", []byte("<html>down</html>"))}, never: fromHeader},
		fault{name: "Empty body with 200", at: map[moment]providertest.Step{headersSent: providertest.Raw(200, "text/event-stream", nil)}, never: fromHeader},
		fault{name: "Empty body with 200, no stream", at: map[moment]providertest.Step{headersSent: providertest.Raw(200, "application/json", nil)}, never: fromHeader, whole: true},
		fault{name: "Split UTF-8 and CRLF", at: say(providertest.CRLF(), providertest.Trickle(1, 0)), never: "it is there from the first byte to the last"},
		fault{name: "Client abort", at: with(inStream(providertest.StallAfterEvents), beforeHeaders, providertest.Hang()), leaves: true},
	)
	return append(append(fs, manners()...), conditions()...)
}

// TestFailureTable has every fault happen at every moment, to clients of every
// format, and compares what is seen with docs/failures.md.
//
// pitfall 2, pitfall 3, pitfall 4, pitfall 5, pitfall 11, pitfall 12, pitfall 14,
// pitfall 25, pitfall 26, pitfall 31
func TestFailureTable(t *testing.T) {
	var out strings.Builder
	for _, f := range faults() {
		fmt.Fprintf(&out, "\n### %s\n\n| moment | mode | client format | the client sees | observer | key | target | attempts with a second key and a second target |\n|---|---|---|---|---|---|---|---|\n", f.name)
		for m := range moments {
			step, can := f.at[moment(m)]
			if !can {
				fmt.Fprintf(&out, "| %s |%s\n", moments[m], strings.Repeat(" cannot happen: "+f.never+" |", 7))
				continue
			}
			for _, mode := range modes {
				for _, r := range f.rows(t, mode, step) {
					fmt.Fprintf(&out, "| %s | %s | %s |\n", moments[m], mode, r)
				}
			}
		}
	}
	for line := range strings.Lines(out.String()) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 1 && (len(cells) != 10 || slices.ContainsFunc(cells[1:9], func(c string) bool { return strings.TrimSpace(c) == "" })) {
			t.Errorf("a cell is empty: %s", line)
		}
	}
	const file, mark = "docs/failures.md", "<!-- generated by go test -run TestFailureTable . -update -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := bytes.Cut(text, []byte(mark))
	if !ok {
		t.Fatal(file + " has no mark")
	}
	want := string(head) + mark + out.String()
	switch {
	case want == string(text):
	case flag.Lookup("update").Value.String() == "true":
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		is, was := strings.Split(want, "\n"), strings.Split(string(text), "\n")
		for i := range min(len(is), len(was)) {
			if is[i] != was[i] {
				t.Errorf("%s:%d says\n%s\nbut what happens is\n%s", file, i+1, was[i], is[i])
				break
			}
		}
		t.Error(file + " is not what happens; -update rewrites it")
	}
}
