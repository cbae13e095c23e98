package limit_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/price"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/translate"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixed(l limit.Limits) limit.LimitsFunc {
	return func(context.Context, string) (limit.Limits, error) { return l, nil }
}

func admission(op provider.Op, input, output int64) *llmproxy.Admission {
	return &llmproxy.Admission{Principal: "p", Op: op, InputTokens: input, MaxOutputTokens: output, BodyBytes: 4 * input, Header: http.Header{}}
}

// remaining returns what the limiter tells is left of tokens, by a request
// that takes none.
func remaining(t *testing.T, l *limit.Limiter) string {
	t.Helper()
	q := admission(provider.CountTokens, 1, 0)
	settle, err := l.Admit(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	settle(&llmproxy.Exchange{})
	return q.Header.Get("X-Ratelimit-Remaining-Tokens")
}

// What was reserved becomes what was used, however the request ended.
func TestSettle(t *testing.T) {
	tried := []llmproxy.Attempt{{}}
	usage := &translate.Usage{Input: 90, CacheRead: 10, Output: 15, Reasoning: 5}
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		op   provider.Op
		x    llmproxy.Exchange
		want string // of 10,000, after a request reckoned as 1000 + 2000
	}{
		"usage":                   {provider.Chat, llmproxy.Exchange{Status: 200, Attempts: tried, Usage: usage}, "9880"},
		"more than reserved":      {provider.Chat, llmproxy.Exchange{Status: 200, Attempts: tried, Usage: &translate.Usage{Output: 15_000}}, "0"},
		"no usage":                {provider.Chat, llmproxy.Exchange{Status: 200, Attempts: tried}, "7000"},
		"failed":                  {provider.Chat, llmproxy.Exchange{Status: 502, Attempts: tried, Err: failed}, "10000"},
		"never sent":              {provider.Chat, llmproxy.Exchange{Status: 429, Err: failed}, "10000"},
		"canceled before":         {provider.Chat, llmproxy.Exchange{Status: 499, Err: failed, Aborted: true}, "10000"},
		"failed, with usage":      {provider.Chat, llmproxy.Exchange{Status: 502, Attempts: tried, Err: failed, Stream: true, Usage: &translate.Usage{Input: 100, Output: 1}}, "9899"},
		"stream aborted":          {provider.Chat, llmproxy.Exchange{Status: 200, Attempts: tried, Aborted: true, Stream: true, Usage: usage, UsageFrom: llmproxy.UsageEstimated}, "9880"},
		"aborted before any text": {provider.Chat, llmproxy.Exchange{Status: 200, Attempts: tried, Aborted: true, Stream: true}, "9000"},
		"cut before any text":     {provider.Chat, llmproxy.Exchange{Status: 200, Attempts: tried, Err: failed, Stream: true}, "9000"},
		"whole answer aborted":    {provider.Chat, llmproxy.Exchange{Status: 499, Attempts: tried, Aborted: true, Err: failed}, "7000"},
		"embeddings":              {provider.Embed, llmproxy.Exchange{Status: 200, Attempts: tried, Usage: &translate.Usage{Input: 7}}, "9993"},
		"embeddings, no usage":    {provider.Embed, llmproxy.Exchange{Status: 200, Attempts: tried}, "9000"},
		"count":                   {provider.CountTokens, llmproxy.Exchange{Status: 200, Attempts: tried}, "10000"},
		"pass-through":            {provider.Pass, llmproxy.Exchange{Status: 200, Attempts: tried}, "7000"},
		"WebSocket":               {provider.Pass, llmproxy.Exchange{Status: 101}, "7000"},
		"pass-through, no body":   {provider.Pass, llmproxy.Exchange{Status: 200, Attempts: tried}, "10000"},
		"pass-through and failed": {provider.Pass, llmproxy.Exchange{Status: 400, Attempts: tried}, "10000"},
	} {
		l := limit.New(fixed(limit.Limits{Tokens: 10_000}), limit.WithClock(func() time.Time { return noon }))
		q := admission(c.op, 1000, 2000)
		if strings.HasSuffix(name, "no body") {
			q.BodyBytes, q.InputTokens = 0, 0
		}
		settle, err := l.Admit(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		settle(&c.x)
		if got := remaining(t, l); got != c.want {
			t.Errorf("%s: %s left, want %s", name, got, c.want)
		}
	}
}

// Costs are those of the record; where it has none, of the estimate.
func TestMoney(t *testing.T) {
	now := noon
	tried := []llmproxy.Attempt{{}}
	l := limit.New(fixed(limit.Limits{Money: 100}), limit.WithClock(func() time.Time { return now }), limit.WithUnpriced(10))
	left := func() (n int) { // how many requests of ten there is room for
		var settles []func(*llmproxy.Exchange)
		for {
			settle, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1))
			if err != nil {
				break
			}
			settles = append(settles, settle)
		}
		for _, settle := range settles {
			settle(&llmproxy.Exchange{Status: 400})
		}
		return len(settles)
	}
	spend := func(x llmproxy.Exchange) {
		t.Helper()
		settle, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		x.Attempts = tried
		settle(&x)
	}
	for _, c := range []struct {
		x    llmproxy.Exchange
		left int
	}{
		{llmproxy.Exchange{Status: 200, Usage: &translate.Usage{}, Priced: true, Cost: 0}, 10},
		{llmproxy.Exchange{Status: 200, Usage: &translate.Usage{}, Priced: true, Cost: 25}, 7},
		{llmproxy.Exchange{Status: 200, Usage: &translate.Usage{}}, 6}, // no price
		{llmproxy.Exchange{Status: 200}, 5},                            // no usage
		{llmproxy.Exchange{Status: 500}, 5},
		{llmproxy.Exchange{Status: 200, Usage: &translate.Usage{}, Priced: true, Cost: 1000}, 0},
	} {
		spend(c.x)
		if got := left(); got != c.left {
			t.Errorf("after %+v there is room for %d, want %d", c.x, got, c.left)
		}
	}
	_, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1))
	var e *translate.Error
	if !errors.As(err, &e) || e.StatusCode() != 402 || e.RetryAfter != 12*time.Hour || !strings.Contains(e.Message, "$0.0000001 a day") {
		t.Errorf("refused with %v", err)
	}
	now = now.Add(12*time.Hour - time.Millisecond)
	if left() != 0 {
		t.Error("the budget came back before the day was over")
	}
	now = now.Add(time.Millisecond)
	settle, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(24 * time.Hour)
	settle(&llmproxy.Exchange{Status: 200, Attempts: tried, Usage: &translate.Usage{}, Priced: true, Cost: 80})
	if got := left(); got != 10 {
		t.Errorf("what was spent yesterday leaves room for %d today", got)
	}
}

// A refused request is admitted after its Retry-After, and not before.
func TestRetryAfterIsExact(t *testing.T) {
	for _, c := range []struct {
		limits        limit.Limits
		input, output int64
	}{
		{limit.Limits{Requests: 60}, 1, 1},
		{limit.Limits{Requests: 7}, 1, 1},
		{limit.Limits{Tokens: 1000}, 300, 77},
		{limit.Limits{Tokens: 1000}, 1, 99_999}, // larger than the limit: when nothing is used any more
		{limit.Limits{Requests: 100, Tokens: 1_000_003}, 30_000, 17},
	} {
		now := noon
		l := limit.New(fixed(c.limits), limit.WithClock(func() time.Time { return now }))
		for round := range 5 {
			var e *translate.Error
			for e == nil {
				if _, err := l.Admit(t.Context(), admission(provider.Chat, c.input, c.output)); err != nil && !errors.As(err, &e) {
					t.Fatal(err)
				}
			}
			if e.StatusCode() != 429 || e.RetryAfter <= 0 || e.RetryAfter > time.Minute {
				t.Fatalf("%+v: refused with %v after %v", c.limits, e, e.RetryAfter)
			}
			now = now.Add(e.RetryAfter - time.Millisecond)
			if _, err := l.Admit(t.Context(), admission(provider.Chat, c.input, c.output)); err == nil {
				t.Errorf("%+v, round %d: admitted before its time", c.limits, round)
			}
			now = now.Add(time.Millisecond)
			if _, err := l.Admit(t.Context(), admission(provider.Chat, c.input, c.output)); err != nil {
				t.Errorf("%+v, round %d: refused at its time: %v", c.limits, round, err)
			}
		}
	}
}

// Requests that allow for much and take little are not refused while there is
// room for what they take.
func TestNoFalseRefusals(t *testing.T) { // pitfall 43
	now := noon
	tried := []llmproxy.Attempt{{}}
	l := limit.New(fixed(limit.Limits{Requests: 1000, Tokens: 100_000, Money: price.Dollar}), limit.WithClock(func() time.Time { return now }), limit.WithUnpriced(price.Dollar/2))
	x := llmproxy.Exchange{Status: 200, Attempts: tried, Usage: &translate.Usage{Input: 50, Output: 50}, Priced: true, Cost: price.Dollar / 1000}
	for i := range 1000 { // exactly the limits
		settle, err := l.Admit(t.Context(), admission(provider.Chat, 100, 90_000))
		if i >= 100 { // 90,100 tokens are asked for, and no more than 90,000 are left
			if err == nil {
				t.Fatalf("request %d of 90,100 tokens was admitted with %s left", i, remaining(t, l))
			}
			break
		}
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		settle(&x)
	}
	if got := remaining(t, l); got != "90000" {
		t.Errorf("%s left", got)
	}
	bounded := limit.New(fixed(limit.Limits{Tokens: 100_000}), limit.WithClock(func() time.Time { return now }), limit.WithOutput(0, 400))
	for i := range 200 { // at the same time
		if _, err := bounded.Admit(t.Context(), admission(provider.Chat, 100, 90_000)); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
}

// 64 goroutines at the limit: what is used never exceeds it, as none uses more
// than it reserved; and in the end all of it was used.
func TestRace(t *testing.T) { // pitfall 43
	l := limit.New(fixed(limit.Limits{Requests: 100_000, Tokens: 64_000, Money: 64_000}), limit.WithClock(func() time.Time { return noon }), limit.WithUnpriced(100))
	var used atomic.Int64
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 200 {
				settle, err := l.Admit(t.Context(), admission(provider.Chat, 50, 50))
				if err != nil {
					continue
				}
				take := int64(g+i)%100 + 1
				if n := used.Add(take); n > 64_000 {
					t.Errorf("%d tokens were used", n)
				}
				settle(&llmproxy.Exchange{Status: 200, Attempts: []llmproxy.Attempt{{}}, Usage: &translate.Usage{Input: take}, Priced: true, Cost: price.USD(take)})
			}
		})
	}
	wg.Wait()
	for {
		settle, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1))
		if err != nil {
			break
		}
		used.Add(1)
		settle(&llmproxy.Exchange{Status: 200, Attempts: []llmproxy.Attempt{{}}, Usage: &translate.Usage{Input: 1}, Priced: true, Cost: 1})
	}
	if n := used.Load(); n < 64_000-100 || n > 64_000 {
		t.Errorf("%d tokens of 64,000 were used", n)
	}
}

// failing is a store that fails when told to.
type failing struct {
	limit.Store
	down atomic.Bool
}

func (f *failing) Take(ctx context.Context, p string, l limit.Limits, want limit.Amounts) (limit.State, bool, error) {
	if f.down.Load() {
		<-ctx.Done() // it hangs
		return limit.State{}, false, ctx.Err()
	}
	return f.Store.Take(ctx, p, l, want)
}

func TestStoreFails(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		now := noon
		clock := func() time.Time { return now }
		store := &failing{Store: limit.NewMemory(clock)}
		told := 0
		opts := []limit.Option{limit.WithStore(store), limit.WithClock(clock), limit.WithTimeout(time.Millisecond), limit.WithErrorFunc(func(_ context.Context, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("told of %v", err)
			}
			told++
		})}
		if refuse {
			opts = append(opts, limit.WithRefusal())
		}
		l := limit.New(fixed(limit.Limits{Requests: 3}), opts...)
		ask := func() error {
			_, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1))
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		store.down.Store(true)
		var e *translate.Error
		for i := range 4 {
			switch err := ask(); {
			case refuse && (!errors.As(err, &e) || e.StatusCode() != 503):
				t.Errorf("refused with %v", err)
			case !refuse && i < 3 && err != nil:
				t.Errorf("refused with %v", err)
			case !refuse && i == 3 && (!errors.As(err, &e) || e.StatusCode() != 429):
				t.Errorf("the process's own limit does not hold: %v", err)
			}
		}
		if told != 1 {
			t.Errorf("told of %d failures: a store that failed is to be left alone", told)
		}
		now = now.Add(200 * time.Millisecond)
		ask()
		ask()
		if told != 2 {
			t.Errorf("told of %d failures: one request is to find out whether the store is back", told)
		}
		store.down.Store(false)
		now = now.Add(200 * time.Millisecond)
		for range 2 {
			if err := ask(); err != nil {
				t.Errorf("refused with %v when the store is back", err)
			}
		}
		if err := ask(); !errors.As(err, &e) || e.StatusCode() != 429 {
			t.Errorf("the store forgot what it knew: %v", err)
		}
	}
	now := func() time.Time { return noon }
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	store := &failing{Store: limit.NewMemory(now)}
	store.down.Store(true)
	l := limit.New(fixed(limit.Limits{Requests: 3}), limit.WithStore(store), limit.WithErrorFunc(func(_ context.Context, err error) { t.Errorf("told of %v", err) }))
	if _, err := l.Admit(gone, admission(provider.Chat, 1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("the client went away, and yet: %v", err)
	}
}

func TestLimitsFunc(t *testing.T) {
	var result error
	var limits limit.Limits
	l := limit.New(func(_ context.Context, principal string) (limit.Limits, error) {
		if principal != "p" {
			t.Errorf("asked about %q", principal)
		}
		return limits, result
	})
	ask := func() (http.Header, error) {
		q := admission(provider.Chat, 1, 1)
		_, err := l.Admit(t.Context(), q)
		return q.Header, err
	}
	for range 100 {
		if h, err := ask(); err != nil || len(h) != 0 {
			t.Fatalf("without limits: %v %v", h, err)
		}
	}
	for _, limits = range []limit.Limits{{Requests: -1}, {Tokens: -1}, {Money: -1}, {Requests: 5, Tokens: -1}} {
		var e *translate.Error
		if _, err := ask(); !errors.As(err, &e) || e.RetryAfter != 0 {
			t.Errorf("%+v: %v", limits, err)
		}
	}
	result = errors.New("no database")
	if _, err := ask(); err != nil {
		t.Errorf("refused with %v", err)
	}
	result = translate.Errorf(translate.Permission, "not you")
	if _, err := ask(); !errors.Is(err, result) {
		t.Errorf("refused with %v", err)
	}
}

// counting is a store that counts what it is asked.
type counting struct {
	limit.Store
	taken, settled int
}

func (c *counting) Take(ctx context.Context, p string, l limit.Limits, want limit.Amounts) (limit.State, bool, error) {
	c.taken++
	return c.Store.Take(ctx, p, l, want)
}

func (c *counting) Settle(ctx context.Context, p string, l limit.Limits, day int64, delta limit.Amounts) error {
	c.settled++
	return c.Store.Settle(ctx, p, l, day, delta)
}

// The store is not asked where nothing changes.
func TestStoreIsSpared(t *testing.T) {
	store := &counting{Store: limit.NewMemory(nil)}
	limits := limit.Limits{Requests: 10}
	l := limit.New(func(context.Context, string) (limit.Limits, error) { return limits, nil }, limit.WithStore(store))
	settle, err := l.Admit(t.Context(), admission(provider.Chat, 10, 10))
	if err != nil {
		t.Fatal(err)
	}
	settle(&llmproxy.Exchange{Status: 200, Attempts: []llmproxy.Attempt{{}}, Usage: &translate.Usage{Input: 500}, Priced: true, Cost: 500})
	if store.taken != 1 || store.settled != 0 {
		t.Errorf("asked %d times, and told %d times, of a request that tokens do not limit", store.taken, store.settled)
	}
	limits = limit.Limits{}
	if settle, err := l.Admit(t.Context(), admission(provider.Chat, 10, 10)); settle != nil || err != nil || store.taken != 1 {
		t.Errorf("asked %d times where nothing is limited", store.taken)
	}
}

// An answer of unknown length is reserved as the host says.
func TestUnknownOutput(t *testing.T) {
	for want, opts := range map[string][]limit.Option{
		"8876": nil,
		"9600": {limit.WithOutput(300, 0)},
		"9900": {limit.WithOutput(0, 0)},
	} {
		l := limit.New(fixed(limit.Limits{Tokens: 10_000}), append(opts, limit.WithClock(func() time.Time { return noon }))...)
		if _, err := l.Admit(t.Context(), admission(provider.Chat, 100, 0)); err != nil {
			t.Fatal(err)
		}
		if got := remaining(t, l); got != want {
			t.Errorf("%s left, want %s", got, want)
		}
	}
}

// Counting tokens takes none: it is not refused where they are owed, and where
// requests are short its Retry-After is theirs.
func TestCountNeedsNoTokens(t *testing.T) {
	l := limit.New(fixed(limit.Limits{Requests: 2, Tokens: 1000}), limit.WithClock(func() time.Time { return noon }))
	settle, err := l.Admit(t.Context(), admission(provider.Chat, 10, 10))
	if err != nil {
		t.Fatal(err)
	}
	settle(&llmproxy.Exchange{Status: 200, Attempts: []llmproxy.Attempt{{}}, Usage: &translate.Usage{Input: 1_000_000}})
	if got := remaining(t, l); got != "0" {
		t.Errorf("%s left", got)
	}
	var e *translate.Error
	if _, err := l.Admit(t.Context(), admission(provider.CountTokens, 10, 0)); !errors.As(err, &e) || e.RetryAfter != 30*time.Second {
		t.Errorf("refused with %v, after %v", err, e.RetryAfter)
	}
}

// What is nil is the default, and nobody's limits are none.
func TestNil(t *testing.T) {
	l := limit.New(nil, nil, limit.WithClock(nil), limit.WithStore(nil), limit.WithErrorFunc(nil))
	if settle, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1)); err != nil {
		t.Error(err)
	} else if settle != nil {
		settle(&llmproxy.Exchange{})
	}
	l = limit.New(fixed(limit.Limits{Requests: 1}), limit.WithClock(nil))
	for i := range 2 {
		if _, err := l.Admit(t.Context(), admission(provider.Chat, 1, 1)); (err == nil) != (i == 0) {
			t.Errorf("request %d: %v", i, err)
		}
	}
}
