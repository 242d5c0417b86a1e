package histcheck

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Source is the ledger of one process. It can be read more than once.
type Source struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// File is the ledger in a file.
func File(path string) Source {
	return Source{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// ErrTorn is the end of a ledger whose last line is incomplete: its process died while it wrote.
var ErrTorn = errors.New("the last line is incomplete")

// maxLine bounds a line; an event's body is not in it.
const maxLine = 64 << 10

// Lines reads a ledger. It ends with ErrTorn where the last line is incomplete, and with another error where any other line
// is not one.
func (s Source) Lines() iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		f, err := s.Open()
		if err != nil {
			yield(Line{}, fmt.Errorf("read ledger: %w", err))
			return
		}
		defer f.Close() //nolint:errcheck // it was only read
		for line, err := range parseLines(f) {
			if err != nil {
				err = fmt.Errorf("ledger %s: %w", s.Name, err)
			}
			if !yield(line, err) {
				return
			}
		}
	}
}

func parseLines(r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		in := bufio.NewReaderSize(r, maxLine)
		for n := 1; ; n++ {
			raw, err := in.ReadSlice('\n')
			switch {
			case errors.Is(err, io.EOF) && len(raw) == 0:
				return
			case errors.Is(err, io.EOF):
				yield(Line{}, ErrTorn)
				return
			case err != nil:
				yield(Line{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			line, err := ParseLine(bytes.TrimSuffix(raw, []byte{'\n'}))
			if err != nil {
				yield(Line{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}
