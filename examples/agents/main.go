// Agents proves that a proxy which is running serves coding agents: it sends
// what the first request of Claude Code, Codex CLI, Gemini CLI, Cursor and the
// AI SDK looks like, with system prompt, tools and streaming, and checks that
// each answer is whole in its client's format. README.md beside it says how the
// clients themselves are configured.
//
//	PROXY_API_KEY=secret go run ./examples/standalone
//
// In another shell:
//
//	PROXY_API_KEY=secret go run ./examples/agents -url http://127.0.0.1:8787 -model demo/echo
//
// With OPENAI_API_KEY, ANTHROPIC_API_KEY, … in the first shell's environment
// any other model can be tried, as -model anthropic/claude-sonnet-5-5. What the
// provider's format cannot carry is told as "lost".
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	log.SetFlags(0)
	url := flag.String("url", "http://127.0.0.1:8787", "where the proxy is mounted")
	model := flag.String("model", "demo/echo", "provider/model")
	flag.Parse()
	if failed := tryAll(context.Background(), os.Stdout, *url, os.Getenv("PROXY_API_KEY"), *model); failed > 0 {
		log.Fatalf("%d of %d clients were not served", failed, len(clients))
	}
}

// tryAll sends every client's first request, writes a line for each, and
// returns how many failed.
func tryAll(ctx context.Context, w io.Writer, url, key, model string) (failed int) {
	for i := range clients {
		c := &clients[i]
		said, lost, err := c.try(ctx, url, key, model)
		if err != nil {
			failed++
			fmt.Fprintf(w, "FAIL %-11s POST %s: %v\n", c.name, c.path(model), err)
			continue
		}
		fmt.Fprintf(w, "ok   %-11s POST %s: %.60q\n", c.name, c.path(model), said)
		for _, loss := range lost {
			fmt.Fprintf(w, "     lost: %s\n", loss)
		}
	}
	return failed
}

// try sends the client's first request. It returns what the model said, and
// what of the request its format could not carry.
func (c *client) try(ctx context.Context, url, key, model string) (said string, lost []string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(url, "/")+c.path(model), strings.NewReader(strings.ReplaceAll(c.body, "MODEL", model)))
	if err != nil {
		return "", nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range c.header {
		r.Header.Set(name, strings.ReplaceAll(value, "KEY", key))
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		message, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
		if err != nil {
			return "", nil, err
		}
		return "", nil, fmt.Errorf("%s: %s", resp.Status, message)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		return "", nil, fmt.Errorf("the answer is %s, not a stream", kind)
	}
	said, err = c.read(resp.Body)
	return said, resp.Header.Values("Llmproxy-Loss"), err
}

// path is the request's, relative to where the proxy is mounted.
func (c *client) path(model string) string {
	return c.base + strings.ReplaceAll(c.endpoint, "MODEL", model)
}
