package llmproxy

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

// AdmitFunc is asked once for each authenticated request to a provider, before
// any key is taken, whether it may go on: the place of rate limits and budgets.
// Package limit has one. It is called on the request's goroutine, and
// concurrently for different requests. What the proxy answers itself, its
// lists of models among it, is not asked about.
//
// An error refuses the request, in the client's own format: a *translate.Error
// as what it is, of Kind RateLimit as 429 with its RetryAfter, any other error
// as 500. Without one, settle, unless it is nil, is called exactly once at the
// request's end with its whole record, however it ended: answered, failed,
// broken off or by a panic. It is called before the observers, and what it is
// given is its own only during the call.
type AdmitFunc func(ctx context.Context, q *Admission) (settle func(*Exchange), err error)

// Admission is what is known of a request before anything is asked of a
// provider. It is the AdmitFunc's to keep.
type Admission struct {
	ID           string // as in Exchange
	Route        string
	Principal    string
	ClientFormat translate.Format
	Op           provider.Op
	ModelAsked   string // empty on pass-through
	Provider     string // of the target that is tried first
	Model        string // of that target; empty on pass-through
	Stream       bool

	BodyBytes int64 // of the request's body, uncompressed where the proxy reads it; -1: unknown
	// InputTokens estimates the request's tokens by its text: four bytes each,
	// and 1,000 for each image or file. 0: the body is not JSON, or not read.
	InputTokens int64
	// MaxOutputTokens is what the client allows for the answer, all of its
	// choices together; 0: it does not say.
	MaxOutputTokens int64

	// Header is for the answer: what stands in it when the AdmitFunc returns is
	// sent with whatever the answer will be, also with a refusal. Where it has
	// rate-limit headers, the provider's own are kept from the client, who
	// would mix them up.
	Header http.Header

	prices *price.Table
}

// Cost returns what a usage costs at the target that is tried first; false
// where that has no price.
func (q *Admission) Cost(u *translate.Usage) (price.USD, bool) {
	return q.prices.Cost(q.Provider, q.Model, u)
}

// admitted is what the host said of a request that it was asked about.
type admitted struct {
	settle func(*Exchange)
	header http.Header
	rates  bool // header has rate-limit headers
}

// admit asks the host whether the request may go on to t. There are several
// ways to a provider, and a request may try two; it is asked about once.
func (x *exchange) admit(op provider.Op, t *target) error {
	if x.p.admit == nil || x.admitted != nil {
		return nil
	}
	q := &Admission{
		ID: x.rec.ID, Route: x.rec.Route, Principal: x.rec.Principal, ClientFormat: x.rt.format, Op: op,
		ModelAsked: x.rec.ModelAsked, Provider: t.provider.Name(), Model: t.model, Stream: x.rec.Stream,
		BodyBytes: x.r.ContentLength, Header: http.Header{}, prices: x.p.prices,
	}
	if x.body != nil {
		q.BodyBytes = int64(len(x.body))
		q.estimate(x.body)
	}
	x.admitted = &admitted{header: q.Header}
	settle, err := x.p.admit(x.r.Context(), q)
	for name := range q.Header {
		x.admitted.rates = x.admitted.rates || isRateHeader(name)
	}
	x.setAdmitted(x.w.Header())
	if err != nil {
		return err
	}
	x.admitted.settle = settle
	return nil
}

// settle tells the host how the request that it admitted ended. The client need
// not wait for the host's store.
func (x *exchange) settle() {
	if x.admitted == nil || x.admitted.settle == nil {
		return
	}
	if x.committed && x.rec.Status != http.StatusSwitchingProtocols { // or it is a WebSocket's connection
		x.flush()
	}
	x.admitted.settle(&x.rec)
}

// setAdmitted sets the host's headers over a provider's.
func (x *exchange) setAdmitted(h http.Header) {
	if x.admitted == nil {
		return
	}
	if x.admitted.rates {
		for name := range h {
			if isRateHeader(name) {
				delete(h, name)
			}
		}
	}
	for name, v := range x.admitted.header {
		h[name] = v
	}
}

// isRateHeader reports whether a header tells of a limit on requests or tokens.
func isRateHeader(name string) bool {
	return strings.HasPrefix(name, "Ratelimit") || strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Anthropic-Ratelimit-")
}

// mediaTokens is what an image or a file counts as, whose tokens its bytes do
// not tell: a large image is about as many.
const mediaTokens = 1000

// estimate looks at a body without decoding it.
func (q *Admission) estimate(body []byte) {
	if jsonx.KindOf(bytes.TrimLeft(body, " \t\r\n")) != jsonx.Object {
		return
	}
	q.InputTokens = inputTokens(body)
	switch q.Op {
	case provider.Chat, provider.Forward, provider.Pass:
		q.MaxOutputTokens = maxOutput(body)
	}
}

// inputTokens estimates the tokens of a body by its text and its media.
func inputTokens(body []byte) int64 {
	text, media := textBytes(body)
	return tokens(int64(text)) + int64(media)*mediaTokens
}

// textBytes counts the bytes of a body that are not in long runs of base64,
// and those runs. It looks at the last byte of where a run would be first, so
// most of a text is never looked at.
func textBytes(body []byte) (text, media int) {
	const long = 1024
	text = len(body)
	for start := 0; start+long <= len(body); {
		end := start + long
		i := end - 1
		for i >= start && isBase64[body[i]] {
			i--
		}
		if i >= start {
			start = i + 1
			continue
		}
		for end < len(body) && isBase64[body[end]] {
			end++
		}
		text -= end - start
		media++
		start = end
	}
	return text, media
}

// isBase64 has the bytes of both alphabets, and the backslash that some put
// before a slash.
var isBase64 = func() (is [256]bool) {
	for _, c := range []byte(`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\`) {
		is[c] = true
	}
	return is
}()

// maxOutput finds how many tokens a request, in whatever format, allows for
// its answer; 0: it does not say, or not so that two readers would agree.
func maxOutput(body []byte) int64 {
	found, err := jsonx.Top(body, "max_completion_tokens", "max_tokens", "max_output_tokens", "n", "generationConfig", "generation_config")
	if err != nil {
		return 0
	}
	tokens, choices := max(count(found[0]), count(found[1]), count(found[2])), count(found[3])
	for _, config := range found[4:] {
		if jsonx.KindOf(config) != jsonx.Object {
			continue
		}
		if found, err := jsonx.Top(config, "maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"); err == nil {
			tokens = max(tokens, count(found[0]), count(found[1]))
			choices = max(choices, count(found[2]), count(found[3]))
		}
	}
	return tokens * min(max(choices, 1), 1<<10)
}

// count reads a number of tokens or choices; 0 where it is none.
func count(b []byte) int64 {
	if jsonx.KindOf(b) != jsonx.Number {
		return 0
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(f > 0) {
		return 0
	}
	return int64(min(math.Ceil(f), 1<<40))
}
