package main

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// tally joins what was asked for with what was announced, in whichever order the two become known. The key is the id of the
// request, which is the cause of the announcement.
type tally struct {
	mu        sync.Mutex
	requested map[event.ID]request
	seen      map[event.ID]*seen
	refused   []refusal
	stamped   int           // requests that this run has seen announced
	repeated  int           // announcements that came with an id seen before: of an earlier run, or delivered again
	moved     chan struct{} // capacity 1: "something was counted", for whoever waits
}

type request struct{ path, hash string }

type refusal struct{ path, reason string }

// seen is what was announced for one request.
type seen struct {
	ids     map[event.ID]bool
	hashes  map[string]bool
	thisRun bool
}

func newTally() *tally {
	return &tally{requested: make(map[event.ID]request), seen: make(map[event.ID]*seen), moved: make(chan struct{}, 1)}
}

// request counts a request, before it is published.
func (t *tally) request(id event.ID, r request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requested[id] = r
}

// refuse takes back the request id, if it was one: the file will not be stamped.
func (t *tally) refuse(id event.ID, r refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.requested, id)
	t.refused = append(t.refused, r)
}

// announce counts the announcement id of a stamp that was made because of request cause.
func (t *tally) announce(cause, id event.ID, hash string, thisRun bool) {
	t.mu.Lock()
	s := t.seen[cause]
	if s == nil {
		s = &seen{ids: make(map[event.ID]bool), hashes: make(map[string]bool)}
		t.seen[cause] = s
	}
	if s.ids[id] {
		t.repeated++
	}
	s.ids[id], s.hashes[hash] = true, true
	if _, ok := t.requested[cause]; ok && thisRun && !s.thisRun {
		t.stamped++
	}
	s.thisRun = s.thisRun || thisRun
	t.mu.Unlock()
	select {
	case t.moved <- struct{}{}:
	default:
	}
}

// counts are the numbers for the progress line.
func (t *tally) counts() (requested, stamped, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.requested), t.stamped, len(t.refused)
}

// summary is the result of a run.
type summary struct {
	files, requested, stamped, repeated int
	took                                time.Duration

	refused    []refusal
	duplicates []string // files with more than one distinct announcement, in this run and all earlier ones
	missing    []string // files that this run asked for without seeing an announcement
	mismatches []string // files whose announced hash is not the file's
}

// ok reports whether every request led to exactly one announcement, with the right hash.
func (s summary) ok() bool {
	return len(s.duplicates) == 0 && len(s.missing) == 0 && len(s.mismatches) == 0
}

func (t *tally) summary(files int) summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := summary{files: files, requested: len(t.requested), stamped: t.stamped, repeated: t.repeated, refused: slices.Clone(t.refused)}
	for id, r := range t.requested {
		got := t.seen[id]
		if got == nil || !got.thisRun {
			s.missing = append(s.missing, r.path)
		}
		if got == nil {
			continue
		}
		if len(got.ids) > 1 {
			s.duplicates = append(s.duplicates, r.path)
		}
		if !maps.Equal(got.hashes, map[string]bool{r.hash: true}) {
			s.mismatches = append(s.mismatches, r.path)
		}
	}
	slices.Sort(s.duplicates)
	slices.Sort(s.missing)
	slices.Sort(s.mismatches)
	slices.SortFunc(s.refused, func(a, b refusal) int { return strings.Compare(a.path, b.path) })
	return s
}
