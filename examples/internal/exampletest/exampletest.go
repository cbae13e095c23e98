// Package exampletest tries an example as its reader would: it runs the commands
// of the comment in its main.go.
package exampletest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Example is the program in the test's directory.
type Example struct {
	// Blocks are the indented blocks of commands in the package's comment.
	Blocks []string
	// Env is what the commands have in their environment, besides PATH and an
	// empty HOME.
	Env []string

	t    testing.TB
	bin  string // the directory of the programs
	home string
	said [][2]string // what the comment says, and what stands for it
}

// New reads the comment.
func New(t testing.TB) *Example {
	t.Helper()
	e := &Example{t: t, bin: t.TempDir(), home: t.TempDir()}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(source)) {
		command, indented := strings.CutPrefix(line, "//\t")
		switch {
		case indented && !inside:
			e.Blocks = append(e.Blocks, command)
		case indented:
			e.Blocks[len(e.Blocks)-1] += command
		case strings.HasPrefix(line, "package "):
			return e
		}
		inside = indented
	}
	t.Fatal("main.go has no package clause")
	return nil
}

// Replace has commands say with where the comment says what.
func (e *Example) Replace(what, with string) { e.said = append(e.said, [2]string{what, with}) }

// run is how a comment runs an example.
var run = regexp.MustCompile(`go run \./examples/(\w+)`)

// command returns a script's command. The examples in it are built.
func (e *Example) command(script string) *exec.Cmd {
	e.t.Helper()
	for _, r := range e.said {
		script = strings.ReplaceAll(script, r[0], r[1])
	}
	script = run.ReplaceAllStringFunc(script, func(said string) string {
		name := run.FindStringSubmatch(said)[1]
		program := filepath.Join(e.bin, name)
		if out, err := exec.Command("go", "build", "-o", program, "../"+name).CombinedOutput(); err != nil {
			e.t.Fatalf("%v\n%s", err, out)
		}
		return program
	})
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = e.home
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + e.home}, e.Env...)
	return cmd
}

// Run runs a script, in one shell, and returns what it prints.
func (e *Example) Run(script string) string {
	e.t.Helper()
	cmd := e.command(script)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		e.t.Fatalf("%s\n%v\n%s%s", script, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

var loopback = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// Start runs a script whose last command is an example that serves at an
// address of loopback, and prints it first. It serves at a free port instead,
// where commands that are run later find it, and ends with the test.
func (e *Example) Start(script string) *Process {
	e.t.Helper()
	serve := run.FindString(script)
	if serve == "" {
		e.t.Fatalf("%s starts no example", script)
	}
	said := regexp.MustCompile(` -addr (\S+)`).FindStringSubmatch(script)
	if said == nil {
		said = []string{"", e.address()}
	}
	script = strings.Replace(script, said[0], "", 1)
	cmd := e.command(strings.Replace(script, serve, "exec "+serve+" -addr 127.0.0.1:0", 1))
	p := &Process{}
	output, w, err := os.Pipe()
	if err != nil {
		e.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		e.t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	first, err := lines.ReadString('\n')
	done := make(chan struct{})
	go func() { // Cleanup waits for it
		defer close(done)
		fmt.Fprint(&p.output, first)
		_, _ = io.Copy(&p.output, lines)
		output.Close()
	}()
	e.t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			e.t.Error(err)
		}
		<-done
		if err := cmd.Wait(); err != nil { // it ends as it should
			e.t.Errorf("after SIGTERM: %v", err)
		}
	})
	p.Addr = loopback.FindString(first)
	if err != nil || p.Addr == "" {
		e.t.Fatalf("%s\nprinted no address first: %v\n%s", script, err, p.Output())
	}
	e.Replace(said[1], p.Addr)
	return p
}

// address returns the first address that the comment names.
func (e *Example) address() string {
	e.t.Helper()
	for _, b := range e.Blocks {
		if addr := loopback.FindString(b); addr != "" {
			return addr
		}
	}
	e.t.Fatal("the comment names no address")
	return ""
}

// Process is an example that runs.
type Process struct {
	Addr   string
	output buffer
}

// Output returns what the example has printed so far.
func (p *Process) Output() string { return p.output.String() }

// Await returns the output once it contains all of the words. It gives up, and
// returns false, after a minute.
func (p *Process) Await(words ...string) (string, bool) {
	deadline := time.Now().Add(time.Minute)
	for {
		out, all := p.Output(), true
		for _, w := range words {
			all = all && strings.Contains(out, w)
		}
		if all || time.Now().After(deadline) {
			return out, all
		}
		time.Sleep(10 * time.Millisecond)
	}
}
