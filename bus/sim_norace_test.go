//go:build !race

package bus

const simDefault = 2_000 // seeds
