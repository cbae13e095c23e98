package rotate

import (
	"net/http"
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
	for _, bucket := range buckets(h) {
		if bucket.reset != "" && bucket.spent {
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
	for _, b := range buckets(h) {
		n, err := strconv.ParseInt(b.remaining, 10, 64)
		// Azure's Responses endpoint reports 0 and -1 with no meaning.
		if err != nil || n < 0 || n == 0 && provider == "azure-openai" {
			continue
		}
		room := Headroom{Known: true, Remaining: n}
		room.Limit, _ = strconv.ParseInt(b.limit, 10, 64)
		d, t := reset(b.reset)
		if served := date(h.Get("Date")); !t.IsZero() && !served.IsZero() {
			d, t = t.Sub(served), time.Time{}
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

// bucket is one limit that the headers tell of.
type bucket struct {
	name                    string
	limit, remaining, reset string
	requests                bool
	spent                   bool // nothing left, or no word of what is left
}

// buckets collects the rate-limit headers: x-ratelimit-{limit,remaining,reset}[-NAME]
// and anthropic-ratelimit-NAME-{limit,remaining,reset}.
func buckets(h http.Header) []bucket {
	var list []bucket
	for key, values := range h {
		name, field, ok := rateHeader(key)
		if !ok || len(values) == 0 {
			continue
		}
		i := 0
		for i < len(list) && list[i].name != name {
			i++
		}
		if i == len(list) {
			list = append(list, bucket{name: name, requests: name == "" || strings.HasPrefix(name, "req")})
		}
		v := strings.TrimSpace(values[0])
		switch field {
		case "limit":
			list[i].limit = v
		case "remaining":
			list[i].remaining = v
		case "reset":
			list[i].reset = v
		}
	}
	for i := range list {
		n, err := strconv.ParseFloat(list[i].remaining, 64)
		list[i].spent = list[i].remaining == "" || err == nil && n <= 0
	}
	return list
}

// rateHeader splits a canonical header name into the limit's name and the field.
func rateHeader(key string) (name, field string, ok bool) {
	const generic, anthropic = "X-Ratelimit-", "Anthropic-Ratelimit-"
	switch {
	case len(key) > len(generic) && strings.EqualFold(key[:len(generic)], generic):
		field, name, _ = strings.Cut(strings.ToLower(key[len(generic):]), "-")
	case len(key) > len(anthropic) && strings.EqualFold(key[:len(anthropic)], anthropic):
		rest := strings.ToLower(key[len(anthropic):])
		i := strings.LastIndexByte(rest, '-')
		if i < 0 {
			return "", "", false
		}
		name, field = rest[:i], rest[i+1:]
	}
	return name, field, field == "limit" || field == "remaining" || field == "reset"
}

// reset reads "6m0s", "120ms", "2m59.56s", "7", "7.66", an epoch in seconds or
// milliseconds, or an RFC 3339 time. What it cannot read is no hint.
func reset(s string) (time.Duration, time.Time) {
	s = strings.TrimSpace(s)
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
	if d, err := time.ParseDuration(s); err == nil {
		return min(max(d, 0), maxHint), time.Time{}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return 0, t
	}
	return 0, time.Time{}
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
