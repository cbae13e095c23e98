// Standalone serves the proxy by itself, configured from the environment.
//
//	go run ./examples/standalone
//
// It prints what it serves and a curl line to paste. Without any provider's
// key it serves a built-in demo provider that needs no network, and without
// PROXY_API_KEY it makes up a key for this run. Set OPENAI_API_KEY,
// ANTHROPIC_API_KEY, … to reach real providers; README.md lists the variables.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8787", "address to listen on")
	prefix := flag.String("prefix", os.Getenv("PATH_PREFIX"), "path to serve below, as in /llm")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *prefix); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, prefix string) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	key, made := os.Getenv("PROXY_API_KEY"), false
	opts := []llmproxy.Option{llmproxy.WithLogger(logger), llmproxy.WithDefaultProvider(provider.Demo())}
	if key == "" && os.Getenv("DEV") != "true" {
		key, made = "llmproxy-"+rand.Text(), true
		opts = append(opts, llmproxy.WithProxyKeys(key))
	}
	more, err := clouds(ctx)
	if err != nil {
		return err
	}
	opts = append(append(opts, llmproxy.FromEnv(os.LookupEnv)), more...)
	opts = append(opts, llmproxy.WithPathPrefix(prefix))
	proxy, err := llmproxy.New(opts...)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	greet("http://"+listener.Addr().String()+strings.TrimSuffix(prefix, "/"), proxy.Providers(), key, made)

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }() // received below, either way
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
	}
	// Streams that are open may end; a second signal, or ten minutes, cuts them.
	grace, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	grace, cancelTimeout := context.WithTimeout(grace, 10*time.Minute)
	defer cancelTimeout()
	if err := server.Shutdown(grace); err != nil {
		server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// greet prints what is served, and how to try it.
func greet(base string, providers []string, key string, made bool) {
	fmt.Printf("llmproxy serves %s at %s\n", strings.Join(providers, ", "), base)
	model := providers[0] + "/MODEL"
	if providers[0] == "demo" {
		model = "demo/echo"
		fmt.Println("No provider's key is set, so a demo provider answers. Set OPENAI_API_KEY, ANTHROPIC_API_KEY, … for real ones.")
	}
	header := ` -H "Authorization: Bearer $PROXY_API_KEY"`
	switch {
	case made:
		fmt.Println("PROXY_API_KEY is not set; this run's key is " + key)
		header = ` -H "Authorization: Bearer ` + key + `"`
	case key == "":
		header = "" // DEV=true lets everybody in
	}
	fmt.Printf("\ncurl -N %s/v1/chat/completions%s -H \"Content-Type: application/json\" -d '{\"model\":%q,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n\n", base, header, model)
}
