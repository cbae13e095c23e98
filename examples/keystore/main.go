// Keystore keeps the providers' keys in a table of SQLite, and changes them
// while requests run. The same file holds the pool's counters and cooldowns,
// so a restart forgets nothing.
//
//	ADMIN_KEY=admin PROXY_API_KEY=secret go run ./examples/keystore
//
// It serves the proxy at / and the keys at /admin/. A fake provider, "local",
// needs no network: it takes any key and answers with the name of the one that
// it was called with. In another shell:
//
//	admin() { curl -s -H "Authorization: Bearer admin" "http://127.0.0.1:8790/admin/keys/$2" -X $1 -d "$3"; }
//	ask() { curl -s -H "Authorization: Bearer secret" http://127.0.0.1:8790/v1/chat/completions -d '{"model":"local/m","messages":[{"role":"user","content":"Who are you?"}]}'; }
//	admin PUT local/first sk-local-first-00001    # add a key
//	admin PUT local/second sk-local-second-0001
//	ask; ask; ask                         # they take turns
//	admin PUT local/first sk-local-first-00002   # rotate its secret: the old one is never used again
//	admin POST local/second/disable       # or enable
//	admin DELETE local/first
//	admin GET local                       # the table, with secrets masked
//
// Keys of openai and anthropic serve the real ones: admin PUT openai/team-a sk-….
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/sqlrotate"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8790", "address to listen on")
	file := flag.String("db", "keystore.db", "SQLite file, made when missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h, closeDB, err := newHandler(ctx, *file, os.Getenv("ADMIN_KEY"), os.Getenv("PROXY_API_KEY"), local())
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *addr, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() { // requests under way may finish
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		server.Shutdown(grace)
	})
	fmt.Printf("proxy at http://%s/v1, keys at http://%s/admin/keys/\n", *addr, *addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-stopped
	closeDB()
}

// newHandler returns the proxy with the administration of its keys beside it,
// and what closes the database once no request runs.
func newHandler(ctx context.Context, file, adminKey, proxyKey string, local http.RoundTripper) (http.Handler, func(), error) {
	if adminKey == "" || proxyKey == "" {
		return nil, nil, errors.New("set ADMIN_KEY and PROXY_API_KEY, to different keys")
	}
	// In WAL mode a commit waits for no disk, and still survives a crash of
	// the process. SQLite has one writer: one connection saves it from waiting
	// for itself.
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	engine, err := sqlrotate.New(db, sqlrotate.SQLite)
	if err != nil {
		return nil, nil, err
	}
	closeDB := func() { engine.Close(); db.Close() }
	store := &keys{db: db}
	if err := errors.Join(engine.Migrate(ctx), store.migrate(ctx)); err != nil {
		closeDB()
		return nil, nil, err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	pool := rotate.NewPool(store, rotate.WithShared(engine), rotate.WithLogger(logger))
	proxy, err := llmproxy.New(
		llmproxy.WithProxyKeys(proxyKey),
		llmproxy.WithProvider(newFake(local), provider.OpenAI(), provider.Anthropic()),
		llmproxy.WithKeyRotator(pool),
		llmproxy.WithLogger(logger),
	)
	if err != nil {
		closeDB()
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	mux.Handle("/admin/", admin(store, pool, adminKey))
	return mux, closeDB, nil
}
