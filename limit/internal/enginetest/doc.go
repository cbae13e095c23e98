// Package enginetest runs limits over real engines, Redis, PostgreSQL, MySQL
// and SQLite, in one process and in several. It is a module of its own so that
// no driver enters the core's go.mod.
//
// Tests read REDIS_URL, POSTGRES_URL and MYSQL_DSN (as go-sql-driver has it) and
// skip an engine whose variable is unset.
package enginetest
