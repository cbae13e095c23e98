package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/go-llmproxy/llmproxy"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestComments(t *testing.T) {
	for in, want := range map[string]string{
		"{\"a\": 1, // one\n \"b\": \"//x /* y */\", /* two\n lines */ \"c\": [1, 2, ], }": `{"a":1,"b":"//x /* y */","c":[1,2]}`,
		`{"a": "\"//"} // end`: `{"a":"\"//"}`,
		`{"a": "x,}"}`:         `{"a":"x,}"}`,
	} {
		var v any
		if err := json.Unmarshal(withoutComments([]byte(in)), &v); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, _ := json.Marshal(v); string(got) != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	withoutComments([]byte(`{"a" /* open`)) // must not panic
	withoutComments([]byte(`"\`))
}

// A file that is wrong is told by what is wrong in it.
func TestWrongConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "llmproxy.json")
	b := &builder{config: path, logger: slog.New(slog.DiscardHandler), key: "k"}
	for text, says := range map[string]string{
		`{"alias": {}}`:                    `unknown field "alias"`,
		`{"env": {"OPENAI_KEY": "x"}}`:     "env.OPENAI_KEY: no such variable",
		`{"timeouts": {"idle": "soon"}}`:   "soon",
		`{"env": {`:                        "EOF",
		`{} {}`:                            "data after",
		`{"retry": {"attempts": 1000}}`:    "Attempts",
		`{"aliases": {"fast": ["nobody"]}`: "EOF",
	} {
		write(t, path, text)
		if _, err := b.build(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

// The file in the documents is one.
func TestDocumentedConfiguration(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```jsonc\n")
	file, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/configuration.md shows no file")
	}
	path := filepath.Join(t.TempDir(), "llmproxy.json")
	write(t, path, file)
	p, err := (&builder{config: path, logger: slog.New(slog.DiscardHandler)}).build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Providers(); !slices.Equal(got, []string{"openai", "my-llm"}) {
		t.Errorf("providers %q", got)
	}
}

// SIGHUP takes up a new file; a stream under way ends by the old one, and a
// file that is wrong changes nothing.
func TestReload(t *testing.T) {
	goOn := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"content":"one"}}]}`+"\n\n")
		w.(http.Flusher).Flush()
		<-goOn
		io.WriteString(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	}))
	defer up.Close()
	path := filepath.Join(t.TempDir(), "llmproxy.json")
	file := func(model string) string {
		return `{ // a comment
			"env": {"OPENAI_API_KEY": ["a", "b"], "OPENAI_BASE_URL": "` + up.URL + `", "PROXY_API_KEY": "secret"},
			"aliases": {"` + model + `": ["openai/gpt-4.1"]},
		}`
	}
	write(t, path, file("first"))
	logs := make(chan string, 10)
	b := &builder{config: path, logger: slog.New(slog.NewTextHandler(lines(logs), nil))}
	proxy, err := b.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var current atomic.Pointer[llmproxy.Proxy]
	current.Store(proxy)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	hup := make(chan os.Signal, 1)
	go func() { defer close(ended); b.reload(ctx, hup, &current) }()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) }))
	defer s.Close()
	ask := func(model string) *http.Response {
		req, _ := http.NewRequest("POST", s.URL+"/v1/chat/completions", strings.NewReader(`{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"q"}]}`))
		req.Header.Set("Authorization", "Bearer secret")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	open := ask("first")
	read := bufio.NewReader(open.Body)
	if line, _ := read.ReadString('\n'); !strings.Contains(line, "one") {
		t.Fatal(line)
	}

	write(t, path, `{"nonsense": 1}`)
	hup <- syscall.SIGHUP
	for line := range logs {
		if strings.Contains(line, "was not taken") {
			break
		}
	}
	write(t, path, file("second"))
	hup <- syscall.SIGHUP
	for line := range logs {
		if strings.Contains(line, "was read again") {
			break
		}
	}
	if resp := ask("first"); resp.Header.Get("Llmproxy-Model") == "gpt-4.1" {
		t.Error("the old alias is still there")
	}
	close(goOn)
	if rest, err := io.ReadAll(read); err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("the open stream was dropped: %q %v", rest, err)
	}
	if resp := ask("second"); resp.Header.Get("Llmproxy-Model") != "gpt-4.1" {
		t.Errorf("the new alias: %d %v", resp.StatusCode, resp.Header)
	}
	stop()
	<-ended
}

// lines hands on what is logged, line by line.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- string(b):
	default: // nobody waits for it
	}
	return len(b), nil
}

// The binary is static, tells its version, and is started as it wants to be.
func TestStaticBinary(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "llmproxy")
	build := exec.Command("go", "build", "-trimpath", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// What starts it elsewhere knows its flags.
	usage, _ := exec.Command(bin, "-h").CombinedOutput()
	for file, start := range map[string]string{"Dockerfile": "ENTRYPOINT", "llmproxy.service": "ExecStart="} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, line, ok := strings.Cut(string(text), start)
		line, _, _ = strings.Cut(line, "\n")
		flags := regexp.MustCompile(`[ "]-(\w+)`).FindAllStringSubmatch(line, -1)
		if !ok || len(flags) == 0 {
			t.Errorf("%s starts nothing: %s", file, line)
		}
		for _, f := range flags {
			if !strings.Contains(string(usage), "  -"+f[1]+" ") {
				t.Errorf("%s: there is no flag -%s\n%s", file, f[1], usage)
			}
		}
	}
	out, err := exec.Command(bin, "-version").Output()
	if err != nil || !strings.Contains(string(out), "go1.") {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := exec.Command("ldd", bin).CombinedOutput(); err == nil && !strings.Contains(string(out), "not a dynamic executable") {
		t.Errorf("not static: %s", out)
	}
}
