package rotate

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoKeys means that the provider has no key at all that may serve the model.
// Waiting does not help.
var ErrNoKeys = errors.New("rotate: no key for this provider and model")

// SelectionError reports a key selection that cannot be read, or that reaches
// beyond the keys there are. It is the caller's mistake: an HTTP server answers 400.
type SelectionError struct {
	Spec string // as the caller wrote it
	Keys int    // how many keys there are; 0 when the selection could not be read
}

func (e *SelectionError) Error() string {
	switch e.Keys {
	case 0:
		return fmt.Sprintf("key selection %q is not of the form 2, 1-3, 2- or -4", e.Spec)
	case 1:
		return fmt.Sprintf("key selection %q is out of range: there is 1 key, number 0", e.Spec)
	}
	return fmt.Sprintf("key selection %q is out of range: there are %d keys, numbers 0 to %d", e.Spec, e.Keys, e.Keys-1)
}

// UnavailableError means that there are keys, and none can be used now. An HTTP
// server answers 429 with RetryAfter.
type UnavailableError struct {
	Provider string
	Model    string
	// RetryAfter is the time until the first of the keys recovers, those that
	// the scope excluded included; 0 where none is known to.
	RetryAfter time.Duration
	// Reason is why the key that recovers first is out.
	Reason Class
	// Keys is how many keys could have served, and Tried how many of them the
	// scope excluded. When they are equal, nothing but the exchange's own
	// exclusions stood in the way, and its last upstream error says more than this one.
	Keys, Tried int
}

func (e *UnavailableError) Error() string {
	if e.Tried >= e.Keys {
		return fmt.Sprintf("rotate: all %d keys of %s have been tried", e.Keys, e.Provider)
	}
	return fmt.Sprintf("rotate: all keys of %s are cooling down (%s), the first recovers in %s",
		e.Provider, e.Reason, e.RetryAfter.Round(time.Millisecond))
}

// SharedError means that the shared engine of a fleet could not be asked, and
// that the pool was told to refuse then (WithRefusal).
type SharedError struct{ Err error }

func (e *SharedError) Error() string { return "rotate: shared state: " + e.Err.Error() }

// Unwrap returns the engine's error.
func (e *SharedError) Unwrap() error { return e.Err }
