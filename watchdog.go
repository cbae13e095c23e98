package llmproxy

import (
	"context"
	"errors"
	"sync"
	"time"
)

// timeoutError is the cause of a context that the watchdog cancelled.
type timeoutError struct{ msg string }

func (e *timeoutError) Error() string { return e.msg }

var (
	errHeaderTimeout  = &timeoutError{"the provider did not answer in time"}
	errContentTimeout = &timeoutError{"the provider sent no content in time"}
	errIdleTimeout    = &timeoutError{"the provider fell silent"}
	errClientGone     = errors.New("the client went away")
)

// watchdog cancels an attempt that stops making progress. It needs no
// goroutine: the runtime's timer looks whether the time is up. Progress moves
// the deadline and leaves the timer alone, which then goes off early, looks,
// and is set again: a stream makes progress far more often than that.
type watchdog struct {
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	deadline time.Time // zero: nothing is expected
	rings    time.Time // when the timer goes off; zero: it does not
	cause    *timeoutError
}

// expect gives the next step d; 0 or less is for ever.
func (w *watchdog) expect(d time.Duration, cause *timeoutError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d <= 0 {
		w.deadline = time.Time{}
		return
	}
	w.deadline, w.cause = time.Now().Add(d), cause
	switch {
	case w.timer == nil:
		w.timer = time.AfterFunc(d, w.look)
	case w.rings.IsZero() || w.deadline.Before(w.rings):
		w.timer.Reset(d)
	default:
		return
	}
	w.rings = w.deadline
}

// progress gives the step under way its whole time d again.
func (w *watchdog) progress(d time.Duration) {
	w.mu.Lock()
	if !w.deadline.IsZero() {
		w.deadline = time.Now().Add(d)
	}
	w.mu.Unlock()
}

func (w *watchdog) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rings = time.Time{}
	if w.deadline.IsZero() {
		return
	}
	if left := time.Until(w.deadline); left > 0 {
		w.timer.Reset(left)
		w.rings = w.deadline
		return
	}
	w.cancel(w.cause)
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = time.Time{}
	if w.timer != nil {
		w.timer.Stop()
	}
}
