package main

import (
	"fmt"
	"io"
	"time"
)

// listed is how many files of a kind are listed. The refused are all listed.
const listed = 20

// print writes the summary: the numbers first, then the files that are not among the stamped.
func (s summary) print(w io.Writer) {
	for _, row := range []struct {
		name  string
		count int
		note  string
	}{
		{"files", s.files, "regular files below the directory"},
		{"refused", len(s.refused), "unreadable, or too large for the bus"},
		{"requested", s.requested, "stamp requests, one per file"},
		{"stamped", s.stamped, "requests announced as stamped"},
		{"repeated", s.repeated, "announcements with an id seen before: earlier runs, redeliveries"},
		{"duplicates", len(s.duplicates), "files with more than one distinct announcement"},
		{"missing", len(s.missing), "requests without an announcement"},
		{"mismatches", len(s.mismatches), "files whose announced hash is not their BLAKE3"},
	} {
		fmt.Fprintf(w, "%-11s%8d  %s\n", row.name, row.count, row.note)
	}
	fmt.Fprintf(w, "%-11s%8s  %.0f stamps/s\n", "took", s.took.Round(time.Millisecond), float64(s.stamped)/max(s.took.Seconds(), 0.001))
	for _, r := range s.refused {
		fmt.Fprintf(w, "refused    %s: %s\n", r.path, r.reason)
	}
	for _, list := range []struct {
		name  string
		paths []string
	}{{"duplicate", s.duplicates}, {"missing", s.missing}, {"mismatch", s.mismatches}} {
		for i, path := range list.paths {
			if i == listed {
				fmt.Fprintf(w, "%-11sand %d more\n", list.name, len(list.paths)-i)
				break
			}
			fmt.Fprintf(w, "%-11s%s\n", list.name, path)
		}
	}
}
