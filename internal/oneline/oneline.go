// Package oneline makes one line for people of what programs say.
package oneline

import "strings"

// Text is s with each run of white space as one space.
func Text(s string) string { return strings.Join(strings.Fields(s), " ") }

// Cause is the innermost cause of err, on one line: what each layer put before it is of no use to people. Of errors that were
// joined it is that of the last.
func Cause(err error) string {
	for {
		switch e := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			if len(all) == 0 {
				return Text(err.Error())
			}
			err = all[len(all)-1]
		case interface{ Unwrap() error }:
			next := e.Unwrap()
			if next == nil {
				return Text(err.Error())
			}
			err = next
		default:
			return Text(err.Error())
		}
	}
}
