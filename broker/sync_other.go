//go:build !linux

package broker

// newFlush returns none: the broker inside then syncs every file that it writes.
func newFlush(string) (flush, end func() error, err error) { return nil, nil, nil }
