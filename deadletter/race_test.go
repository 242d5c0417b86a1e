//go:build race

package deadletter_test

// slow divides the sizes of tests: with the race detector, every small compressed batch costs milliseconds.
const slow = 10
