package broker

import "fmt"

// PortTakenError says that another process listens on the broker's address.
type PortTakenError struct {
	Addr    string
	PID     int    // 0 if unknown
	Process string // its command name, if known
	Err     error
}

func (e *PortTakenError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("listen on %s: the port is taken by another process", e.Addr)
	}
	return fmt.Sprintf("listen on %s: the port is taken by process %d (%s)", e.Addr, e.PID, e.Process)
}

func (e *PortTakenError) Unwrap() error { return e.Err }

// DirInUseError says that another broker has the data directory open.
type DirInUseError struct {
	Dir string
	PID int // 0 if unknown
}

func (e *DirInUseError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("data directory %s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("data directory %s is in use by process %d", e.Dir, e.PID)
}

// CorruptError says that a file of the data directory is not what the broker left there. Nothing has been changed.
type CorruptError struct {
	File   string
	Offset int64 // where in the file what does not match begins
	Why    string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("data directory is damaged: %s at byte %d: %s", e.File, e.Offset, e.Why)
}
