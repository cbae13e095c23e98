package main

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The README's first command: it starts without any configuration, and the
// curl line that it prints streams an answer.
func TestPrintedCurlWorks(t *testing.T) {
	bin := t.TempDir() + "/standalone"
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"-addr", "127.0.0.1:0"}, {"-addr", "127.0.0.1:0", "-prefix", "/llm"}} {
		cmd := exec.Command(bin, args...)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		curl := ""
		for lines := bufio.NewScanner(stdout); curl == "" && lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "curl ") {
				curl = lines.Text()
			}
		}
		out, err := exec.Command("sh", "-c", curl).Output()
		if err != nil || !strings.Contains(string(out), "Hello!") || !strings.HasSuffix(string(out), "data: [DONE]\n\n") || strings.Count(string(out), "data: ") < 4 {
			t.Errorf("%s\n%v\n%s\n%s", curl, err, out, stderr.String())
		}
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("shutdown: %v\n%s", err, stderr.String())
		}
	}
}
