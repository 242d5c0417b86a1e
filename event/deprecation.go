package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Deprecation says that an event type should not be used any more. Its times are the beginnings of days in UTC, or zero.
type Deprecation struct {
	Since  time.Time
	Sunset time.Time // the last day on which it may be used
}

// parseDeprecation reads "x-deprecated": {"since": "2026-11-01", "sunset": "2027-05-31"}, both of which may be missing; true is
// neither of them.
func parseDeprecation(b json.RawMessage) (*Deprecation, error) {
	switch string(b) {
	case "", "false":
		return nil, nil //nolint:nilnil // it is not deprecated
	case "true":
		return &Deprecation{}, nil
	}
	var dates struct {
		Since  string `json:"since"`
		Sunset string `json:"sunset"`
	}
	if b[0] != '{' || jsonx.Unmarshal(b, &dates) != nil {
		return nil, errors.New(`x-deprecated: want {"since": "2026-11-01", "sunset": "2027-05-31"}`)
	}
	since, err := parseDay("x-deprecated.since", dates.Since)
	if err != nil {
		return nil, err
	}
	sunset, err := parseDay("x-deprecated.sunset", dates.Sunset)
	if err != nil {
		return nil, err
	}
	return &Deprecation{since, sunset}, nil
}

// parseDay is the beginning of a day in UTC, or the zero time of "".
func parseDay(member, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %q: want a date such as 2027-05-31", member, s)
	}
	return day, nil
}
