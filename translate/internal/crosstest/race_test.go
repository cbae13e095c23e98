//go:build race

package crosstest

const raced = true
