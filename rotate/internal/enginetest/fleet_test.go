package enginetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

type target struct{ kind, url string }

func targets(t *testing.T) []target {
	list := []target{{"sqlite", "file:" + filepath.Join(t.TempDir(), "rotate.db") + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)"}}
	return append(list, servers(t)...)
}

func servers(t *testing.T) []target {
	var list []target
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
func unique() string { return fmt.Sprintf("rotate_%x_", time.Now().UnixNano()) }

func TestConformance(t *testing.T) {
	for _, on := range targets(t) {
		t.Run(on.kind, func(t *testing.T) {
			rotatetest.TestShared(t, func(t *testing.T) rotate.Shared {
				e, closeEngine, err := open(context.Background(), on.kind, on.url, unique())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(closeEngine)
				return e
			})
		})
	}
}

const processes, keys = 8, 7

// Ten thousand requests of eight processes fall evenly on seven keys.
func TestFleetIsStrict(t *testing.T) {
	if len(servers(t)) == 0 {
		t.Skip("none of REDIS_URL, POSTGRES_URL and MYSQL_DSN is set")
	}
	for _, on := range servers(t) {
		t.Run(on.kind, func(t *testing.T) {
			const total = 10_000
			prefix := unique()
			warm(t, on, prefix)
			jobs := make([]job, processes)
			for i := range jobs {
				jobs[i] = job{Kind: on.kind, URL: on.url, Prefix: prefix, Keys: keys, Timeout: 10 * time.Second, Requests: total / processes, Workers: 4}
			}
			start := time.Now()
			got := map[string]int{}
			n := 0
			for i, uses := range fleet(t, jobs, nil) {
				if len(uses) != total/processes {
					t.Errorf("process %d made %d requests", i, len(uses))
				}
				for _, u := range uses {
					if u.Err != "" {
						t.Fatal(u.Err)
					}
					got[u.Key]++
					n++
				}
			}
			t.Logf("%d requests in %v: %v", n, time.Since(start).Round(time.Millisecond), got)
			for i := range keys {
				id := fmt.Sprintf("key-%d", i)
				if d := float64(got[id]) - float64(n)/keys; d > 1 || d < -1 {
					t.Errorf("%s was used %d times, want %d/%d ± 1", id, got[id], n, keys)
				}
			}
		})
	}
}

// warm makes the tables, so that processes which start at once need not.
func warm(t *testing.T, on target, prefix string) {
	t.Helper()
	_, closeEngine, err := open(context.Background(), on.kind, on.url, prefix)
	if err != nil {
		t.Fatal(err)
	}
	closeEngine()
}

// After one process met a 429 with Retry-After: 2, none uses the key before its
// time, and all use it after.
func TestFleetSharesCooldowns(t *testing.T) {
	if len(servers(t)) == 0 {
		t.Skip("none of REDIS_URL, POSTGRES_URL and MYSQL_DSN is set")
	}
	for _, on := range servers(t) {
		t.Run(on.kind, func(t *testing.T) {
			prefix := unique()
			warm(t, on, prefix)
			jobs := make([]job, processes)
			for i := range jobs {
				jobs[i] = job{Kind: on.kind, URL: on.url, Prefix: prefix, Keys: keys, Timeout: 10 * time.Second, Workers: 2, Pace: 2 * time.Millisecond,
					Until: time.Now().Add(5 * time.Second), Limit: time.Now().Add(1500 * time.Millisecond), Reports: i == 0}
			}
			all := fleet(t, jobs, nil)
			var limit *use
			for i := range all[0] {
				if all[0][i].Limited {
					limit = &all[0][i]
				}
			}
			if limit == nil {
				t.Fatal("no 429 was reported")
			}
			for i, uses := range all {
				before, after, early := 0, 0, 0
				for _, u := range uses {
					if u.Err != "" {
						t.Fatal(u.Err)
					}
					switch {
					case u.Key != "key-0":
					case u.Asked.Before(limit.After):
						before++
					case u.Before.Before(limit.Before.Add(2 * time.Second)):
						early++
					default:
						after++
					}
				}
				t.Logf("process %d: %d requests, key-0 %d times before, %d after", i, len(uses), before, after)
				if early > 0 || before == 0 || after == 0 {
					t.Errorf("process %d used key-0 %d times before, %d while it cooled, %d after", i, before, early, after)
				}
			}
		})
	}
}
