package sqllimit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/limit"
)

// down is a database that cannot be reached. Real ones are in limit/internal/enginetest.
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
		{db, PostgreSQL, "limit_", true}, {db, SQLite, "a1_", true}, {db, MySQL, "_", true},
		{nil, SQLite, "limit_", false}, {db, 0, "limit_", false}, {db, 9, "limit_", false},
		{db, SQLite, "", false}, {db, SQLite, "a b", false}, {db, SQLite, `x"; DROP TABLE y; --`, false}, {db, SQLite, "1", false},
	} {
		if _, err := New(c.db, c.dialect, WithPrefix(c.prefix)); (err == nil) != c.ok {
			t.Errorf("%d, %q: %v", c.dialect, c.prefix, err)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, d := range []Dialect{PostgreSQL, SQLite, MySQL} {
		s, err := New(sql.OpenDB(down{}), d, WithPrefix("own_"))
		if err != nil {
			t.Fatal(err)
		}
		for _, stmt := range []string{s.Schema(), s.dialect.lock, s.dialect.save, s.dialect.clean} {
			if strings.Contains(stmt, "limit_") || !strings.Contains(stmt, "own_") {
				t.Errorf("dialect %d: %s", d, stmt)
			}
		}
	}
}

func TestDown(t *testing.T) {
	s, err := New(sql.OpenDB(down{}), PostgreSQL)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Take(t.Context(), "p", limit.Limits{}, limit.Amounts{}); ok || !errors.Is(err, errDown) {
		t.Errorf("Take: %t %v", ok, err)
	}
	for _, err := range []error{s.Settle(t.Context(), "p", limit.Limits{}, 0, limit.Amounts{}), s.Migrate(t.Context()), s.Clean(t.Context())} {
		if !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
	}
}
