package llmproxy

import (
	"errors"
	"net/http"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// run tries the targets in order, and the keys of each, within the budgets. An
// error it returns has not been written to the client, unless committed.
func (x *exchange) run(targets []target, j *job) error {
	if err := x.admit(j.op, &targets[0]); err != nil {
		return err
	}
	x.last = nil
	for i := range targets {
		t := &targets[i]
		done, wait, ok := x.p.breaker.enter(t)
		if !ok {
			if x.last == nil {
				x.last = errOpen(t, wait)
			}
			continue
		}
		err, more := x.tryTarget(t, j)
		done()
		if !more {
			return err
		}
		x.last = err
	}
	return x.last
}

// tryTarget tries a target's keys. It reports whether the next target may be
// tried; the error is the one to report if there is none.
func (x *exchange) tryTarget(t *target, j *job) (_ error, more bool) {
	tried := x.first.tried[:0]
	for len(x.rec.Attempts) < x.p.Retry.Attempts {
		if len(x.rec.Attempts) > 0 && (x.p.now().Sub(x.rec.Attempts[0].Start) > x.p.Retry.Time || j.single != nil && j.single()) {
			return x.last, false
		}
		wasDirect := x.direct
		a, req, err := x.begin(t, j, &tried)
		if err == nil {
			err = a.send(req, j)
		}
		if err == nil || x.committed {
			return err, false
		}
		again, nextTarget := x.goesOn(&err, !wasDirect && x.direct)
		if !again {
			return err, nextTarget
		}
		if x.last = err; !wasDirect && x.direct {
			tried = tried[:len(tried)-1] // it was the gateway's fault, not the key's
		}
	}
	return x.last, false
}

// goesOn reports what may be tried after an attempt that failed with err: the
// target again, or the next one. It makes err what is to be reported if that
// fails, too.
func (x *exchange) goesOn(err *error, around bool) (again, nextTarget bool) {
	var stop *noAttempt
	if errors.As(*err, &stop) {
		// What a provider said tells a client more than that there is no
		// further key.
		if x.last == nil {
			x.last = stop.err
		}
		*err = recovery(x.last, stop.err)
		return false, stop.nextTarget
	}
	a := &x.rec.Attempts[len(x.rec.Attempts)-1]
	switch {
	case x.r.Context().Err() != nil || a.Class == rotate.Canceled:
		return false, false
	case !a.Class.Retryable():
		return false, a.Status == http.StatusNotFound // the next target may know the model
	case a.Key == "" && !around:
		return false, true // there is no other key
	}
	return true, false
}

// recovery has a provider's 429 or 402 say when the first of all keys recovers,
// where no key is left to try: the provider spoke of the one key that it saw.
func recovery(last, none error) error {
	var unavailable *rotate.UnavailableError
	var e *translate.Error
	if !errors.As(none, &unavailable) || unavailable.RetryAfter <= 0 || !errors.As(last, &e) {
		return last
	}
	if status := e.StatusCode(); status != http.StatusTooManyRequests && status != http.StatusPaymentRequired {
		return last
	}
	cause := *e
	cause.RetryAfter = unavailable.RetryAfter
	var f *failure
	if !errors.As(last, &f) { // it came inside a stream
		return &cause
	}
	header := f.header.Clone()
	setRetryAfter(header, cause.RetryAfter)
	return &failure{&cause, header, f.raw}
}

// noAttempt says why no attempt was made.
type noAttempt struct {
	err        error
	nextTarget bool
}

func (e *noAttempt) Error() string { return e.err.Error() }
