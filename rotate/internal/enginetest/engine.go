package enginetest

import (
	"context"
	"database/sql"
	"fmt"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/rotate/redisrotate"
	"github.com/go-llmproxy/llmproxy/rotate/sqlrotate"
)

// open returns a shared engine whose names begin with the prefix.
func open(ctx context.Context, kind, url, prefix string) (rotate.Shared, func(), error) {
	driver, dialect := "pgx", sqlrotate.PostgreSQL
	switch kind {
	case "redis":
		e, err := redisrotate.Open(url, redisrotate.WithPrefix(prefix))
		if err != nil {
			return nil, nil, err
		}
		return e, func() { e.Close() }, nil
	case "sqlite":
		driver, dialect = "sqlite", sqlrotate.SQLite
	case "mysql":
		driver, dialect = "mysql", sqlrotate.MySQL
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
	if kind == "sqlite" {
		db.SetMaxOpenConns(1)
	}
	e, err := sqlrotate.New(db, dialect, sqlrotate.WithPrefix(prefix))
	if err == nil {
		err = e.Migrate(ctx)
	}
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return e, func() { e.Close(); db.Close() }, nil
}
