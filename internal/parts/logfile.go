package parts

import (
	"bytes"
	"os"
)

// logFile is a process's log, which tells when a text has come by.
type logFile struct {
	file *os.File
	text []byte
	seen chan struct{} // closed when text has come by

	end  []byte // the last bytes written, in case text comes in two pieces
	done bool
}

// openLog adds to the log that is there: a process may be started again.
func openLog(name, text string) (*logFile, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &logFile{file: f, text: []byte(text), seen: make(chan struct{})}, nil
}

// Write is called by one goroutine, that of os/exec.
func (l *logFile) Write(b []byte) (int, error) {
	if !l.done {
		l.end = append(l.end, b...)
		if bytes.Contains(l.end, l.text) {
			l.done, l.end = true, nil
			close(l.seen)
		} else if over := len(l.end) - len(l.text); over > 0 {
			l.end = l.end[over:]
		}
	}
	return l.file.Write(b)
}

func (l *logFile) Close() error { return l.file.Close() }

// tail returns the end of the log.
func (l *logFile) tail() []byte {
	const enough = 4 << 10
	b, err := os.ReadFile(l.file.Name())
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-enough):]
}
