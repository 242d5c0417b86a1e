package broker

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const lockName = "broker.lock"

// dirLock is the right to use a data directory. The system takes it back from a process that dies.
type dirLock struct {
	f *os.File
	// sameBoot says that the last holder ran since the system started: whatever it wrote is there, synced or not.
	sameBoot bool
}

// lockDir creates the directory where it is missing and locks it. The lock file tells who holds the lock, and in which run of
// the system the directory was last written to.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	held, err := tryLock(f)
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	pid, boot := readLock(f)
	if held {
		_ = f.Close() // likewise
		return nil, &DirInUseError{Dir: dir, PID: pid}
	}
	l := &dirLock{f: f, sameBoot: boot != "" && boot == bootID()}
	if err := l.write(boot); err != nil {
		l.release()
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	return l, nil
}

func readLock(f *os.File) (pid int, boot string) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 256))
	if err != nil {
		return 0, ""
	}
	first, rest, _ := strings.Cut(string(b), "\n")
	if pid, err = strconv.Atoi(first); err != nil {
		return 0, ""
	}
	return pid, strings.TrimSpace(rest)
}

func (l *dirLock) write(boot string) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(io.NewOffsetWriter(l.f, 0), "%d\n%s\n", os.Getpid(), boot)
	return err
}

// recovered notes that what this run of the system finds from now on is what this run has written.
func (l *dirLock) recovered() error {
	if err := l.write(bootID()); err != nil {
		return fmt.Errorf("lock data directory: %w", err)
	}
	return nil
}

func (l *dirLock) release() {
	_ = l.f.Close() // which unlocks; the file stays, or two could lock two files of one name
}

// bootID names the run of the system, "" where it has no name.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
