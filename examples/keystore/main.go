// Keystore keeps the providers' keys in a table of SQLite, and changes them
// while requests run. The same file holds the pool's counters and cooldowns,
// so a restart forgets nothing.
//
//	ADMIN_KEY=admin PROXY_API_KEY=secret go run ./examples/keystore
//
// It serves the proxy at / and the keys at /admin/. A fake provider, "local",
// needs no network: it takes any key and answers with the end of the one that
// it was called with. In another shell:
//
//	admin() { curl -s -H "Authorization: Bearer admin" "http://127.0.0.1:8790/admin/keys/$2" -X $1 -d "$3"; }
//	ask() { curl -s -H "Authorization: Bearer secret" http://127.0.0.1:8790/v1/chat/completions -d '{"model":"local/m","messages":[{"role":"user","content":"Who are you?"}]}' | grep -o 'key of [^"]*'; }
//	admin PUT local/first sk-local-first-1111    # add a key
//	admin PUT local/second sk-local-second-2222
//	ask; ask; ask                                # they take turns: 1111, 2222, 1111
//	admin PUT local/first sk-local-first-3333    # rotate its secret: the old one is never used again
//	ask; ask; ask
//	admin POST local/second/disable              # or enable
//	ask; ask                                     # the first alone: 3333
//	admin GET local                              # the table, with secrets masked
//	admin DELETE local/first
//	admin GET local
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

	_ "modernc.org/sqlite"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/examples/internal/serve"
	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/sqlrotate"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8790", "address to listen on")
	file := flag.String("db", "keystore.db", "SQLite file, made when missing")
	flag.Parse()
	h, closeDB, err := newHandler(context.Background(), *file, os.Getenv("ADMIN_KEY"), os.Getenv("PROXY_API_KEY"), local())
	if err != nil {
		log.Fatal(err)
	}
	err = serve.Until(*addr, h, func(addr string) { fmt.Printf("proxy at http://%s/v1, keys at http://%s/admin/keys/\n", addr, addr) })
	closeDB()
	if err != nil {
		log.Fatal(err)
	}
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
