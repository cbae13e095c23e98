// Package sqllimit keeps limits in a database that a fleet of processes has
// anyway: PostgreSQL, MySQL, or, for the processes of one machine, SQLite. It
// needs a database/sql driver of the host's choice, and nothing else.
//
//	store, err := sqllimit.New(db, sqllimit.PostgreSQL)
//	err = store.Migrate(ctx)
//	limiter := limit.New(limits, limit.WithStore(store))
//
// A request takes two transactions, one before and one after it, and each locks
// the row of its principal: requests of one principal wait for each other's
// commits. Time is the database's, so the clocks of the
// processes need not agree. The rows need not survive a crash of the machine:
// PostgreSQL's synchronous_commit=off, or SQLite's synchronous=off, on a handle
// of its own makes them several times cheaper.
//
// A connection that is to be made counts against the limiter's timeout: keep
// some (sql.DB.SetMaxIdleConns).
package sqllimit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-llmproxy/llmproxy/limit"
)

// Store is a limit.Store over database/sql. It is safe for concurrent use.
type Store struct {
	db      *sql.DB
	dialect dialect
	tx      *sql.TxOptions
	prefix  string
	clock   func() time.Time // nil: the database's
}

var _ limit.Store = (*Store)(nil)

// Option configures a Store.
type Option func(*Store)

// WithPrefix sets what the table's name begins with; the default is "limit_".
// It consists of letters, digits and underscores.
func WithPrefix(prefix string) Option { return func(s *Store) { s.prefix = prefix } }

// WithClock replaces the database's clock, for tests.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.clock = now } }

var validPrefix = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,40}$`)

// New returns a store over the host's database handle, which the host closes.
// The table must exist: see Migrate.
func New(db *sql.DB, d Dialect, opts ...Option) (*Store, error) {
	s := &Store{db: db, prefix: "limit_"}
	for _, opt := range opts {
		opt(s)
	}
	if db == nil {
		return nil, errors.New("sqllimit: no database")
	}
	if !validPrefix.MatchString(s.prefix) {
		return nil, fmt.Errorf("sqllimit: %q cannot begin a table's name", s.prefix)
	}
	text, ok := statements[d]
	if !ok {
		return nil, fmt.Errorf("sqllimit: unknown dialect %d", d)
	}
	fill := func(text string) string { return strings.ReplaceAll(text, "limit_", s.prefix) }
	s.dialect = dialect{fill(text.schema), fill(text.lock), fill(text.read), fill(text.save), fill(text.clean)}
	if d != SQLite { // who waited for a row must see what it became
		s.tx = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	return s, nil
}

// Migrate makes the table if it does not exist yet. Several processes may call
// it at once.
func (s *Store) Migrate(ctx context.Context) error { return s.exec(ctx, s.dialect.schema) }

// Schema returns the statement that Migrate runs, for hosts that have
// migrations of their own.
func (s *Store) Schema() string { return s.dialect.schema }

// Clean deletes the rows of principals that have nothing left to flow back, and
// no money spent today. Nothing calls it but the host, where its principals are
// so many, or come and go so much, that their rows matter.
func (s *Store) Clean(ctx context.Context) error { return s.exec(ctx, s.dialect.clean) }

func (s *Store) exec(ctx context.Context, stmt string) error {
	if _, err := s.db.ExecContext(ctx, stmt); err != nil {
		return fmt.Errorf("sqllimit: %w", err)
	}
	return nil
}

// Take implements limit.Store.
func (s *Store) Take(ctx context.Context, principal string, l limit.Limits, want limit.Amounts) (state limit.State, ok bool, err error) {
	err = s.update(ctx, principal, l, &state, func(now time.Time) { ok = state.Take(now, l, want) })
	return state, ok && err == nil, err
}

// Settle implements limit.Store.
func (s *Store) Settle(ctx context.Context, principal string, l limit.Limits, day int64, delta limit.Amounts) error {
	var state limit.State
	return s.update(ctx, principal, l, &state, func(now time.Time) { state.Settle(now, l, day, delta) })
}

// update changes a principal's row while nobody else can.
func (s *Store) update(ctx context.Context, principal string, l limit.Limits, state *limit.State, change func(now time.Time)) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqllimit: %w", err)
		}
	}()
	principal = rowName(principal)
	tx, err := s.db.BeginTx(ctx, s.tx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	read := s.dialect.lock
	if s.dialect.read != "" {
		if _, err := tx.ExecContext(ctx, s.dialect.lock, principal); err != nil {
			return err
		}
		read = s.dialect.read
	}
	var ms int64
	if err := tx.QueryRowContext(ctx, read, principal).Scan(&state.At, &state.Requests, &state.Tokens, &state.Day, &state.Money, &ms); err != nil {
		return err
	}
	now := time.UnixMilli(ms)
	if s.clock != nil {
		now = s.clock()
	}
	change(now)
	until := state.Until(l).UnixMilli()
	if _, err := tx.ExecContext(ctx, s.dialect.save, state.At, state.Requests, state.Tokens, state.Day, int64(state.Money), until, principal); err != nil {
		return err
	}
	return tx.Commit()
}

// rowName returns a principal's name as every database can have it as a key:
// its digest where it is long, no text, or looks like a digest itself. Spaces
// at its end do not count in MySQL.
func rowName(principal string) string {
	const digest = "sha256:"
	if len(principal) <= 200 && utf8.ValidString(principal) && !strings.ContainsRune(principal, 0) && !strings.HasSuffix(principal, " ") && !strings.HasPrefix(principal, digest) {
		return principal
	}
	sum := sha256.Sum256([]byte(principal))
	return digest + hex.EncodeToString(sum[:])
}
