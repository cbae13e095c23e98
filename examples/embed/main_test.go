package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/exampletest"
	"github.com/go-llmproxy/llmproxy/provider"
)

// pitfall 45: both mounts serve the host's page and the proxy's routes.
func TestMounts(t *testing.T) {
	proxy, err := llmproxy.New(llmproxy.WithProvider(provider.Demo()), llmproxy.WithProxyKeys("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.Handler{"net/http": plain(proxy), "chi": routed(proxy)} {
		s := httptest.NewServer(h)
		for path, want := range map[string]string{"/": "own page", "/llm/ping": "ok", "/llm/v1/models": "demo/echo"} {
			req, _ := http.NewRequest("GET", s.URL+path, nil)
			req.Header.Set("Authorization", "Bearer secret")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.Contains(string(b), want) {
				t.Errorf("%s %s: %d %s", name, path, resp.StatusCode, b)
			}
		}
		s.Close()
	}
}

// What the comment says, with either router.
func TestComment(t *testing.T) {
	for _, flags := range []string{"", " -chi"} {
		e := exampletest.New(t)
		e.Start(strings.TrimSuffix(e.Blocks[0], "\n") + flags)
		out := e.Run(e.Blocks[1])
		if !strings.HasPrefix(out, "the host's own page\ndata: {") || !strings.Contains(out, "Hello!") || !strings.HasSuffix(out, "data: [DONE]\n\n") {
			t.Errorf("%q: %s", flags, out)
		}
	}
}
