package broker

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// diskSpace returns what a user may still write to the disk of f, and its size.
func diskSpace(f *os.File) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return 0, 0, fmt.Errorf("statfs: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
