package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/go-llmproxy/llmproxy/rotate"
)

// keys is a rotate.Store over a table. A real one would encrypt the secrets.
type keys struct{ db *sql.DB }

var _ rotate.Store = (*keys)(nil)

var errNoKey = errors.New("no such key")

func (k *keys) migrate(ctx context.Context) error {
	_, err := k.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS provider_keys (
	position INTEGER PRIMARY KEY AUTOINCREMENT, -- /key/0 stays the oldest
	provider TEXT NOT NULL, id TEXT NOT NULL, secret TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1,
	UNIQUE (provider, id))`)
	return err
}

// Keys returns a provider's enabled keys, the oldest first.
func (k *keys) Keys(ctx context.Context, provider string) ([]rotate.Key, error) {
	rows, err := k.list(ctx, provider)
	var out []rotate.Key
	for _, r := range rows {
		if r.enabled {
			out = append(out, r.Key)
		}
	}
	return out, err
}

type row struct {
	rotate.Key
	enabled bool
}

func (k *keys) list(ctx context.Context, provider string) ([]row, error) {
	rows, err := k.db.QueryContext(ctx, `SELECT id, secret, enabled FROM provider_keys WHERE provider = ? ORDER BY position`, provider)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		var r row
		var secret string
		if err := rows.Scan(&r.ID, &secret, &r.enabled); err != nil {
			return nil, err
		}
		r.Secret = rotate.NewSecret(secret)
		out = append(out, r)
	}
	return out, rows.Err()
}

// put adds a key, or gives it another secret: what the pool knew of the old
// one, a cooldown perhaps, does not hold for the new one.
func (k *keys) put(ctx context.Context, provider, id, secret string) error {
	_, err := k.db.ExecContext(ctx, `INSERT INTO provider_keys (provider, id, secret) VALUES (?, ?, ?)
ON CONFLICT (provider, id) DO UPDATE SET secret = excluded.secret`, provider, id, secret)
	return err
}

func (k *keys) enable(ctx context.Context, provider, id string, on bool) error {
	return k.change(ctx, `UPDATE provider_keys SET enabled = ? WHERE provider = ? AND id = ?`, on, provider, id)
}

func (k *keys) remove(ctx context.Context, provider, id string) error {
	return k.change(ctx, `DELETE FROM provider_keys WHERE provider = ? AND id = ?`, provider, id)
}

func (k *keys) change(ctx context.Context, stmt string, args ...any) error {
	res, err := k.db.ExecContext(ctx, stmt, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(errNoKey, err)
	}
	return nil
}
