package sqlrotate_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/go-llmproxy/llmproxy"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/sqlrotate"
)

func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://…") // a driver of the host's choice
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	engine, err := sqlrotate.New(db, sqlrotate.PostgreSQL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	if err := engine.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	proxy, err := llmproxy.New(llmproxy.FromEnv(os.LookupEnv), llmproxy.WithPool(rotate.WithShared(engine)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(proxy.Providers())
}
