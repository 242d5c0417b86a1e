package cli

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// position is a place in a log as people write it: a time, an offset, or a distance from an end.
type position struct {
	kind   positionKind
	time   time.Time // atTime
	offset int64     // atOffset; the distance of fromStart and fromEnd
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
const positionGrammar = "10m, 2h30m, 3d (ago), 14:05, today, yesterday, 2026-01-31, RFC 3339, s/ms/µs/ns since 1970, earliest, latest, +10, -10"

// offsetGrammar is what --offset takes on top.
const offsetGrammar = "earliest, latest, 1234, +10, -10, 3:1234 (partition:offset), 0:12,1:40, @2h, @2h:@1h (from:to), @:@1h"

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
			at := func(day int) time.Time { // a day is not 24 hours where clocks change
				return time.Date(now.Year(), now.Month(), day, t.Hour(), t.Minute(), t.Second(), 0, zone)
			}
			if today := at(now.Day()); !today.After(now) {
				return today, nil
			}
			return at(now.Day() - 1), nil
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

// parsePosition reads a time, "earliest" or "latest", or a distance from one of those.
func parsePosition(s string, now time.Time, zone *time.Location) (position, error) {
	switch s {
	case "earliest", "oldest", "start", "beginning":
		return position{kind: earliest}, nil
	case "latest", "newest", "end":
		return position{kind: latest}, nil
	}
	for sign, kind := range map[string]positionKind{"+": fromStart, "-": fromEnd} {
		if n, ok := strings.CutPrefix(s, sign); ok {
			offset, err := parseNumber(n)
			return position{kind: kind, offset: offset}, err
		}
	}
	t, err := parseTime(s, now, zone)
	if err != nil {
		return position{}, err
	}
	return position{kind: atTime, time: t}, nil
}

// parseNumber reads an offset, or a distance: digits only.
func parseNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] < '0' || s[0] > '9' {
		return 0, fmt.Errorf("%q is not an offset", s)
	}
	return n, nil
}

// offsets are what --offset takes: a start and maybe an end, or where each of some partitions starts.
type offsets struct {
	from, to position
	starts   map[int32]int64
}

func parseOffset(s string, now time.Time, zone *time.Location) (o offsets, err error) {
	if times, ok := strings.CutPrefix(s, "@"); ok {
		first, second, both := strings.Cut(times, ":@")
		if o.from.kind = earliest; first != "" || !both {
			if o.from, err = parsePosition(first, now, zone); err != nil {
				return offsets{}, err
			}
		}
		if both {
			o.to, err = parsePosition(second, now, zone)
		}
		return o, err
	}
	if strings.Contains(s, ":") {
		o.starts = map[int32]int64{}
		for one := range strings.SplitSeq(s, ",") {
			partition, offset, _ := strings.Cut(one, ":")
			p, err := parseNumber(partition)
			if err != nil || p > math.MaxInt32 {
				return offsets{}, fmt.Errorf("%q is not a partition", partition)
			}
			if _, twice := o.starts[int32(p)]; twice {
				return offsets{}, fmt.Errorf("partition %d is there twice", p)
			}
			if o.starts[int32(p)], err = parseNumber(offset); err != nil {
				return offsets{}, err
			}
		}
		return o, nil
	}
	if n, err := parseNumber(s); err == nil {
		o.from = position{kind: atOffset, offset: n}
		return o, nil
	}
	if o.from, err = parsePosition(s, now, zone); err == nil && o.from.kind == atTime {
		err = fmt.Errorf("%q is not an offset", s) // times have an @ before them
	}
	return o, err
}
