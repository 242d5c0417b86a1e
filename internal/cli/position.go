package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// position is a place in a log as people write it: a time, an offset, an offset of one partition, or a distance from an end.
type position struct {
	kind      positionKind
	time      time.Time // atTime
	offset    int64     // atOffset; the distance of fromStart and fromEnd
	partition int32     // atOffset; -1 is every partition
}

type positionKind int

const (
	unset positionKind = iota
	earliest
	latest
	atTime
	atOffset
	fromStart // offset records after the earliest
	fromEnd   // offset records before the latest
)

// positionGrammar is what the errors and the help say.
const positionGrammar = "10m, 2h30m, 3d (ago), 14:05, today, yesterday, 2026-01-31, an RFC 3339 time, seconds since 1970, earliest, latest"

// offsetGrammar is what --offset takes on top.
const offsetGrammar = "earliest, latest, 1234, +10, -10, 3:1234 (partition:offset), @2h:@1h (from:to)"

// parseTime reads a time: ago, of the day, a date, RFC 3339, or a number since 1970 in seconds, milli-, micro- or
// nanoseconds by its size.
func parseTime(s string, now time.Time, zone *time.Location) (time.Time, error) {
	now = now.In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	switch s {
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if d, ok := parseAgo(s); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			at := midnight.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second)
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			return at, nil
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	if epoch.MatchString(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err == nil {
			return fromEpoch(n), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", s)
}

var (
	epoch = regexp.MustCompile(`^\d{9,19}$`)
	ago   = regexp.MustCompile(`^(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?$`)
)

// parseAgo reads a duration with days: "3d", "2h30m".
func parseAgo(s string) (time.Duration, bool) {
	m := ago.FindStringSubmatch(s)
	if m == nil || s == "" {
		return 0, false
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return d, true
}

// fromEpoch takes n as seconds up to the year 5138, and as the next finer unit above that.
func fromEpoch(n int64) time.Time {
	switch {
	case n < 1e11:
		return time.Unix(n, 0).UTC()
	case n < 1e14:
		return time.UnixMilli(n).UTC()
	case n < 1e17:
		return time.UnixMicro(n).UTC()
	default:
		return time.Unix(0, n).UTC()
	}
}

// parsePosition reads a time, "earliest" or "latest".
func parsePosition(s string, now time.Time, zone *time.Location) (position, error) {
	switch s {
	case "earliest", "oldest", "start", "beginning":
		return position{kind: earliest, partition: -1}, nil
	case "latest", "newest", "end":
		return position{kind: latest, partition: -1}, nil
	}
	t, err := parseTime(s, now, zone)
	if err != nil {
		return position{}, err
	}
	return position{kind: atTime, time: t, partition: -1}, nil
}

// parseOffset reads what --offset takes: a start, and an end where one is given.
func parseOffset(s string, now time.Time, zone *time.Location) (from, to position, err error) {
	if times, ok := strings.CutPrefix(s, "@"); ok {
		first, second, both := strings.Cut(times, ":@")
		if from, err = parsePosition(first, now, zone); err != nil || !both {
			return from, position{}, err
		}
		to, err = parsePosition(second, now, zone)
		return from, to, err
	}
	from = position{partition: -1}
	number := s
	switch p, o, ok := strings.Cut(s, ":"); {
	case s == "earliest" || s == "latest":
		from, err = parsePosition(s, now, zone)
		return from, position{}, err
	case ok:
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil || n < 0 {
			return position{}, position{}, fmt.Errorf("%q is not an offset", s)
		}
		from.partition, number, from.kind = int32(n), o, atOffset
	case strings.HasPrefix(s, "+"):
		from.kind, number = fromStart, s[1:]
	case strings.HasPrefix(s, "-"):
		from.kind, number = fromEnd, s[1:]
	default:
		from.kind = atOffset
	}
	if from.offset, err = strconv.ParseInt(number, 10, 64); err != nil || from.offset < 0 {
		return position{}, position{}, fmt.Errorf("%q is not an offset", s)
	}
	return from, position{}, nil
}
