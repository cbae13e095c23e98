package limit

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-llmproxy/llmproxy/translate"
)

// bucket is a limit by the minute, for headers and messages.
type bucket struct {
	name        string
	limit, used int64
}

func buckets(l Limits, s State) []bucket {
	return []bucket{{"requests", l.Requests, s.Requests}, {"tokens", l.Tokens, s.Tokens}}
}

func (b bucket) remaining() int64 { return max(b.limit*unit-b.used, 0) / unit }

// reset returns the time until nothing is used any more.
func (b bucket) reset() time.Duration {
	return time.Duration(drained(b.used, b.limit)) * time.Millisecond
}

// wait returns the time until there is room.
func (b bucket) wait(want int64) time.Duration {
	return time.Duration(drained(max(b.used-(b.limit-want)*unit, 0), b.limit)) * time.Millisecond
}

// setHeader tells what is left: in the fields of
// draft-ietf-httpapi-ratelimit-headers-10, and in those that the client's SDK
// knows from its provider, Anthropic's or OpenAI's. Money is not told.
func setHeader(h http.Header, f translate.Format, l Limits, s State) {
	var policy, left []string
	for _, b := range buckets(l, s) {
		if b.limit <= 0 {
			continue
		}
		limit, remaining, reset := strconv.FormatInt(b.limit, 10), strconv.FormatInt(b.remaining(), 10), b.reset()
		policy = append(policy, fmt.Sprintf("%q;q=%s;w=60", b.name, limit))
		left = append(left, fmt.Sprintf("%q;r=%s;t=%d", b.name, remaining, seconds(reset)))
		if f == translate.Anthropic {
			h.Set("Anthropic-Ratelimit-"+b.name+"-Limit", limit)
			h.Set("Anthropic-Ratelimit-"+b.name+"-Remaining", remaining)
			h.Set("Anthropic-Ratelimit-"+b.name+"-Reset", time.UnixMilli(s.At).Add(reset).Add(time.Second-1).UTC().Truncate(time.Second).Format(time.RFC3339))
			continue
		}
		h.Set("X-Ratelimit-Limit-"+b.name, limit)
		h.Set("X-Ratelimit-Remaining-"+b.name, remaining)
		h.Set("X-Ratelimit-Reset-"+b.name, reset.String())
	}
	if policy != nil {
		h.Set("RateLimit-Policy", strings.Join(policy, ", "))
		h.Set("RateLimit", strings.Join(left, ", "))
	}
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// refusal returns the error for a request that found no room.
func refusal(l Limits, s State, want Amounts) error {
	if full(s.Money, want.Money, l.Money) {
		e := translate.Errorf(translate.QuotaExceeded, "the budget of %s a day is used up; the next day begins at 00:00 UTC", max(l.Money, 0))
		if l.Money > 0 {
			e.RetryAfter = time.UnixMilli((s.Day + 1) * dayMS).Sub(time.UnixMilli(s.At))
		}
		return e
	}
	e := translate.Errorf(translate.RateLimit, "no requests are allowed")
	e.Code = "rate_limit_exceeded"
	wants := []int64{want.Requests, want.Tokens}
	for i, b := range buckets(l, s) {
		if b.limit < 0 {
			e.Message, e.RetryAfter = "no "+b.name+" are allowed", 0
			return e
		}
		if wait := b.wait(wants[i]); wants[i] > 0 && wait > e.RetryAfter {
			e.RetryAfter = wait
			e.Message = fmt.Sprintf("the limit of %d %s a minute is reached: %d are left, and this request is reckoned as %d; try again in %s",
				b.limit, b.name, b.remaining(), wants[i], wait)
		}
	}
	return e
}
