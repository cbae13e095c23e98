package sqlrotate

// Dialect is a database's way of speaking SQL.
type Dialect int

// The dialects, with the oldest version that each is known to work with.
const (
	PostgreSQL Dialect = iota + 1 // 12 and later
	SQLite                        // 3.35 and later; the handle needs a busy_timeout
	MySQL                         // 8.0 and later; MariaDB 10.5 and later
)

// dialect holds the statements of a database. Tables are called rotate_… here,
// and by the host's prefix in fact. Deadlines are milliseconds since 1970 by the
// database's clock.
type dialect struct {
	schema []string
	// take adds to a counter. In PostgreSQL it reads, too.
	take string
	// read returns (value, version, cell, left, class, rest), with NULLs in place
	// of cooldowns when none is new.
	read                string
	bump, upsert, clean string
}

var statements = map[Dialect]dialect{
	PostgreSQL: {
		schema: []string{
			// A counter is updated all the time: room in its page keeps updates in place.
			`CREATE TABLE IF NOT EXISTS rotate_counters (provider text NOT NULL, name text NOT NULL, value bigint NOT NULL, PRIMARY KEY (provider, name)) WITH (fillfactor = 10)`,
			`CREATE TABLE IF NOT EXISTS rotate_versions (provider text PRIMARY KEY, version bigint NOT NULL)`,
			`CREATE TABLE IF NOT EXISTS rotate_cooldowns (provider text NOT NULL, cell text NOT NULL, rest smallint NOT NULL, until_ms bigint NOT NULL, class smallint NOT NULL, version bigint NOT NULL, PRIMARY KEY (provider, cell, rest))`,
		},
		take: `WITH c AS (
	INSERT INTO rotate_counters AS t (provider, name, value) VALUES ($1, $2, $3)
	ON CONFLICT (provider, name) DO UPDATE SET value = t.value + excluded.value RETURNING value),
v AS (SELECT coalesce((SELECT version FROM rotate_versions WHERE provider = $1), 0) AS version),
n AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms)
SELECT c.value, v.version, d.cell, d.until_ms - n.ms, d.class, d.rest
FROM c CROSS JOIN v CROSS JOIN n LEFT JOIN rotate_cooldowns d ON d.provider = $1 AND (d.version > $4 OR v.version < $4) AND d.until_ms > n.ms`,
		read: `WITH v AS (SELECT coalesce((SELECT version FROM rotate_versions WHERE provider = $2), 0) AS version),
n AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms)
SELECT $1::bigint, v.version, d.cell, d.until_ms - n.ms, d.class, d.rest
FROM v CROSS JOIN n LEFT JOIN rotate_cooldowns d ON d.provider = $2 AND (d.version > $3 OR v.version < $3) AND d.until_ms > n.ms`,
		bump: `INSERT INTO rotate_versions AS t (provider, version) VALUES ($1, 1) ON CONFLICT (provider) DO UPDATE SET version = t.version + 1`,
		upsert: `INSERT INTO rotate_cooldowns AS t (provider, cell, rest, until_ms, class, version)
VALUES ($1, $2, $3, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $4::bigint, $5, (SELECT version FROM rotate_versions WHERE provider = $1))
ON CONFLICT (provider, cell, rest) DO UPDATE SET until_ms = excluded.until_ms, class = excluded.class, version = excluded.version WHERE t.until_ms < excluded.until_ms`,
		clean: `DELETE FROM rotate_cooldowns WHERE provider = $1 AND until_ms <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint`,
	},
	SQLite: {
		schema: []string{
			`CREATE TABLE IF NOT EXISTS rotate_counters (provider TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (provider, name)) WITHOUT ROWID`,
			`CREATE TABLE IF NOT EXISTS rotate_versions (provider TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID`,
			`CREATE TABLE IF NOT EXISTS rotate_cooldowns (provider TEXT NOT NULL, cell TEXT NOT NULL, rest INTEGER NOT NULL, until_ms INTEGER NOT NULL, class INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (provider, cell, rest)) WITHOUT ROWID`,
		},
		take: `INSERT INTO rotate_counters (provider, name, value) VALUES (?1, ?2, ?3)
ON CONFLICT (provider, name) DO UPDATE SET value = value + excluded.value RETURNING value`,
		read: `WITH v AS (SELECT coalesce((SELECT version FROM rotate_versions WHERE provider = ?2), 0) AS version),
n AS (SELECT CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) AS ms)
SELECT ?1, v.version, d.cell, d.until_ms - n.ms, d.class, d.rest
FROM v CROSS JOIN n LEFT JOIN rotate_cooldowns d ON d.provider = ?2 AND (d.version > ?3 OR v.version < ?3) AND d.until_ms > n.ms`,
		bump: `INSERT INTO rotate_versions (provider, version) VALUES (?1, 1) ON CONFLICT (provider) DO UPDATE SET version = version + 1`,
		upsert: `INSERT INTO rotate_cooldowns (provider, cell, rest, until_ms, class, version)
VALUES (?1, ?2, ?3, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) + ?4, ?5, (SELECT version FROM rotate_versions WHERE provider = ?1))
ON CONFLICT (provider, cell, rest) DO UPDATE SET until_ms = excluded.until_ms, class = excluded.class, version = excluded.version WHERE until_ms < excluded.until_ms`,
		clean: `DELETE FROM rotate_cooldowns WHERE provider = ?1 AND until_ms <= CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER)`,
	},
	MySQL: {
		schema: []string{
			`CREATE TABLE IF NOT EXISTS rotate_counters (provider VARCHAR(100) COLLATE utf8mb4_bin NOT NULL, name VARCHAR(100) COLLATE utf8mb4_bin NOT NULL, value BIGINT NOT NULL, PRIMARY KEY (provider, name)) CHARACTER SET utf8mb4`,
			`CREATE TABLE IF NOT EXISTS rotate_versions (provider VARCHAR(100) COLLATE utf8mb4_bin PRIMARY KEY, version BIGINT NOT NULL) CHARACTER SET utf8mb4`,
			`CREATE TABLE IF NOT EXISTS rotate_cooldowns (provider VARCHAR(100) COLLATE utf8mb4_bin NOT NULL, cell VARCHAR(500) COLLATE utf8mb4_bin NOT NULL, rest SMALLINT NOT NULL, until_ms BIGINT NOT NULL, class SMALLINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (provider, cell, rest)) CHARACTER SET utf8mb4`,
		},
		take: `INSERT INTO rotate_counters (provider, name, value) VALUES (?, ?, LAST_INSERT_ID(?)) ON DUPLICATE KEY UPDATE value = LAST_INSERT_ID(value + ?)`,
		read: `SELECT ?, v.version, d.cell, d.until_ms - CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), d.class, d.rest
FROM (SELECT COALESCE((SELECT version FROM rotate_versions WHERE provider = ?), 0) AS version) v
LEFT JOIN rotate_cooldowns d ON d.provider = ? AND (d.version > ? OR v.version < ?) AND d.until_ms > UNIX_TIMESTAMP(NOW(3)) * 1000`,
		bump: `INSERT INTO rotate_versions (provider, version) VALUES (?, 1) ON DUPLICATE KEY UPDATE version = version + 1`,
		upsert: `INSERT INTO rotate_cooldowns (provider, cell, rest, until_ms, class, version)
SELECT provider, ?, ?, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + ?, ?, version FROM rotate_versions WHERE provider = ?
ON DUPLICATE KEY UPDATE class = IF(VALUES(until_ms) > until_ms, VALUES(class), class),
	version = IF(VALUES(until_ms) > until_ms, VALUES(version), rotate_cooldowns.version), until_ms = GREATEST(until_ms, VALUES(until_ms))`,
		clean: `DELETE FROM rotate_cooldowns WHERE provider = ? AND until_ms <= UNIX_TIMESTAMP(NOW(3)) * 1000`,
	},
}
