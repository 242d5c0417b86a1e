//go:build !race

package bus_test

const oneErrorOf = 1
