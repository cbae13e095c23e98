package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/rotatetest"
)

// server is an engine that the test owns, and may kill.
type server struct {
	t     *testing.T
	kind  string
	url   string
	start func() *exec.Cmd
	cmd   *exec.Cmd
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func program(t *testing.T, names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("no %s on PATH", names[0])
	return ""
}

func newServer(t *testing.T, kind string) *server {
	port := freePort(t)
	s := &server{t: t, kind: kind}
	switch kind {
	case "redis":
		bin := program(t, "redis-server", "valkey-server")
		s.url = fmt.Sprintf("redis://127.0.0.1:%d/0", port)
		s.start = func() *exec.Cmd {
			return exec.Command(bin, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
		}
	case "postgres":
		bin, initdb := program(t, "postgres"), program(t, "initdb")
		dir, err := os.MkdirTemp("", "enginetest")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		as := unprivileged(t, dir)
		data := filepath.Join(dir, "data")
		cmd := exec.Command(initdb, "-D", data, "-U", "rotate", "-A", "trust", "--no-sync")
		cmd.SysProcAttr, cmd.Dir = as, dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("initdb: %v\n%s", err, out)
		}
		s.url = fmt.Sprintf("postgres://rotate@127.0.0.1:%d/postgres?sslmode=disable", port)
		s.start = func() *exec.Cmd {
			cmd := exec.Command(bin, "-D", data, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", dir, "-c", "fsync=off")
			cmd.SysProcAttr, cmd.Dir = as, dir
			return cmd
		}
	}
	s.run()
	t.Cleanup(func() { s.kill() })
	return s
}

// unprivileged returns how to run a program that refuses to run as root.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// run starts the server and waits until it answers.
func (s *server) run() {
	s.t.Helper()
	s.cmd = s.start()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		e, closeEngine, err := open(ctx, s.kind, s.url, "probe_")
		if err == nil {
			_, err = e.Next(ctx, rotate.Ask{Provider: "p", Counter: "c", N: 1})
			closeEngine()
		}
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	sig := syscall.SIGKILL
	if s.kind == "postgres" {
		sig = syscall.SIGQUIT // its way to die at once and take its children along
	}
	s.cmd.Process.Signal(sig)
	s.cmd.Wait()
	s.cmd = nil
}

// Killing and restarting the engine in mid-run fails no request.
func TestFleetSurvivesRestart(t *testing.T) {
	for _, kind := range []string{"redis", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			s := newServer(t, kind)
			prefix := unique()
			warm(t, target{kind, s.url}, prefix)
			jobs := make([]job, processes)
			for i := range jobs {
				jobs[i] = job{Kind: kind, URL: s.url, Prefix: prefix, Keys: keys, Workers: 2, Pace: 2 * time.Millisecond, Until: time.Now().Add(5 * time.Second)}
			}
			all := fleet(t, jobs, func() {
				time.Sleep(1500 * time.Millisecond)
				s.kill()
				time.Sleep(time.Second)
				s.run()
			})
			n, slowest := 0, time.Duration(0)
			for i, uses := range all {
				n += len(uses)
				for _, u := range uses {
					if u.Err != "" {
						t.Fatalf("process %d: %s", i, u.Err)
					}
					slowest = max(slowest, u.Before.Sub(u.Asked))
				}
			}
			t.Logf("%d requests, the slowest Acquire took %v", n, slowest)
		})
	}
}

// What a process learns while the engine is away is told when it is back.
func TestNothingIsLost(t *testing.T) {
	for _, kind := range []string{"redis", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			s := newServer(t, kind)
			ctx := context.Background()
			engine, closeEngine, err := open(ctx, kind, s.url, unique())
			if err != nil {
				t.Fatal(err)
			}
			defer closeEngine()
			store := rotate.Static(map[string][]rotate.Key{"p": rotatetest.Keys(2)})
			events := make(chan rotate.Event, 100)
			a := rotate.NewPool(store, rotate.WithShared(engine), rotate.WithEvents(func(e rotate.Event) { events <- e }))
			refusing := rotate.NewPool(store, rotate.WithShared(engine), rotate.WithRefusal())
			b := rotate.NewPool(store, rotate.WithShared(engine), rotate.WithSharedTimeout(5*time.Second))
			scope := rotate.Scope{Provider: "p", Model: "m"}
			use := func(p *rotate.Pool, o rotate.Outcome) string {
				t.Helper()
				k, done, err := p.Acquire(ctx, scope)
				if err != nil {
					t.Fatal(err)
				}
				done(o)
				return k.ID
			}
			use(a, rotate.Outcome{})
			s.kill()
			bad := use(a, rotate.Outcome{Class: rotate.RateLimited, RetryAfter: time.Hour})
			var shared *rotate.SharedError
			if _, _, err := refusing.Acquire(ctx, scope); !errors.As(err, &shared) {
				t.Errorf("a pool that refuses: %v", err)
			}
			s.run()
			deadline := time.Now().Add(10 * time.Second)
			recovered := false
			for !recovered && time.Now().Before(deadline) {
				use(a, rotate.Outcome{})
				for len(events) > 0 {
					recovered = recovered || (<-events).Kind == rotate.SharedRecovered
				}
			}
			if !recovered {
				_, err := engine.Next(ctx, rotate.Ask{Provider: "p", Counter: "c"})
				t.Fatalf("the pool does not find the engine again: %v", err)
			}
			for range 4 {
				if got := use(b, rotate.Outcome{}); got == bad {
					t.Errorf("the other process uses %s", bad)
				}
			}
		})
	}
}
