//go:build race

package schema_test

// raced: the race detector slows both sides, and not alike.
const raced = true
