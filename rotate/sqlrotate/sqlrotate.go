// Package sqlrotate lets a fleet of processes share key pools over a database
// that it has anyway: PostgreSQL, MySQL, or, for the processes of one machine,
// SQLite. It needs a database/sql driver of the host's choice, and nothing else.
//
//	engine, err := sqlrotate.New(db, sqlrotate.PostgreSQL)
//	err = engine.Migrate(ctx)
//	defer engine.Close()
//	pool := rotate.NewPool(store, rotate.WithShared(engine))
//
// An Acquire is one statement in PostgreSQL, and two in SQLite, which is in the
// same process, and in MySQL, which cannot return what it updates. Time is the
// database's, so the clocks of the processes need not agree.
//
// Every Acquire writes one row, so the database's commit is what it costs. The
// counters need not survive a crash: give the handle synchronous_commit=off
// (PostgreSQL) or synchronous=off (SQLite), or take blocks (rotate.WithBlocks).
package sqlrotate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// Engine is a rotate.Shared over database/sql. It is safe for concurrent use.
type Engine struct {
	db      *sql.DB
	dialect Dialect
	prefix  string

	take, read, bump, upsert, clean string // statements

	connecting atomic.Bool
	connected  sync.WaitGroup
}

var _ rotate.Shared = (*Engine)(nil)

// Option configures an Engine.
type Option func(*Engine)

// WithPrefix sets what the names of the tables begin with; the default is
// "rotate_". It consists of letters, digits and underscores.
func WithPrefix(prefix string) Option { return func(e *Engine) { e.prefix = prefix } }

var validPrefix = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,40}$`)

// New returns an engine over the host's database handle, which the host closes,
// after Close. The tables must exist: see Migrate.
func New(db *sql.DB, dialect Dialect, opts ...Option) (*Engine, error) {
	e := &Engine{db: db, dialect: dialect, prefix: "rotate_"}
	for _, opt := range opts {
		opt(e)
	}
	if db == nil {
		return nil, errors.New("sqlrotate: no database")
	}
	if !validPrefix.MatchString(e.prefix) {
		return nil, fmt.Errorf("sqlrotate: %q cannot begin a table's name", e.prefix)
	}
	s, ok := statements[dialect]
	if !ok {
		return nil, fmt.Errorf("sqlrotate: unknown dialect %d", dialect)
	}
	fill := func(text string) string { return strings.ReplaceAll(text, "rotate_", e.prefix) }
	e.take, e.read, e.bump, e.upsert, e.clean = fill(s.take), fill(s.read), fill(s.bump), fill(s.upsert), fill(s.clean)
	return e, nil
}

// Migrate makes the tables that do not exist yet. Several processes may call it at once.
func (e *Engine) Migrate(ctx context.Context) error {
	for _, stmt := range e.Schema() {
		if _, err := e.db.ExecContext(ctx, stmt); err != nil {
			return fmt.Errorf("sqlrotate: %w", err)
		}
	}
	return nil
}

// Schema returns the statements that Migrate runs, for hosts that have
// migrations of their own.
func (e *Engine) Schema() []string {
	var out []string
	for _, stmt := range statements[e.dialect].schema {
		out = append(out, strings.ReplaceAll(stmt, "rotate_", e.prefix))
	}
	return out
}

// Next implements rotate.Shared.
func (e *Engine) Next(ctx context.Context, ask rotate.Ask) (t rotate.Turn, err error) {
	defer func() {
		if err != nil {
			e.connect(ctx)
			err = fmt.Errorf("sqlrotate: %w", err)
		}
	}()
	if ask.N > 0 && e.dialect == PostgreSQL {
		rows, err := e.db.QueryContext(ctx, e.take, ask.Provider, ask.Counter, ask.N, ask.Since)
		return scan(rows, err, ask.N)
	}
	var value int64
	switch {
	case ask.N <= 0:
	case e.dialect == MySQL:
		var r sql.Result
		if r, err = e.db.ExecContext(ctx, e.take, ask.Provider, ask.Counter, ask.N, ask.N); err != nil {
			return t, err
		}
		if value, err = r.LastInsertId(); err != nil {
			return t, err
		}
	default:
		if err = e.db.QueryRowContext(ctx, e.take, ask.Provider, ask.Counter, ask.N).Scan(&value); err != nil {
			return t, err
		}
	}
	args := []any{value, ask.Provider, ask.Since}
	if e.dialect == MySQL { // its placeholders have no numbers
		args = []any{value, ask.Provider, ask.Provider, ask.Since, ask.Since}
	}
	rows, err := e.db.QueryContext(ctx, e.read, args...)
	return scan(rows, err, ask.N)
}

// connectTimeout bounds how long the database is waited for behind the requests' backs.
const connectTimeout = 5 * time.Second

// connect makes a connection when a call ran out of time, perhaps because one
// was to be made: that can take longer than a request may wait, and database/sql
// gives up with the request, so that no request would ever get one.
func (e *Engine) connect(ctx context.Context) {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !e.connecting.CompareAndSwap(false, true) {
		return
	}
	// Close waits for it; it ends with connectTimeout at the latest.
	e.connected.Go(func() {
		defer e.connecting.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
		defer cancel()
		_ = e.db.PingContext(ctx) // the next call will tell
	})
}

// Close waits until no connection is being made any more, a few seconds at most.
// It leaves the database handle open, and the engine must not be used after it.
func (e *Engine) Close() error {
	e.connected.Wait()
	return nil
}

// scan reads rows of counter, version, and one cooldown or NULLs.
func scan(rows *sql.Rows, err error, n int) (rotate.Turn, error) {
	var t rotate.Turn
	if err != nil {
		return t, err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			value             int64
			cell              sql.NullString
			left, class, rest sql.NullInt64
		)
		if err := rows.Scan(&value, &t.Version, &cell, &left, &class, &rest); err != nil {
			return t, err
		}
		t.First = uint64(value - int64(n))
		if cell.Valid && left.Int64 > 0 {
			t.Cooldowns = append(t.Cooldowns, rotate.Cooldown{Cell: cell.String, For: time.Duration(left.Int64) * time.Millisecond,
				Class: rotate.Class(class.Int64), Rest: rest.Int64 != 0})
		}
	}
	return t, rows.Err()
}

// Publish implements rotate.Shared.
func (e *Engine) Publish(ctx context.Context, provider string, list []rotate.Cooldown) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b rotate.Cooldown) int { return strings.Compare(a.Cell, b.Cell) })
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlrotate: %w", err)
	}
	defer tx.Rollback()
	exec := func(stmt string, args ...any) {
		if err == nil {
			_, err = tx.ExecContext(ctx, stmt, args...)
		}
	}
	// The version comes first: its row puts publishers in line, so that none
	// waits for another's cooldowns in a circle.
	exec(e.bump, provider)
	for _, c := range list {
		rest := 0
		if c.Rest {
			rest = 1
		}
		// Rounded up, and one more, as the database's clock is rounded: a cooldown
		// may end late, but not early.
		args := []any{provider, c.Cell, rest, (c.For + 2*time.Millisecond - 1).Milliseconds(), int(c.Class)}
		if e.dialect == MySQL {
			args = append(args[1:], provider)
		}
		exec(e.upsert, args...)
	}
	exec(e.clean, provider)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("sqlrotate: %w", err)
	}
	return nil
}
