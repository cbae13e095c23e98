package sqlrotate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// down is a database that cannot be reached. Real ones are in rotate/internal/enginetest.
type down struct{}

var errDown = errors.New("down")

func (down) Connect(context.Context) (driver.Conn, error) { return nil, errDown }
func (down) Driver() driver.Driver                        { return nil }

func TestNew(t *testing.T) {
	db := sql.OpenDB(down{})
	for _, c := range []struct {
		db      *sql.DB
		dialect Dialect
		prefix  string
		ok      bool
	}{
		{db, PostgreSQL, "rotate_", true}, {db, SQLite, "a1_", true}, {db, MySQL, "_", true},
		{nil, SQLite, "rotate_", false}, {db, 0, "rotate_", false}, {db, 9, "rotate_", false},
		{db, SQLite, "", false}, {db, SQLite, "a b", false}, {db, SQLite, `x"; DROP TABLE y; --`, false}, {db, SQLite, "1", false},
	} {
		if _, err := New(c.db, c.dialect, WithPrefix(c.prefix)); (err == nil) != c.ok {
			t.Errorf("%d, %q: %v", c.dialect, c.prefix, err)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, d := range []Dialect{PostgreSQL, SQLite, MySQL} {
		e, err := New(sql.OpenDB(down{}), d, WithPrefix("own_"))
		if err != nil {
			t.Fatal(err)
		}
		for _, stmt := range append(e.Schema(), e.take, e.read, e.bump, e.upsert, e.clean) {
			if strings.Contains(stmt, "rotate_") || !strings.Contains(stmt, "own_") {
				t.Errorf("dialect %d: %s", d, stmt)
			}
		}
	}
}

// A database that is down fails no request.
func TestDown(t *testing.T) {
	e, err := New(sql.OpenDB(down{}), PostgreSQL)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := e.Migrate(ctx); !errors.Is(err, errDown) {
		t.Errorf("Migrate: %v", err)
	}
	if _, err := e.Next(ctx, rotate.Ask{Provider: "p", Counter: "c", N: 1}); !errors.Is(err, errDown) {
		t.Errorf("Next: %v", err)
	}
	if err := e.Publish(ctx, "p", []rotate.Cooldown{{Cell: "k", For: 1}}); !errors.Is(err, errDown) {
		t.Errorf("Publish: %v", err)
	}
	pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"p": rotate.Secrets("a")}), rotate.WithShared(e))
	for range 3 {
		_, done, err := pool.Acquire(ctx, rotate.Scope{Provider: "p"})
		if err != nil {
			t.Fatal(err)
		}
		done(rotate.Outcome{Class: rotate.Forbidden})
	}
}
