package rotate

import (
	"math"
	"net/http"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// hints gathers what an answer says about when to come back, and keeps the latest.
//
// An instruction to wait always counts. The reset of a limit counts when the
// limit is known to be used up; one that has something left says nothing about
// this refusal.
func hints(o *Outcome, h http.Header, b *errorBody) {
	served := date(h.Get("Date"))
	at := func(t time.Time) {
		// Against the provider's own clock, if it told, so that ours need not agree.
		if !served.IsZero() {
			o.RetryAfter = max(o.RetryAfter, t.Sub(served))
		} else if t.After(o.Until) {
			o.Until = t
		}
	}
	stamp := func(s string) {
		if d, t := reset(s); !t.IsZero() {
			at(t)
		} else {
			o.RetryAfter = max(o.RetryAfter, d)
		}
	}
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		o.RetryAfter = max(o.RetryAfter, seconds(ms/1000))
	}
	if v := h.Get("Retry-After"); v != "" {
		if t := date(v); !t.IsZero() {
			at(t)
		} else {
			stamp(v)
		}
	}
	for _, bucket := range buckets(nil, h) {
		if bucket.reset != "" && bucket.spent() {
			stamp(bucket.reset)
		}
	}
	if d, err := time.ParseDuration(b.delay); err == nil {
		o.RetryAfter = max(o.RetryAfter, d)
	}
	for _, v := range b.resets {
		stamp(v)
	}
	o.RetryAfter = min(max(o.RetryAfter, spoken(b.message)), maxHint)
}

// headroom reads what is left of the key's limits.
func headroom(o *Outcome, provider string, h http.Header) {
	var room [4]bucket
	for _, b := range buckets(room[:0], h) {
		n, ok := whole(b.remaining)
		// Azure's Responses endpoint reports 0 and -1 with no meaning.
		if !ok || n == 0 && provider == "azure-openai" {
			continue
		}
		room := Headroom{Known: true, Remaining: n}
		room.Limit, _ = whole(b.limit)
		d, t := reset(b.reset)
		if !t.IsZero() {
			if served := date(h.Get("Date")); !served.IsZero() {
				d, t = t.Sub(served), time.Time{}
			}
		}
		room.Reset, room.ResetAt = max(d, 0), t
		into := &o.Tokens
		if b.requests {
			into = &o.Requests
		}
		// Of several limits of a kind, the tightest counts.
		if !into.Known || room.fraction() < into.fraction() {
			*into = room
		}
	}
}

// whole reads a whole number that is not negative.
func whole(s string) (n int64, ok bool) {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' || n >= math.MaxInt64/10 {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, len(s) > 0
}

// bucket is one limit that the headers tell of.
type bucket struct {
	name                    string
	limit, remaining, reset string
	requests                bool
}

// spent reports that nothing is left, or no word of what is left.
func (b *bucket) spent() bool {
	n, err := strconv.ParseFloat(b.remaining, 64)
	return b.remaining == "" || err == nil && n <= 0
}

// buckets collects the rate-limit headers: x-ratelimit-{limit,remaining,reset}[-NAME]
// and anthropic-ratelimit-NAME-{limit,remaining,reset}. They are appended to list.
func buckets(list []bucket, h http.Header) []bucket {
	for key, values := range h {
		// Both prefixes have a hyphen where hardly any other header has one.
		if len(key) < 12 || key[11] != '-' && key[9] != '-' {
			continue
		}
		name, field := rateHeader(key)
		if field == "" || len(values) == 0 {
			continue
		}
		i := 0
		for i < len(list) && list[i].name != name {
			i++
		}
		if i == len(list) {
			list = append(list, bucket{name: name, requests: name == "" || strings.HasPrefix(name, "Req")})
		}
		v := textproto.TrimString(values[0])
		switch field {
		case "Limit":
			list[i].limit = v
		case "Remaining":
			list[i].remaining = v
		case "Reset":
			list[i].reset = v
		}
	}
	return list
}

// rateHeader splits the name of a rate-limit header, as http.Header spells it,
// into the limit's name and the field.
func rateHeader(key string) (name, field string) {
	if rest, ok := strings.CutPrefix(key, "X-Ratelimit-"); ok {
		field, name, _ = strings.Cut(rest, "-")
	} else if rest, ok := strings.CutPrefix(key, "Anthropic-Ratelimit-"); ok {
		if i := strings.LastIndexByte(rest, '-'); i >= 0 {
			name, field = rest[:i], rest[i+1:]
		}
	}
	return name, field
}

// reset reads "6m0s", "120ms", "2m59.56s", "7", "7.66", an epoch in seconds or
// milliseconds, or an RFC 3339 time. What it cannot read is no hint.
func reset(s string) (time.Duration, time.Time) {
	s = textproto.TrimString(s)
	if s == "" {
		return 0, time.Time{}
	}
	if d, ok := duration(s); ok {
		return d, time.Time{}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case f >= 1e14 || f != f:
			return 0, time.Time{}
		case f >= 1e11: // milliseconds since 1970, as OpenRouter has it
			return 0, time.UnixMilli(int64(f))
		case f >= 1e9:
			return 0, time.Unix(int64(f), 0)
		}
		return seconds(f), time.Time{}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return 0, t
	}
	return 0, time.Time{}
}

// duration reads "6m0s" or "120ms". What does not end in a unit is none, so
// that trying costs nothing.
func duration(s string) (time.Duration, bool) {
	if ms, ok := strings.CutSuffix(s, "ms"); ok { // most that are short
		if n, ok := whole(ms); ok {
			return time.Duration(min(n, maxHint.Milliseconds())) * time.Millisecond, true
		}
	}
	switch s[len(s)-1] {
	case 's', 'm', 'h':
		d, err := time.ParseDuration(s)
		return min(max(d, 0), maxHint), err == nil
	}
	return 0, false
}

// seconds turns seconds into a duration, safe against values no int64 holds.
func seconds(f float64) time.Duration {
	if !(f > 0) { // NaN too
		return 0
	}
	return time.Duration(min(f, maxHint.Seconds()) * float64(time.Second))
}

func date(s string) time.Time {
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// spokenDelay finds the wait in a message: "Please try again in 6m0s" (OpenAI,
// Groq), "Please retry in 46.1s" (Gemini), "Please retry after 17 seconds"
// (Azure), "Expected available in 12 seconds" (Replicate).
var spokenDelay = regexp.MustCompile(`(?i)\b(?:try again|retry|available) (?:in|after) ((?:\d+(?:\.\d+)?(?:h|ms|m|s))+|\d+(?:\.\d+)?)( ?(?:milliseconds?|seconds?|minutes?|hours?))?`)

func spoken(message string) time.Duration {
	m := spokenDelay.FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		d, err := time.ParseDuration(m[1])
		if err != nil {
			return 0
		}
		return min(d, maxHint)
	}
	switch unit := strings.ToLower(strings.TrimSpace(m[2])); {
	case strings.HasPrefix(unit, "milli"):
		n /= 1000
	case strings.HasPrefix(unit, "minute"):
		n *= 60
	case strings.HasPrefix(unit, "hour"):
		n *= 3600
	case unit == "":
		return 0 // a number without a unit may count anything
	}
	return seconds(n)
}
