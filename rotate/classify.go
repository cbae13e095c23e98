package rotate

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Classify says what an answer means for the key and the target it came from,
// by DefaultRules. Its arguments are what an HTTP exchange yields: the status (0
// when no answer came), its header and body (both may be nil; of the body the
// first 64 KiB are read), and the error of the exchange, if any.
//
// An error event in the middle of a stream is classified by passing it as body,
// with the status that the event names, or 200: an answer whose body is an error
// is read as one, whatever its status.
func Classify(provider string, status int, h http.Header, body []byte, err error) Outcome {
	return defaultRules.Classify(provider, status, h, body, err)
}

// Rules is an ordered table: the first rule that matches an answer decides what
// it means. Put rules of your own in front:
//
//	rules := append(rotate.Rules{{Provider: "acme", Status: 420, Class: rotate.RateLimited}}, rotate.DefaultRules()...)
//
// An answer that no rule matches is read by its status: below 400 Success,
// other 4xx ClientFault, anything else TargetFault.
type Rules []Rule

// Rule is one row of the table. An empty condition matches everything, and all
// conditions must match.
type Rule struct {
	Provider string // provider's name
	Status   int    // HTTP status
	Code     string // one of the body's codes, types, statuses or reasons, or the error type in a header; "*" at either end stands for anything; letter case does not matter
	Text     string // part of the body's message; letter case does not matter

	Class Class
	Cover Coverage
	// Floor is the least cooldown, for limits whose hints are known to be too short.
	Floor time.Duration
	// Why cites what the rule rests on.
	Why string
}

// Classify reads an answer by the table; see the function Classify. It never
// panics, whatever the answer.
func (rules Rules) Classify(provider string, status int, h http.Header, body []byte, err error) Outcome {
	o := Outcome{Status: status}
	if err != nil {
		// A deadline is not the caller's leaving: the target was too slow for it.
		o.Class = TargetFault
		if errors.Is(err, context.Canceled) {
			o.Class = Canceled
		}
		return o
	}
	headroom(&o, provider, h)
	if status > 0 && status < 400 && !looksLikeError(body) {
		return o
	}
	b := readError(body)
	if status > 0 && status < 400 {
		if !b.isError {
			return o
		}
		o.Status = b.guessStatus()
	}
	if t := h.Get("X-Amzn-Errortype"); t != "" {
		t, _, _ = strings.Cut(t, ":")
		b.codes = append(b.codes, t)
	}
	o.Code = b.code()
	o.Class = byStatus(o.Status)
	for i := range rules {
		if r := &rules[i]; r.matches(provider, o.Status, b) {
			o.Class, o.Cover, o.Floor = r.Class, r.Cover, r.Floor
			break
		}
	}
	if o.Class.Cools() || o.Class == TargetFault {
		hints(&o, h, b)
	}
	if o.Class == RateLimited && b.perKey {
		o.Cover = CoverKeyModel
	}
	return o
}

func (r *Rule) matches(provider string, status int, b *errorBody) bool {
	if r.Provider != "" && r.Provider != provider || r.Status != 0 && r.Status != status {
		return false
	}
	if r.Text != "" && !strings.Contains(b.lower(), strings.ToLower(r.Text)) {
		return false
	}
	if r.Code == "" {
		return true
	}
	for _, c := range b.codes {
		if codeMatches(strings.ToLower(r.Code), strings.ToLower(c)) {
			return true
		}
	}
	return false
}

func codeMatches(pattern, code string) bool {
	head, tail := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
	core := strings.Trim(pattern, "*")
	switch {
	case head && tail:
		return strings.Contains(code, core)
	case head:
		return strings.HasSuffix(code, core)
	case tail:
		return strings.HasPrefix(code, core)
	}
	return code == core
}

// byStatus is what a status means where no rule speaks.
func byStatus(status int) Class {
	switch {
	case status == 0 || status >= 500:
		return TargetFault
	case status < 400:
		return Success
	}
	return ClientFault
}
