package limit

import (
	"context"
	"time"

	"github.com/go-llmproxy/llmproxy/price"
)

// Amounts are of what is limited.
type Amounts struct {
	Requests, Tokens int64
	Money            price.USD
}

func (a Amounts) minus(b Amounts) Amounts {
	return Amounts{a.Requests - b.Requests, a.Tokens - b.Tokens, a.Money - b.Money}
}

// within cuts what is wanted to what there can be at most: a request larger
// than a limit waits until nothing is used.
func (a Amounts) within(l Limits) Amounts {
	a = a.of(l)
	return Amounts{min(a.Requests, max(l.Requests, 0)), min(a.Tokens, max(l.Tokens, 0)), min(a.Money, max(l.Money, 0))}
}

// of leaves out what is not limited.
func (a Amounts) of(l Limits) Amounts {
	if l.Requests == 0 {
		a.Requests = 0
	}
	if l.Tokens == 0 {
		a.Tokens = 0
	}
	if l.Money == 0 {
		a.Money = 0
	}
	return Amounts{min(a.Requests, mostAmount), min(a.Tokens, mostAmount), min(a.Money, mostMoney/2)}
}

// Store keeps what principals use. The clock is the store's own, so that those
// of the processes that share it need not agree. limittest holds a Store to
// this contract; State has the arithmetic.
//
// Both methods may be called concurrently, and must return soon after the
// context's deadline.
type Store interface {
	// Take adds what is wanted to what the principal has used, if every limit
	// has room for it, and otherwise nothing. It returns the state after that.
	// No amount is negative, or more than its limit.
	Take(ctx context.Context, principal string, l Limits, want Amounts) (s State, ok bool, err error)
	// Settle adds what may be negative, and may exceed the limits. The money is
	// of a day, as State has it, and is dropped when that is over.
	Settle(ctx context.Context, principal string, l Limits, day int64, delta Amounts) error
}

// State is what a principal has used. The zero State is of one that has used
// nothing.
type State struct {
	At       int64 // milliseconds since 1970; as of when Requests and Tokens are
	Requests int64 // not yet flown back, in parts of 1/60,000: a limit flows back by its own number of them each millisecond
	Tokens   int64 // the same
	Day      int64 // days since 1970
	Money    price.USD
}

const (
	unit     = 60_000
	mostUsed = 1 << 52 // exact in every store, also in Redis' floating point
	dayMS    = 24 * 60 * 60 * 1000
)

// Take is Store.Take on a state.
func (s *State) Take(now time.Time, l Limits, want Amounts) bool {
	s.advance(now, l)
	if full(s.Requests, want.Requests*unit, l.Requests*unit) || full(s.Tokens, want.Tokens*unit, l.Tokens*unit) || full(s.Money, want.Money, l.Money) {
		return false
	}
	s.add(want)
	return true
}

// full reports whether a limit has no room. What wants nothing of it finds
// room even where more is used than there is.
func full[T ~int64](used, want, limit T) bool {
	return limit < 0 || limit > 0 && want > 0 && used+want > limit
}

// Settle is Store.Settle on a state.
func (s *State) Settle(now time.Time, l Limits, day int64, delta Amounts) {
	s.advance(now, l)
	if s.Day != day {
		delta.Money = 0
	}
	s.add(delta)
}

func (s *State) add(a Amounts) {
	s.Requests = min(max(s.Requests+a.Requests*unit, 0), mostUsed)
	s.Tokens = min(max(s.Tokens+a.Tokens*unit, 0), mostUsed)
	s.Money = min(max(s.Money+a.Money, 0), mostUsed)
}

// advance lets flow back what has by now. A clock that goes back stands still.
func (s *State) advance(now time.Time, l Limits) {
	ms := now.UnixMilli()
	if past := ms - s.At; past > 0 {
		s.Requests, s.Tokens = flow(s.Requests, l.Requests, past), flow(s.Tokens, l.Tokens, past)
		s.At = ms
	}
	if day := ms / dayMS; day > s.Day {
		s.Day, s.Money = day, 0
	}
}

func flow(used, limit, past int64) int64 {
	if past >= drained(used, limit) {
		return 0
	}
	return used - limit*past
}

// drained returns after how many milliseconds nothing is used any more.
func drained(used, limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	return (used + limit - 1) / limit
}

// Until returns when the state will be as good as the zero State, given the
// limits that it was last taken by: stores may forget it then.
func (s *State) Until(l Limits) time.Time {
	until := s.At + max(drained(s.Requests, l.Requests), drained(s.Tokens, l.Tokens))
	if s.Money > 0 {
		until = max(until, (s.Day+1)*dayMS)
	}
	return time.UnixMilli(until)
}
