//go:build !race

package deadletter_test

const slow = 1
