package rotate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Scope says what a key is wanted for.
type Scope struct {
	Provider string // as in "openai"
	Model    string // the provider's own name of the model, without the provider prefix; may be empty
	// Select narrows the pool to some positions; the zero value is every key.
	Select Selection
	// Exclude holds the IDs of keys already tried in this exchange.
	Exclude []string
	// Affinity identifies the conversation, for the Affinity policy; "" means none.
	Affinity string
	// Owner is the ID of the key that made the reasoning state which the
	// conversation carries. It wins over any policy as long as that key can
	// serve. When it cannot, another key is returned, and the caller sees that by
	// comparing Key.ID with Owner: the state must then be left out.
	Owner string
}

// KeyRotator hands out keys.
//
// Acquire returns a key and the function that must be called exactly once when
// the attempt with that key is over, with what came of it. It fails with
// ErrNoKeys, a *SelectionError, an *UnavailableError, the context's error, or
// the store's. Both may be called concurrently.
type KeyRotator interface {
	Acquire(ctx context.Context, s Scope) (k Key, done func(Outcome), err error)
}

// Selection is a zero-based, inclusive range of key positions, as in the routes
// /key/2 and /key/1-3. The zero value selects every key. It is comparable.
type Selection struct {
	set         bool
	first, last int // last < 0: to the end
}

// SelectKeys returns the selection of the positions first to last; a negative
// last means to the end.
func SelectKeys(first, last int) Selection {
	return Selection{set: true, first: max(first, 0), last: max(last, -1)}
}

// ParseSelection reads "2", "1-3", "2-" and "-4"; "" is the zero Selection.
// Spaces, signs and descending ranges are errors.
func ParseSelection(spec string) (Selection, error) {
	if spec == "" {
		return Selection{}, nil
	}
	bad := &SelectionError{Spec: spec}
	lo, hi, isRange := strings.Cut(spec, "-")
	if !isRange {
		n, ok := position(lo)
		if !ok {
			return Selection{}, bad
		}
		return SelectKeys(n, n), nil
	}
	s := Selection{set: true, last: -1}
	ok := lo != "" || hi != ""
	if lo != "" && ok {
		s.first, ok = position(lo)
	}
	if hi != "" && ok {
		s.last, ok = position(hi)
		ok = ok && s.last >= s.first
	}
	if !ok {
		return Selection{}, bad
	}
	return s, nil
}

func position(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16) // ParseUint takes no sign
	return int(n), err == nil
}

// IsZero reports whether the selection is every key.
func (s Selection) IsZero() bool { return !s.set }

// Contains reports whether the position is selected.
func (s Selection) Contains(i int) bool {
	return !s.set || i >= s.first && (s.last < 0 || i <= s.last)
}

// Check returns a *SelectionError when the selection reaches beyond n keys.
func (s Selection) Check(n int) error {
	if !s.set || s.first < n && s.last < n {
		return nil
	}
	return &SelectionError{Spec: s.String(), Keys: n}
}

// String returns the selection as ParseSelection reads it.
func (s Selection) String() string {
	switch {
	case !s.set:
		return ""
	case s.last < 0:
		return fmt.Sprintf("%d-", s.first)
	case s.first == s.last:
		return strconv.Itoa(s.first)
	}
	return fmt.Sprintf("%d-%d", s.first, s.last)
}
