//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package broker

import (
	"errors"
	"fmt"
	"os"
)

// tryLock refuses: without a lock that ends with the process, a data directory is not safe.
func tryLock(*os.File) (held bool, err error) {
	return false, fmt.Errorf("file locks: %w", errors.ErrUnsupported)
}
