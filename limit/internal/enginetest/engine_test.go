package enginetest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/limit/limittest"
	"github.com/go-llmproxy/llmproxy/limit/sqllimit"
	"github.com/go-llmproxy/llmproxy/price"
)

type target struct{ kind, url string }

// targets returns the engines that there are.
func targets(t *testing.T) []target {
	list := []target{{"sqlite", "file:" + filepath.Join(t.TempDir(), "limit.db") + "?_pragma=busy_timeout(60000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)"}}
	for kind, name := range map[string]string{"redis": "REDIS_URL", "postgres": "POSTGRES_URL", "mysql": "MYSQL_DSN"} {
		if url := os.Getenv(name); url != "" {
			list = append(list, target{kind, url})
		} else {
			t.Logf("%s is unset: nothing runs over %s", name, kind)
		}
	}
	return list
}

// unique returns a prefix that no other run uses.
func unique() string { return fmt.Sprintf("limit_%x_", time.Now().UnixNano()) }

func TestConformance(t *testing.T) {
	for _, on := range targets(t) {
		t.Run(on.kind, func(t *testing.T) {
			limittest.TestStore(t, func(t *testing.T, now func() time.Time) limit.Store {
				s, closeStore, err := open(t.Context(), on.kind, on.url, unique(), now)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(closeStore)
				return s
			})
		})
	}
}

// The engine's own clock brings back what was taken.
func TestEngineClock(t *testing.T) {
	for _, on := range targets(t) {
		t.Run(on.kind, func(t *testing.T) {
			s, closeStore, err := open(t.Context(), on.kind, on.url, unique(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(closeStore)
			l := limit.Limits{Tokens: 6000, Money: 10}
			before := time.Now().Add(-time.Minute)
			first, ok, err := s.Take(t.Context(), "p", l, limit.Amounts{Tokens: 6000, Money: 1})
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			if at := time.UnixMilli(first.At); at.Before(before) || at.After(time.Now().Add(time.Minute)) || first.Day != first.At/86_400_000 {
				t.Errorf("the engine's time is %v, day %d", at, first.Day)
			}
			for deadline := time.Now().Add(time.Minute); ; { // its clock cannot be faked: ten milliseconds bring one back
				if next, ok, err := s.Take(t.Context(), "p", l, limit.Amounts{Tokens: 1}); err != nil {
					t.Fatal(err)
				} else if ok {
					if next.At < first.At+10 {
						t.Errorf("one token came back in %d ms", next.At-first.At)
					}
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("nothing comes back")
				}
			}
		})
	}
}

func TestClean(t *testing.T) {
	for _, on := range targets(t) {
		t.Run(on.kind, func(t *testing.T) {
			s, closeStore, err := open(t.Context(), on.kind, on.url, unique(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(closeStore)
			db, ok := s.(*sqllimit.Store)
			if !ok {
				t.Skip("keys expire")
			}
			l := limit.Limits{Requests: 1 << 36, Money: 10}
			for name, want := range map[string]limit.Amounts{"idle": {}, "spender": {Money: 10}} {
				if _, ok, err := s.Take(t.Context(), name, l, want); !ok || err != nil {
					t.Fatal(name, ok, err)
				}
			}
			if err := db.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			state, ok, err := s.Take(t.Context(), "spender", l, limit.Amounts{Money: 1})
			if ok && state.Money == 1 && state.At/86_400_000 == state.Day { // midnight may have come between
				t.Errorf("what was spent is gone: %+v %v", state, err)
			}
		})
	}
}

// job is what a process of a fleet is to do.
type job struct {
	Kind, URL, Prefix string
	At                time.Time // its clock, which stands still
	Workers, Takes    int
}

// took is what a process did: how many requests of 7 tokens it kept.
type took struct{ Kept, Given, Refused int }

const jobEnv = "LIMIT_TEST_JOB"

var fleetLimits = limit.Limits{Requests: 10_000, Tokens: 3_500, Money: 3_000}

func TestMain(m *testing.M) {
	if raw := os.Getenv(jobEnv); raw != "" {
		if err := work(raw); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func work(raw string) error {
	var j job
	if err := json.Unmarshal([]byte(raw), &j); err != nil {
		return err
	}
	ctx := context.Background()
	s, closeStore, err := open(ctx, j.Kind, j.URL, j.Prefix, func() time.Time { return j.At })
	if err != nil {
		return err
	}
	defer closeStore()
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	var mu sync.Mutex
	var sum took
	var failed error
	var wg sync.WaitGroup
	for range j.Workers {
		wg.Go(func() {
			for i := range j.Takes {
				state, ok, err := s.Take(ctx, "p", fleetLimits, limit.Amounts{Requests: 1, Tokens: 7, Money: 6})
				give := ok && i%2 == 1
				if err == nil && give {
					err = s.Settle(ctx, "p", fleetLimits, state.Day, limit.Amounts{Tokens: -7, Money: -6})
				}
				mu.Lock()
				switch {
				case err != nil:
					failed = err
				case !ok:
					sum.Refused++
				case give:
					sum.Given++
				default:
					sum.Kept++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	return json.NewEncoder(os.Stdout).Encode(sum)
}

// Processes that take and give back at the same time keep the sum exactly, and
// together stay within the limit.
func TestFleet(t *testing.T) { // pitfall 43
	const processes, workers, takes = 4, 4, 80
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range targets(t) {
		t.Run(on.kind, func(t *testing.T) {
			prefix := unique()
			s, closeStore, err := open(t.Context(), on.kind, on.url, prefix, func() time.Time { return at })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(closeStore)
			raw, err := json.Marshal(job{on.kind, on.url, prefix, at, workers, takes})
			if err != nil {
				t.Fatal(err)
			}
			sums := make([]took, processes)
			var ready, all sync.WaitGroup
			begin := make(chan struct{})
			ready.Add(processes)
			for i := range processes {
				cmd := exec.CommandContext(t.Context(), self)
				cmd.Env = append(os.Environ(), jobEnv+"="+string(raw))
				cmd.Stderr = os.Stderr
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					r := bufio.NewReader(out)
					_, err := r.ReadString('\n')
					ready.Done()
					<-begin // all at once
					fmt.Fprintln(in)
					if err == nil {
						err = json.NewDecoder(r).Decode(&sums[i])
					}
					if werr := cmd.Wait(); err != nil || werr != nil {
						t.Errorf("process %d: %v, %v", i, err, werr)
					}
				})
			}
			ready.Wait()
			close(begin)
			all.Wait()
			var sum took
			for _, p := range sums {
				sum = took{sum.Kept + p.Kept, sum.Given + p.Given, sum.Refused + p.Refused}
			}
			t.Logf("%+v, by process %+v", sum, sums)
			state, _, err := s.Take(t.Context(), "p", fleetLimits, limit.Amounts{})
			if err != nil {
				t.Fatal(err)
			}
			want := limit.State{At: at.UnixMilli(), Requests: int64(sum.Kept+sum.Given) * 60_000, Tokens: int64(sum.Kept) * 7 * 60_000,
				Day: at.UnixMilli() / 86_400_000, Money: price.USD(6 * sum.Kept)}
			if sum.Kept > 500 || sum.Kept+sum.Given+sum.Refused != processes*workers*takes || state != want {
				t.Errorf("%+v makes %+v, want %+v", sum, state, want)
			}
		})
	}
}
