package rotate

import "time"

// Class says what came of an attempt, as far as keys are concerned.
type Class uint8

// The classes, and what a Pool does for each.
const (
	// Success: the key worked. Its backoff starts again from the beginning.
	Success Class = iota
	// Canceled: the caller went away. Nothing is learned; nothing is touched.
	Canceled
	// RateLimited: a limit that passes soon. Cools what Outcome.Cover says, until
	// the hinted time, or with exponential backoff where there is no hint.
	RateLimited
	// QuotaExhausted: money or a long quota is used up. Cools until the hinted
	// time, or for Backoff.Quota.
	QuotaExhausted
	// Unauthorized: the provider does not know the key. Cools the whole key for
	// Backoff.Unauthorized: long, but finite, as keys are restored too.
	Unauthorized
	// Forbidden: this request is not for this key. Another key may serve it; this
	// one is not cooled, as it may serve the next.
	Forbidden
	// TargetFault: the provider or the way to it failed (5xx, 529, dial errors).
	// It counts against the target, never against the key.
	TargetFault
	// ClientFault: the request is at fault. No key and no target is touched.
	ClientFault
)

var classNames = [...]string{"success", "canceled", "rate_limited", "quota_exhausted", "unauthorized", "forbidden", "target_fault", "client_fault"}

// String returns the class as a lower-case word, for logs and metrics.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}

// MarshalText writes String.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Retryable reports whether another attempt may succeed where this one failed.
func (c Class) Retryable() bool { return c.KeyFault() || c == TargetFault }

// KeyFault reports whether the failure lies with the key, so that another key
// of the same provider may help.
func (c Class) KeyFault() bool {
	return c == RateLimited || c == QuotaExhausted || c == Unauthorized || c == Forbidden
}

// Cools reports whether the class puts a key to rest.
func (c Class) Cools() bool { return c == RateLimited || c == QuotaExhausted || c == Unauthorized }

// Coverage says how far a cooldown reaches.
type Coverage uint8

const (
	// CoverModel is the model, on the key and on all keys of its quota group.
	CoverModel Coverage = iota
	// CoverKeyModel is the model on this key alone.
	CoverKeyModel
	// CoverGroup is every model, on the key and on all keys of its quota group.
	CoverGroup
	// CoverKey is every model on this key alone.
	CoverKey
)

// Outcome is what a finished attempt tells the pool. The zero value is a
// success that says nothing about headroom.
type Outcome struct {
	Class  Class
	Status int    // HTTP status; 0 when no answer came
	Code   string // the provider's own code for the error, for logs; may be empty
	// RetryAfter is how long the provider asks to wait, from now on; 0 is no hint.
	RetryAfter time.Duration
	// Until is the same as a time of day, where the provider gave one and not its
	// own clock. The later of both counts.
	Until time.Time
	// Floor is the least cooldown whatever the hints say, as a per-day quota
	// whose hint speaks of seconds needs. 0 is none.
	Floor time.Duration
	// Cover says what a cooldown covers. Unauthorized always covers the whole key.
	Cover Coverage
	// Requests and Tokens tell what is left of the key's limits.
	Requests, Tokens Headroom
}

// Retryable reports whether another attempt may succeed where this one failed.
func (o Outcome) Retryable() bool { return o.Class.Retryable() }

// Headroom is what is left of one limit. The zero value means unknown.
type Headroom struct {
	Known     bool
	Remaining int64
	Limit     int64         // 0 when unknown
	Reset     time.Duration // until the limit is whole again; 0 when unknown
	ResetAt   time.Time     // the same as a time of day, where the provider gave one and not its own clock
}

// fraction returns the part of the limit that is left: 1 when unknown.
func (h Headroom) fraction() float64 {
	switch {
	case !h.Known:
		return 1
	case h.Limit <= 0:
		return float64(h.Remaining) / float64(h.Remaining+1)
	}
	return min(float64(h.Remaining)/float64(h.Limit), 1)
}
