package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/translate"
)

// limiter lets each principal ask burst times at once, and once more for each
// interval that passes. It remembers no more names than tokens were signed for.
type limiter struct {
	burst    int
	interval time.Duration
	now      func() time.Time

	mu   sync.Mutex
	used map[string]time.Time // when all that was used will have come back
}

func newLimiter(burst int, interval time.Duration) *limiter {
	return &limiter{burst: burst, interval: interval, now: time.Now, used: map[string]time.Time{}}
}

// allow returns 0 where who may ask now, and else how long to wait.
func (l *limiter) allow(who string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, used := l.now(), l.used[who]
	if used.Before(now) {
		used = now
	}
	used = used.Add(l.interval)
	if wait := used.Sub(now) - time.Duration(l.burst)*l.interval; wait > 0 {
		return wait
	}
	l.used[who] = used
	return 0
}

// middleware counts the requests of whom it knows. The others are next's to
// refuse.
func (l *limiter) middleware(principal llmproxy.AuthFunc, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, err := principal(r); err == nil {
			if wait := l.allow(who); wait > 0 {
				refusal := translate.Errorf(translate.RateLimit, "%s asks too often", who)
				refusal.RetryAfter = wait
				llmproxy.WriteError(w, r, refusal)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
