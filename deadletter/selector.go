package deadletter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// ErrNotFound means that no dead letter, or no job, is the one that was named.
var ErrNotFound = errors.New("not found")

// Selector chooses dead letters: those that fit all of its members. An empty member fits any. Error, time and state are those
// of the copy that stands for it.
type Selector struct {
	Topics       []event.Glob          `json:"topics,omitzero"` // where the events came from; a glob of dead-letter topics does as well
	Groups       []string              `json:"groups,omitzero"` // consumer groups
	Fingerprints []string              `json:"fingerprints,omitzero"`
	Classes      []string              `json:"classes,omitzero"`
	EventTypes   []event.Glob          `json:"event_types,omitzero"`
	Correlations []event.CorrelationID `json:"correlations,omitzero"`
	OriginFrom   time.Time             `json:"origin_from,omitzero"` // when the event was written
	OriginTo     time.Time             `json:"origin_to,omitzero"`   // itself not included
	FailedFrom   time.Time             `json:"failed_from,omitzero"`
	FailedTo     time.Time             `json:"failed_to,omitzero"`
	IDs          []string              `json:"ids,omitzero"` // ids, or "topic/partition@offset" in the dead-letter topic
	States       []State               `json:"states,omitzero"`
	Max          int                   `json:"max,omitzero"` // only the first of these, in the order of their failure; 0: all
}

// Empty reports whether s chooses everything.
func (s Selector) Empty() bool {
	return len(s.Topics)+len(s.Groups)+len(s.Fingerprints)+len(s.Classes)+len(s.EventTypes)+len(s.Correlations)+len(s.IDs)+len(s.States)+s.Max == 0 &&
		s.OriginFrom.IsZero() && s.OriginTo.IsZero() && s.FailedFrom.IsZero() && s.FailedTo.IsZero()
}

// check finds what can never choose anything.
func (s Selector) check() error {
	for _, state := range s.States {
		if !slices.Contains(States(), state) {
			return fmt.Errorf("state %q: want one of %v", state, States())
		}
	}
	for _, id := range s.IDs {
		if _, ok := ParseCoordinates(id); !ok && !isID(id) {
			return fmt.Errorf("dead letter %q: want an id such as 7k2m9qx4t0, or topic/partition@offset", id)
		}
	}
	if s.Max < 0 {
		return fmt.Errorf("max %d: want 0 or more", s.Max)
	}
	return nil
}

// globs are the topics to read.
func (s Selector) globs() []event.Glob {
	if len(s.Topics) > 0 {
		return s.Topics
	}
	globs := []event.Glob{}
	for _, id := range s.IDs {
		at, ok := ParseCoordinates(id)
		if !ok || !at.Topic.IsDLQ() {
			return []event.Glob{"*.dlq"}
		}
		if g := event.Glob(at.Topic); !slices.Contains(globs, g) {
			globs = append(globs, g)
		}
	}
	if len(globs) == 0 {
		return []event.Glob{"*.dlq"}
	}
	return globs
}

// fits tells for the copy that stands for a letter.
func (s Selector) fits(l Letter, copies []Letter) bool {
	return oneOf(s.Groups, l.Group) && oneOf(s.Fingerprints, l.Fingerprint) && oneOf(s.Classes, l.Class) &&
		oneOf(s.Correlations, l.CorrelationID) && oneOf(s.States, l.State) && matches(s.EventTypes, l.EventType) &&
		within(l.OriginTime, s.OriginFrom, s.OriginTo) && within(l.FailedAt, s.FailedFrom, s.FailedTo) && s.named(l, copies)
}

func (s Selector) named(l Letter, copies []Letter) bool {
	return len(s.IDs) == 0 || slices.ContainsFunc(s.IDs, func(id string) bool { return isNamed(id, l, copies) })
}

func isNamed(id string, l Letter, copies []Letter) bool {
	if id == l.ID {
		return true
	}
	at, ok := ParseCoordinates(id)
	return ok && slices.ContainsFunc(copies, func(c Letter) bool { return c.Coordinates() == at })
}

func oneOf[T comparable](wanted []T, have T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, have)
}

func matches(wanted []event.Glob, have event.Topic) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(g event.Glob) bool { return g.Match(have) })
}

func within(t, from, to time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to))
}

// missing are the ids of s that no letter has.
func (s Selector) missing(letters []Letter, copies map[string][]Letter) error {
	var none []string
	for _, id := range s.IDs {
		if !slices.ContainsFunc(letters, func(l Letter) bool { return isNamed(id, l, copies[l.Identity.key()]) }) {
			none = append(none, id)
		}
	}
	if len(none) > 0 {
		return fmt.Errorf("dead letter %s: %w", strings.Join(none, ", "), ErrNotFound)
	}
	return nil
}
