package sqlrotate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// far is a database to which a connection takes longer than a request may wait.
type far struct{ dials *int }

func (f far) Connect(ctx context.Context) (driver.Conn, error) {
	*f.dials++
	select {
	case <-time.After(200 * time.Millisecond):
		return farConn{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
func (far) Driver() driver.Driver { return nil }

type farConn struct{ driver.Conn }

func (farConn) Close() error { return nil }
func (farConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &oneRow{}, nil
}

type oneRow struct{ read bool }

func (*oneRow) Columns() []string { return make([]string, 6) }
func (*oneRow) Close() error      { return nil }
func (r *oneRow) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read = true
	dest[0], dest[1] = int64(1), int64(0)
	return nil
}

// It is reached all the same, and Close waits for the goroutine that reaches it.
func TestSlowConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		db := sql.OpenDB(far{&dials})
		defer db.Close()
		e, err := New(db, PostgreSQL)
		if err != nil {
			t.Fatal(err)
		}
		var events []rotate.EventKind
		pool := rotate.NewPool(rotate.Static(map[string][]rotate.Key{"p": rotate.Secrets("a")}), rotate.WithShared(e),
			rotate.WithEvents(func(ev rotate.Event) { events = append(events, ev.Kind) }))
		use := func() time.Duration {
			start := time.Now()
			_, done, err := pool.Acquire(context.Background(), rotate.Scope{Provider: "p"})
			if err != nil {
				t.Fatal(err)
			}
			done(rotate.Outcome{})
			return time.Since(start)
		}
		if d := use(); d != 50*time.Millisecond {
			t.Errorf("the first request waits %v", d)
		}
		start := time.Now()
		e.Close()
		if d := time.Since(start); d != 200*time.Millisecond {
			t.Errorf("Close waits %v for the connection", d)
		}
		time.Sleep(time.Second)
		if d := use(); d != 0 {
			t.Errorf("a later request waits %v", d)
		}
		if dials != 2 || len(events) != 2 || events[1] != rotate.SharedRecovered {
			t.Errorf("%d dials, events %v", dials, events)
		}
	})
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
