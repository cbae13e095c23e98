// Package enginetest runs fleets of real processes over real engines: Redis,
// PostgreSQL, MySQL and SQLite. It is a module of its own so that no driver enters the
// core's go.mod.
//
// Tests read REDIS_URL, POSTGRES_URL and MYSQL_DSN (as go-sql-driver has it) and
// skip where they are unset; those that kill the engine start one of their own from the programs on PATH.
package enginetest
