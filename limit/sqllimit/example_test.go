package sqllimit_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/limit/sqllimit"
)

func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://…") // a driver of the host's choice
	if err != nil {
		fmt.Println(err)
		return
	}
	db.SetMaxIdleConns(8) // a connection that is to be made counts against the limiter's timeout
	store, err := sqllimit.New(db, sqllimit.PostgreSQL)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := store.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	limiter := limit.New(func(context.Context, string) (limit.Limits, error) {
		return limit.Limits{Requests: 60}, nil
	}, limit.WithStore(store))
	_ = limiter.Admit // for llmproxy.WithAdmission
}
