package enginetest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

// job is what a process of the fleet is to do.
type job struct {
	Kind, URL, Prefix string
	Keys              int
	Timeout           time.Duration // 0: the default
	Requests          int           // how many, or
	Until             time.Time     // until when,
	Pace              time.Duration // with this pause between two
	Workers           int
	// Limit makes the first process that gets key-0 after this time report a 429
	// with Retry-After: 2; only the process with Reports does so.
	Limit   time.Time
	Reports bool
}

// use is one request of a process.
type use struct {
	Key           string
	Asked         time.Time // before Acquire
	Limited       bool
	Before, After time.Time // around the report of a 429
	Err           string
}

const jobEnv = "ENGINETEST_JOB"

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
	engine, closeEngine, err := open(ctx, j.Kind, j.URL, j.Prefix)
	if err != nil {
		return err
	}
	defer closeEngine()
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"p": rotatetest.Keys(j.Keys)}),
		rotate.WithShared(engine), rotate.WithSharedTimeout(j.Timeout))

	// All processes begin together.
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')

	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	limited := false
	var wg sync.WaitGroup
	for w := range j.Workers {
		wg.Go(func() {
			for n := w; j.Requests == 0 && time.Now().Before(j.Until) || n < j.Requests; n += j.Workers {
				u := use{Asked: time.Now()}
				k, done, err := pool.Acquire(ctx, rotate.Scope{Provider: "p", Model: "m"})
				if err != nil {
					u.Err = err.Error()
				} else {
					u.Key = k.ID
					o := rotate.Outcome{}
					mu.Lock()
					if j.Reports && !limited && k.ID == "key-0" && time.Now().After(j.Limit) {
						limited, u.Limited = true, true
						o = rotate.Outcome{Class: rotate.RateLimited, Status: 429, RetryAfter: 2 * time.Second}
					}
					mu.Unlock()
					u.Before = time.Now()
					done(o)
					u.After = time.Now()
				}
				mu.Lock()
				out.Encode(u)
				mu.Unlock()
				if j.Pace > 0 {
					time.Sleep(j.Pace)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// fleet runs processes, calls meanwhile once all have begun, and returns what each did.
func fleet(t *testing.T, jobs []job, meanwhile func()) [][]use {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	uses := make([][]use, len(jobs))
	var ready, all sync.WaitGroup
	ready.Add(len(jobs))
	begin := make(chan struct{})
	for i, j := range jobs {
		raw, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), jobEnv+"="+string(raw))
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			in := bufio.NewReader(stdout)
			if line, err := in.ReadString('\n'); err != nil {
				t.Errorf("process %d did not start: %q %v", i, line, err)
			}
			ready.Done()
			<-begin
			fmt.Fprintln(stdin)
			dec := json.NewDecoder(in)
			for {
				var u use
				if dec.Decode(&u) != nil {
					break
				}
				uses[i] = append(uses[i], u)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	ready.Wait()
	close(begin)
	if meanwhile != nil {
		meanwhile()
	}
	all.Wait()
	return uses
}
