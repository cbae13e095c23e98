package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Upstream, load and contenders are processes of their own, so that the CPU
// time of each is its own. They are this program, started with childFlag, a
// role and its spec.
const childFlag = "-child"

// child is a server of this program that runs in a process of its own.
type child struct {
	Addr, Admin string
	cmd         *exec.Cmd
	stdin       io.Closer
}

// start starts a server and waits until it listens.
func start(role string, spec any) (*child, error) {
	cmd, err := command(role, spec)
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, c)
	}
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return c, nil
}

// stop ends the server and waits for it.
func (c *child) stop() {
	c.stdin.Close()
	_ = c.cmd.Wait()
}

func command(role string, spec any) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, childFlag, role)
	cmd.Env = append(os.Environ(), specVariable+"="+string(b))
	cmd.Stderr = os.Stderr
	return cmd, nil
}

const specVariable = "BENCH_SPEC"

// runChild is what a started process does.
func runChild(role string) error {
	spec := []byte(os.Getenv(specVariable))
	c := &counter{}
	var h http.Handler
	var err error
	switch role {
	case "upstream":
		var s upstreamSpec
		if err = json.Unmarshal(spec, &s); err == nil {
			h = newUpstream(s)
		}
	case floor, proxy:
		var s contenderSpec
		if err = json.Unmarshal(spec, &s); err != nil {
			break
		}
		if role == floor {
			h, err = newFloor(s)
		} else {
			h, err = newProxy(s, c)
		}
	case "load":
		return runLoad(os.Stdin, os.Stdout)
	default:
		err = errors.New("no such role: " + role)
	}
	if err != nil {
		return err
	}
	return serve(h, c)
}

// serve serves h, and its figures on an address of their own, until the parent
// is done with it or gone.
func serve(h http.Handler, c *counter) error {
	admin := http.NewServeMux()
	admin.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(ownStats(c))
	})
	admin.HandleFunc("/debug/pprof/profile", pprof.Profile)
	admin.HandleFunc("/debug/pprof/", pprof.Index)
	var at child
	for _, s := range []struct {
		addr *string
		h    http.Handler
	}{{&at.Addr, h}, {&at.Admin, admin}} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*s.addr = ln.Addr().String()
		go func() { log.Fatal((&http.Server{Handler: s.h}).Serve(ln)) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// stats is what a process has used since it began.
type stats struct {
	CPU     time.Duration
	Mallocs uint64
	Alloc   uint64 // bytes
	Stack   uint64 // bytes of goroutines, now
	RSS     int64  // bytes, now
	Missed  int64  // answers whose usage the proxy did not count
}

func ownStats(c *counter) stats {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return stats{CPU: ownCPU(), Mallocs: m.Mallocs, Alloc: m.TotalAlloc, Stack: m.StackInuse, RSS: ownRSS(), Missed: c.missed.Load()}
}

func ownCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func ownRSS() int64 {
	b, _ := os.ReadFile("/proc/self/statm")
	var size, resident int64
	_, _ = fmt.Sscan(string(b), &size, &resident)
	return resident * int64(os.Getpagesize())
}

// machineCPU is what all processes of the machine have used.
func machineCPU() time.Duration {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	var user, nice, system int64
	_, _ = fmt.Sscanf(line, "cpu %d %d %d", &user, &nice, &system)
	return time.Duration(user+nice+system) * (time.Second / 100) // in ticks of 10 ms
}

func getStats(admin string) (s stats, err error) {
	resp, err := http.Get("http://" + admin + "/stats")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
