package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/go-llmproxy/llmproxy/limit"
	"github.com/go-llmproxy/llmproxy/limit/redislimit"
	"github.com/go-llmproxy/llmproxy/limit/sqllimit"
)

// open returns a store whose names begin with the prefix, by a clock; nil is
// the engine's.
func open(ctx context.Context, kind, url, prefix string, now func() time.Time) (limit.Store, func(), error) {
	driver, dialect := "pgx", sqllimit.PostgreSQL
	switch kind {
	case "redis":
		s, err := redislimit.Open(url, redislimit.WithPrefix(prefix), redislimit.WithClock(now))
		if err != nil {
			return nil, nil, err
		}
		return s, func() { s.Close() }, nil
	case "sqlite":
		driver, dialect = "sqlite", sqllimit.SQLite
	case "mysql":
		driver, dialect = "mysql", sqllimit.MySQL
	case "postgres":
	default:
		return nil, nil, fmt.Errorf("unknown engine %q", kind)
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	s, err := sqllimit.New(db, dialect, sqllimit.WithPrefix(prefix), sqllimit.WithClock(now))
	if err == nil {
		err = s.Migrate(ctx)
	}
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return s, func() { db.Close() }, nil
}
