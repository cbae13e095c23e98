// Standalone serves the proxy by itself, configured from the environment.
//
//	go run ./examples/standalone
//
// It prints what it serves and a curl line to paste. Without any provider's
// key it serves a built-in demo provider that needs no network, and without
// PROXY_API_KEY it makes up a key for this run. Set OPENAI_API_KEY,
// ANTHROPIC_API_KEY, … to reach real providers; README.md lists the variables.
//
// With -config FILE the same, and more, stands in a file (see configuration),
// which is read again on SIGHUP: requests under way end by the old one, and a
// file that is wrong changes nothing.
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
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8787", "address to listen on")
	prefix := flag.String("prefix", "", "path to serve below, as in /llm; instead of PATH_PREFIX")
	config := flag.String("config", "", "JSON file with comments, read again on SIGHUP")
	version := flag.Bool("version", false, "print the version and leave")
	flag.Parse()
	if *version {
		fmt.Println(buildVersion())
		return
	}
	if err := run(*addr, *prefix, *config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// buildVersion returns the module's version, or the commit that was built.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + " " + s.Value + " " + info.GoVersion
		}
	}
	return info.Main.Version + " " + info.GoVersion
}

// builder makes proxies of a file and the environment.
type builder struct {
	config, prefix string
	logger         *slog.Logger
	key            string // made up for this run, where none is set; stays over reloads
}

func (b *builder) build(ctx context.Context) (*llmproxy.Proxy, error) {
	c, err := readConfiguration(b.config)
	if err != nil {
		return nil, err
	}
	opts := []llmproxy.Option{llmproxy.WithLogger(b.logger), llmproxy.WithPool(rotate.WithLogger(b.logger)), llmproxy.WithDefaultProvider(provider.Demo())}
	if b.key != "" {
		opts = append(opts, llmproxy.WithProxyKeys(b.key))
	}
	more, err := clouds(ctx)
	if err != nil {
		return nil, err
	}
	said, unknown := c.options()
	opts = append(append(opts, said), more...)
	if b.prefix != "" {
		opts = append(opts, llmproxy.WithPathPrefix(b.prefix))
	}
	proxy, err := llmproxy.New(opts...)
	return proxy, errors.Join(err, unknown())
}

// reload makes a new proxy on every signal.
func (b *builder) reload(ctx context.Context, hup <-chan os.Signal, current *atomic.Pointer[llmproxy.Proxy]) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		proxy, err := b.build(ctx)
		if err != nil {
			b.logger.Error("the configuration is wrong and was not taken", "error", err)
			continue
		}
		current.Store(proxy)
		b.logger.Info("the configuration was read again", "providers", proxy.Providers())
	}
}

func run(addr, prefix, config string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	b := &builder{config: config, prefix: prefix, logger: logger}
	c, err := readConfiguration(config)
	if err != nil {
		return err
	}
	key, _ := c.lookup("PROXY_API_KEY")
	dev, _ := c.lookup("DEV")
	if key == "" && dev != "true" {
		b.key = "llmproxy-" + rand.Text()
	}
	proxy, err := b.build(ctx)
	if err != nil {
		return err
	}
	var current atomic.Pointer[llmproxy.Proxy]
	current.Store(proxy)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go b.reload(ctx, hup, &current) // ends with ctx
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) }), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	if prefix == "" {
		prefix, _ = c.lookup("PATH_PREFIX")
	}
	base := "http://" + listener.Addr().String() + strings.TrimSuffix(prefix, "/")
	model := proxy.Providers()[0] + "/MODEL"
	if name, _ := c.lookup("DEFAULT_MODEL"); name != "" {
		model = "default"
	} else if model == "demo/MODEL" {
		model = "demo/echo"
	}
	fmt.Printf("llmproxy serves %s at %s\n", strings.Join(proxy.Providers(), ", "), base)
	greet(base, model, key, b.key)

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

// greet prints how to try what is served: with the clients' key that is set, or
// the one that was made up, or without one where DEV lets everybody in.
func greet(base, model, key, made string) {
	switch {
	case model == "demo/echo":
		fmt.Println("No provider's key is set, so a demo provider answers. Set OPENAI_API_KEY, ANTHROPIC_API_KEY, … for real ones.")
	case strings.HasSuffix(model, "/MODEL"):
		fmt.Println("GET /v1/models lists what can stand for MODEL.")
	}
	header := ""
	switch {
	case made != "":
		fmt.Println("PROXY_API_KEY is not set; this run's key is " + made)
		header = ` -H "Authorization: Bearer ` + made + `"`
	case key != "":
		header = ` -H "Authorization: Bearer $PROXY_API_KEY"`
	}
	fmt.Printf("\ncurl -N %s/v1/chat/completions%s -H \"Content-Type: application/json\" -d '{\"model\":%q,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'\n\n", base, header, model)
}
