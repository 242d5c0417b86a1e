//go:build race

package bus_test

const oneErrorOf = 8 // the race detector makes each some ten times slower, and what races with one error does so with others
