package rotate_test

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

// The simulation behind the table in the package's documentation: a fleet, its
// keys' limits as providers really count them, and a clock that jumps from event
// to event. A 429 is avoidable when, at the moment it was given, another key of
// the pool would have been served.
//
//	go test -run TestSimulation ./rotate                        one hour, 10 processes, 100 keys
//	ROTATE_SIMULATION=day go test -v -run TestSimulation -timeout 60m ./rotate    a day, 100 processes, 1,000 keys

// window is a limit that is counted anew at fixed times.
type window struct {
	limit  int
	length time.Duration
	number int64
	used   int
}

func (w *window) left(now time.Duration) int {
	if n := int64(now / w.length); n != w.number {
		w.number, w.used = n, 0
	}
	return w.limit - w.used
}

func (w *window) ends(now time.Duration) time.Duration { return w.length - now%w.length }

// account is what a provider counts against: a key, or a project of several keys.
type account struct {
	kind   string
	tokens float64 // of a bucket that fills all the time
	filled time.Duration
	perMin float64
	minute *window
	day    *window
}

func (a *account) fill(now time.Duration) {
	a.tokens = min(a.perMin, a.tokens+(now-a.filled).Minutes()*a.perMin)
	a.filled = now
}

// serves reports whether a request would be served now.
func (a *account) serves(now time.Duration) bool {
	if a.minute == nil {
		a.fill(now)
		return a.tokens >= 1
	}
	return a.minute.left(now) > 0 && (a.day == nil || a.day.left(now) > 0)
}

// answer counts a request, and says it as the provider does.
func (a *account) answer(now time.Duration, pool *rotate.Pool) rotate.Outcome {
	ok := a.serves(now)
	room := rotate.Headroom{Known: true, Limit: int64(a.perMin)}
	if ok && a.minute == nil {
		a.tokens--
		room.Remaining, room.Reset = int64(a.tokens), time.Duration((a.perMin-a.tokens)/a.perMin*float64(time.Minute))
	} else if ok {
		a.minute.used++
		room.Remaining, room.Reset = int64(a.minute.left(now)), a.minute.ends(now)
		if a.day != nil {
			a.day.used++
		}
	}
	h, body := http.Header{}, ""
	switch {
	case ok && (a.kind == "bucket" || a.kind == "groq"):
		return rotate.Outcome{Status: 200, Requests: room}
	case ok:
		return rotate.Outcome{Status: 200}
	case a.kind == "bucket":
		wait := (1 - a.tokens) / a.perMin * 60
		h.Set("Retry-After", fmt.Sprint(int(math.Ceil(wait))))
	case a.kind == "groq":
		wait := a.minute.ends(now)
		if a.day.left(now) <= 0 {
			wait = a.day.ends(now)
		}
		h.Set("Retry-After", fmt.Sprint(int(math.Ceil(wait.Seconds()))))
	case a.kind == "gemini":
		id := "GenerateRequestsPerMinutePerProjectPerModel"
		if a.day.left(now) <= 0 {
			id = "GenerateRequestsPerDayPerProjectPerModel"
		}
		body = fmt.Sprintf(`{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"x/google.rpc.QuotaFailure","violations":[{"quotaId":%q}]},{"@type":"x/google.rpc.RetryInfo","retryDelay":"%ds"}]}}`,
			id, int(math.Ceil(a.minute.ends(now).Seconds())))
	default:
		body = `{"error":{"message":"Too many requests"}}`
	}
	return pool.Classify("p", 429, h, []byte(body), nil)
}

// fleetKeys returns keys in four kinds of limits, 1:3:4:2, and their accounts.
func fleetKeys(n int, uniform bool) ([]rotate.Key, []*account, float64) {
	keys, accounts := rotatetest.Keys(n), make([]*account, n)
	perMinute := 0.0
	for i := range keys {
		switch kind := i % 10; {
		case uniform:
			accounts[i] = &account{kind: "groq", perMin: 30, minute: &window{limit: 30, length: time.Minute}, day: &window{limit: 14400, length: 24 * time.Hour}}
			keys[i].Weight = 30
		case kind == 0: // as Anthropic's first tier: 50 a minute, a bucket, headers
			accounts[i] = &account{kind: "bucket", perMin: 50, tokens: 50}
			keys[i].Weight = 100
		case kind <= 3: // as Groq: 30 a minute and 14,400 a day, headers
			accounts[i] = &account{kind: "groq", perMin: 30, minute: &window{limit: 30, length: time.Minute}, day: &window{limit: 14400, length: 24 * time.Hour}}
			keys[i].Weight = 60
		case kind <= 7: // as Gemini: 15 a minute and 1,500 a day for two keys of a project, told in the body of a 429 only
			if kind%2 == 0 {
				accounts[i] = &account{kind: "gemini", perMin: 15, minute: &window{limit: 15, length: time.Minute}, day: &window{limit: 1500, length: 24 * time.Hour}}
			} else {
				accounts[i] = accounts[i-1]
			}
			keys[i].QuotaGroup = fmt.Sprint("project-", i/2)
			keys[i].Weight = 15
		default: // 20 a minute, and no word about it
			accounts[i] = &account{kind: "silent", perMin: 20, minute: &window{limit: 20, length: time.Minute}}
			keys[i].Weight = 40
		}
		if i == 0 || accounts[i] != accounts[i-1] {
			perMinute += accounts[i].perMin
		}
	}
	return keys, accounts, perMinute
}

type event struct {
	at    time.Duration
	done  func(rotate.Outcome)
	o     rotate.Outcome
	again *request
}

type request struct {
	pool    *rotate.Pool
	exclude []string
	met     bool // an avoidable 429
}

type agenda []event

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

type scenario struct {
	name            string
	processes, keys int
	length          time.Duration
	load            float64 // of all limits per minute, on average; the day goes from 0.4 to 1.6 of it
	uniform, alone  bool
	policy          rotate.Policy
}

type result struct {
	requests, refused, limited, met, unserved int
}

func (s scenario) run(t *testing.T) (r result) {
	base := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var now time.Duration
	clock := func() time.Time { return base.Add(now) }
	keys, accounts, perMinute := fleetKeys(s.keys, s.uniform)
	store := rotate.Static(map[string][]rotate.Key{"p": keys})
	engine := rotatetest.NewMemory(clock)
	pools := make([]*rotate.Pool, s.processes)
	for i := range pools {
		opts := []rotate.PoolOption{rotate.WithClock(clock), rotate.WithPolicy(s.policy)}
		if !s.alone {
			opts = append(opts, rotate.WithShared(engine))
		}
		pools[i] = rotate.NewPool(store, opts...)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var todo agenda
	ctx := context.Background()
	avoidable := func() bool {
		for range 50 { // most often one of the first is free
			if accounts[rng.IntN(len(accounts))].serves(now) {
				return true
			}
		}
		for _, a := range accounts {
			if a.serves(now) {
				return true
			}
		}
		return false
	}
	try := func(q *request) {
		k, done, err := q.pool.Acquire(ctx, rotate.Scope{Provider: "p", Model: "m", Exclude: q.exclude})
		if err != nil {
			if len(q.exclude) == 0 {
				r.refused++
			} else {
				r.unserved++
			}
			return
		}
		o := accounts[k.Index].answer(now, q.pool)
		if o.Class == rotate.Success {
			// The limits are as they were when the request came in; the answer takes a while.
			heap.Push(&todo, event{at: now + time.Second + time.Duration(rng.ExpFloat64()*float64(2*time.Second)), done: done, o: o})
			return
		}
		r.limited++
		if !q.met && avoidable() {
			q.met = true
			r.met++
		}
		e := event{at: now + 200*time.Millisecond, done: done, o: o}
		if q.exclude = append(q.exclude, k.ID); len(q.exclude) < 3 {
			e.again = q
		} else {
			r.unserved++
		}
		heap.Push(&todo, e)
	}
	for arrival := time.Duration(0); arrival < s.length; {
		for len(todo) > 0 && todo[0].at <= arrival {
			e := heap.Pop(&todo).(event)
			now = e.at
			e.done(e.o)
			if e.again != nil {
				try(e.again)
			}
		}
		now = arrival
		r.requests++
		try(&request{pool: pools[rng.IntN(len(pools))]})
		tide := 1 - 0.6*math.Cos(2*math.Pi*arrival.Hours()/24)
		arrival += time.Duration(rng.ExpFloat64() / (perMinute / 60 * s.load * tide) * float64(time.Second))
	}
	return r
}

func TestSimulation(t *testing.T) {
	processes, keys, length := 10, 100, time.Hour
	if os.Getenv("ROTATE_SIMULATION") == "day" {
		processes, keys, length = 100, 1000, 24*time.Hour
	} else if testing.Short() {
		length = 10 * time.Minute
	}
	load := 0.35
	if length < 24*time.Hour {
		load = 1.4 // the hour after midnight is the quietest: as busy as the others on average
	}
	for _, s := range []scenario{
		{name: "equal keys, round robin", uniform: true, policy: rotate.RoundRobin{}},
		{name: "mixed keys, weighted by limit", policy: rotate.Weighted{}},
		{name: "mixed keys, round robin", policy: rotate.RoundRobin{}},
		{name: "mixed keys, random", policy: rotate.Random{}},
		{name: "mixed keys, weighted, each process alone", policy: rotate.Weighted{}, alone: true},
	} {
		s.processes, s.keys, s.length, s.load = processes, keys, length, load
		start := time.Now()
		r := s.run(t)
		share := 100 * float64(r.met) / float64(r.requests)
		t.Logf("%-42s %10d requests, %7d answers 429, %6d requests met an avoidable one: %.4f %%; %d refused, %d unserved (%v)",
			s.name, r.requests, r.limited, r.met, share, r.refused, r.unserved, time.Since(start).Round(time.Second))
		if share >= 0.1 && (s.uniform || s.name == "mixed keys, weighted by limit") {
			t.Errorf("%s: %.4f %% of requests met an avoidable 429, want less than 0.1 %%", s.name, share)
		}
	}
}
