//go:build race

package bus

const simDefault = 150 // seeds; the race detector makes each some ten times slower
