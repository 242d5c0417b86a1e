package oneline_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/omninode-ai/omnibus/internal/oneline"
)

type empty struct{}

func (empty) Error() string   { return "nothing\n  below" }
func (empty) Unwrap() []error { return nil }

type end struct{}

func (end) Error() string { return "the end" }
func (end) Unwrap() error { return nil }

func TestCauseIsTheInnermostOnOneLine(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{io.EOF, "EOF"},
		{fmt.Errorf("read: %w", fmt.Errorf("block 3: %w", errors.New("bad\n\tsum"))), "bad sum"},
		{fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, io.EOF), "EOF"},
		{errors.Join(io.EOF, fmt.Errorf("second: %w", errors.New("last"))), "last"},
		{fmt.Errorf("outer: %w", empty{}), "nothing below"},
		{fmt.Errorf("outer: %w", end{}), "the end"},
	} {
		if got := oneline.Cause(tc.err); got != tc.want {
			t.Errorf("%q comes down to %q, want %q", tc.err, got, tc.want)
		}
	}
}
