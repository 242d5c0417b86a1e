package broker

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newFlush returns a function that writes everything of the file system that dir is on to the disk, and one that ends its use.
// One call covers every file that the broker inside has written, and unlike that broker it hears of errors.
func newFlush(dir string) (flush, end func() error, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open data directory: %w", err)
	}
	return func() error {
		if err := unix.Syncfs(int(d.Fd())); err != nil {
			return fmt.Errorf("write to the disk: %w", os.NewSyscallError("syncfs", err))
		}
		return nil
	}, d.Close, nil
}
