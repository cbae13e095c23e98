package main

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider/providertest"
)

// The README's first command: it starts without any configuration, and the
// curl line that it prints streams an answer; so it does with a provider's key,
// a default model and a file. README's own curl line streams one, too.
func TestPrintedCurlWorks(t *testing.T) {
	bin, file := t.TempDir()+"/standalone", t.TempDir()+"/llmproxy.json"
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	up := providertest.NewServer(t, providertest.Forever(providertest.Text("one two three Hello!")))
	openai := []string{"OPENAI_API_KEY=sk-1", "OPENAI_BASE_URL=" + up.URL}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "\ncurl ")
	text, _, _ = strings.Cut(text, "```")
	write(t, file, `{"env": {"DEV": true, "DEFAULT_MODEL": "openai/gpt-5.6", "PATH_PREFIX": "/llm"}}`)
	for _, c := range []struct {
		args, env []string
		curl      string // instead of the printed one
	}{
		{nil, nil, ""},
		{[]string{"-prefix", "/llm"}, nil, ""},
		{nil, append(openai, "PROXY_API_KEY=secret", "DEFAULT_MODEL=openai/gpt-5.6"), ""},
		{[]string{"-config", file}, openai, ""},
		{nil, []string{"PROXY_API_KEY=secret", "ANTHROPIC_API_KEY=sk-ant-1", "ANTHROPIC_BASE_URL=" + up.URL}, "curl " + text},
	} {
		cmd := exec.Command(bin, append(c.args, "-addr", "127.0.0.1:0")...)
		cmd.Env = append(c.env, "HOME="+t.TempDir())
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
		if c.curl != "" {
			curl = strings.Replace(c.curl, "127.0.0.1:8787", regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(curl), 1)
		}
		try := exec.Command("sh", "-c", curl)
		try.Env = append(c.env, "PATH="+os.Getenv("PATH"))
		out, err := try.Output()
		if err != nil || !strings.Contains(string(out), "Hello!") || !strings.HasSuffix(string(out), "data: [DONE]\n\n") || strings.Count(string(out), "data: ") < 4 {
			t.Errorf("%s\n%v\n%s\n%s", curl, err, out, stderr.String())
		}
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("shutdown: %v\n%s", err, stderr.String())
		}
	}
}

// The clouds' credentials are taken up, and their requests signed.
func TestCloudsFromEnvironment(t *testing.T) {
	seen := make(chan *http.Request, 4)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.WriteHeader(http.StatusTeapot)
	}))
	defer up.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_BEDROCK_BASE_URL", up.URL)
	opts, err := clouds(t.Context())
	if err != nil || len(opts) != 1 {
		t.Fatal(opts, err)
	}
	p, err := llmproxy.New(append(opts, llmproxy.WithoutAuth())...)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"aws-bedrock/amazon.nova-lite-v1:0","messages":[{"role":"user","content":"hi"}]}`)))
	r := <-seen
	if r.URL.EscapedPath() != "/model/amazon.nova-lite-v1%3A0/converse" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") {
		t.Errorf("%s %v", r.URL, r.Header)
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := clouds(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("no region: %v", err)
	}
}
