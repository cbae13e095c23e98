package main

import (
	"slices"
	"time"
)

// work is one thing to measure: a row for each contender.
type work struct {
	name string
	kind kind

	// What direct and floor are asked in, and what the proxy is. Where the two
	// differ the proxy translates, and the floor passes the provider's format.
	upstream, client format
	path             string // the proxy's, where it is not the client format's
	prefix           string // of the model, as the proxy is asked for it

	stream   bool
	askUsage bool // the client asks for its stream's usage; OpenAI
	size     int  // of the request's body in bytes; 0 is 1 KB
	image    bool // the size is an image's

	callers int           // closed loop
	rate    int           // open loop: requests a second
	pace    time.Duration // between two chunks

	budget budget
	allocs float64 // most allocations of the proxy a request, what was measured and 10 %; 0: not judged
	stack  float64 // most KiB of stack a stream held, where stacks double: 8 more is one that did; 0: not judged
}

type kind int

const (
	closed kind = iota // callers that ask again at once: for CPU time
	open               // a fixed rate: for latency
	held               // streams that stay open: for memory
)

// budget is what the proxy may cost beside the floor. A zero field is none.
type budget struct {
	cpu float64 // ratio of CPU time per request
	rss float64 // ratio of resident memory
	p99 time.Duration
}

// chunks is how many content chunks a stream has.
const chunks = 50

// heldStreams is how many streams are held open.
const heldStreams = 2000

const (
	kb = 1 << 10
	mb = 1 << 20
)

// works lists all that is measured.
func works() []work {
	return []work{
		{name: "same/1k", upstream: openAI, client: openAI, prefix: "openai/", callers: 64, budget: budget{cpu: 1.0}, allocs: 174},
		{name: "same/stream", upstream: openAI, client: openAI, prefix: "openai/", stream: true, askUsage: true, callers: 64, budget: budget{cpu: 1.0}, allocs: 181},
		{name: "same/stream-unasked", upstream: openAI, client: openAI, prefix: "openai/", stream: true, callers: 64, budget: budget{cpu: 1.0}, allocs: 187},
		{name: "same/1m", upstream: openAI, client: openAI, prefix: "openai/", size: mb, callers: 8, budget: budget{cpu: 1.1}, allocs: 176},
		{name: "same/1m-image", upstream: openAI, client: openAI, prefix: "openai/", size: mb, image: true, callers: 8, budget: budget{cpu: 1.1}, allocs: 176},
		{name: "translated/1k", upstream: anthropic, client: openAI, prefix: "anthropic/", callers: 64, budget: budget{cpu: 0.9}, allocs: 184},
		{name: "translated/stream", upstream: anthropic, client: openAI, prefix: "anthropic/", stream: true, callers: 64, budget: budget{cpu: 1.15}, allocs: 196},
		{name: "translated/1m-image", upstream: anthropic, client: openAI, prefix: "anthropic/", size: mb, image: true, callers: 8, budget: budget{cpu: 3}, allocs: 192},
		{name: "pass/1k", upstream: anthropic, client: anthropic, path: "/anthropic/v1/messages", callers: 64, budget: budget{cpu: 1.0}, allocs: 171},
		{name: "pass/stream", upstream: anthropic, client: anthropic, path: "/anthropic/v1/messages", stream: true, callers: 64, budget: budget{cpu: 1.0}, allocs: 174},
		{name: "same/rate", kind: open, upstream: openAI, client: openAI, prefix: "openai/", rate: 500, budget: budget{p99: 200 * time.Microsecond}},
		{name: "translated/rate", kind: open, upstream: anthropic, client: openAI, prefix: "anthropic/", rate: 500, budget: budget{p99: 200 * time.Microsecond}},
		{name: "pass/rate", kind: open, upstream: anthropic, client: anthropic, path: "/anthropic/v1/messages", rate: 500, budget: budget{p99: 200 * time.Microsecond}},
		{name: "same/paced", kind: open, upstream: openAI, client: openAI, prefix: "openai/", stream: true, askUsage: true, rate: 60, pace: 10 * time.Millisecond},
		{name: "translated/paced", kind: open, upstream: anthropic, client: openAI, prefix: "anthropic/", stream: true, rate: 60, pace: 10 * time.Millisecond},
		{name: "same/held", kind: held, upstream: openAI, client: openAI, prefix: "openai/", stream: true, askUsage: true, pace: time.Second, budget: budget{rss: 1.0}, stack: 22},
		{name: "translated/held", kind: held, upstream: anthropic, client: openAI, prefix: "anthropic/", stream: true, pace: time.Second, budget: budget{rss: 1.2}, stack: 30},
	}
}

// The contenders, in the order of the table.
const (
	direct = "direct" // load asks upstream: what the two cost by themselves
	floor  = "floor"  // a bare httputil.ReverseProxy that swaps the credential
	proxy  = "proxy"  // this project
)

var contenders = []string{direct, floor, proxy}

// order returns the contenders as a round measures them, another one first
// each time.
func order(round int) []string {
	n := round % len(contenders)
	return slices.Concat(contenders[n:], contenders[:n])
}

// upstreamSpec returns what the fake upstream does in this work.
func (w *work) upstreamSpec() upstreamSpec {
	s := upstreamSpec{Stream: w.stream, Chunks: chunks, Pace: w.pace}
	if w.stream {
		// A server that answers within its reading of the request has
		// ReverseProxy lose streams; no provider is as quick.
		s.Delay = time.Millisecond
	}
	if w.kind == held {
		s.Chunks = 1 << 30
	}
	return s
}

// loadSpec returns what is asked of a contender, and how.
func (w *work) loadSpec(contender string, measure time.Duration) loadSpec {
	f, path, prefix, key := w.upstream, w.upstream.path(), "", clientKey
	switch contender {
	case direct:
		key = upstreamKey
	case proxy:
		f, prefix = w.client, w.prefix
		path = w.client.path()
		if w.path != "" {
			path = w.path
		}
	}
	s := loadSpec{
		Kind: w.kind, Path: path, Header: f.header(key), Callers: w.callers, Rate: w.rate, Measure: measure, Stamps: 1,
		Body: requestBody(f, prefix, w),
	}
	if w.stream {
		s.Stamps, s.End = chunks, f.streamEnd()
	}
	switch w.kind {
	case open:
		s.Measure *= 3 // a 99th percentile needs many requests
	case held:
		s.Callers = heldStreams
		s.Measure = max(measure, 2*w.pace)
	}
	return s
}
