package sqllimit

// Dialect is a database's way of speaking SQL.
type Dialect int

// The dialects, with the oldest version that each is known to work with.
const (
	PostgreSQL Dialect = iota + 1 // 12 and later
	SQLite                        // 3.35 and later; the handle needs a busy_timeout
	MySQL                         // 8.0 and later; MariaDB 10.5 and later
)

// dialect holds the statements of a database. The table is called
// limit_principals here, and by the host's prefix in fact.
type dialect struct {
	schema string
	// lock makes the principal's row, where there is none, and locks it. Where
	// read is empty it returns what read does.
	lock string
	// read returns the row and the time in milliseconds since 1970.
	read        string
	save, clean string
}

const (
	postgresNow = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`
	sqliteNow   = `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`
	mysqlNow    = `CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)`
	columns     = `at_ms, requests, tokens, day, money`
)

var statements = map[Dialect]dialect{
	PostgreSQL: {
		// A row is updated all the time: room in its page keeps updates in place.
		schema: `CREATE TABLE IF NOT EXISTS limit_principals (principal text PRIMARY KEY, at_ms bigint NOT NULL, requests bigint NOT NULL, tokens bigint NOT NULL, day bigint NOT NULL, money bigint NOT NULL, until_ms bigint NOT NULL) WITH (fillfactor = 50)`,
		lock: `INSERT INTO limit_principals AS t (principal, ` + columns + `, until_ms) VALUES ($1, 0, 0, 0, 0, 0, 0)
ON CONFLICT (principal) DO UPDATE SET at_ms = t.at_ms RETURNING ` + columns + `, ` + postgresNow,
		save:  `UPDATE limit_principals SET at_ms = $1, requests = $2, tokens = $3, day = $4, money = $5, until_ms = $6 WHERE principal = $7`,
		clean: `DELETE FROM limit_principals WHERE until_ms <= ` + postgresNow,
	},
	SQLite: {
		schema: `CREATE TABLE IF NOT EXISTS limit_principals (principal TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, requests INTEGER NOT NULL, tokens INTEGER NOT NULL, day INTEGER NOT NULL, money INTEGER NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID`,
		lock: `INSERT INTO limit_principals (principal, ` + columns + `, until_ms) VALUES (?, 0, 0, 0, 0, 0, 0)
ON CONFLICT (principal) DO UPDATE SET at_ms = at_ms RETURNING ` + columns + `, ` + sqliteNow,
		save:  `UPDATE limit_principals SET at_ms = ?, requests = ?, tokens = ?, day = ?, money = ?, until_ms = ? WHERE principal = ?`,
		clean: `DELETE FROM limit_principals WHERE until_ms <= ` + sqliteNow,
	},
	MySQL: {
		schema: `CREATE TABLE IF NOT EXISTS limit_principals (principal VARCHAR(200) COLLATE utf8mb4_bin PRIMARY KEY, at_ms BIGINT NOT NULL, requests BIGINT NOT NULL, tokens BIGINT NOT NULL, day BIGINT NOT NULL, money BIGINT NOT NULL, until_ms BIGINT NOT NULL) CHARACTER SET utf8mb4`,
		lock:   `INSERT INTO limit_principals (principal, ` + columns + `, until_ms) VALUES (?, 0, 0, 0, 0, 0, 0) ON DUPLICATE KEY UPDATE at_ms = at_ms`,
		read:   `SELECT ` + columns + `, ` + mysqlNow + ` FROM limit_principals WHERE principal = ? FOR UPDATE`,
		save:   `UPDATE limit_principals SET at_ms = ?, requests = ?, tokens = ?, day = ?, money = ?, until_ms = ? WHERE principal = ?`,
		clean:  `DELETE FROM limit_principals WHERE until_ms <= ` + mysqlNow,
	},
}
