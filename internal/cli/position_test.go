package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func TestParseTimeReadsItsGrammar(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	for _, c := range []struct {
		in   string
		zone *time.Location
		want string
	}{
		{"10m", time.UTC, "2026-03-10T11:50:00Z"},
		{"2h30m", time.UTC, "2026-03-10T09:30:00Z"},
		{"3d", time.UTC, "2026-03-07T12:00:00Z"},
		{"1d2h3m4s", time.UTC, "2026-03-09T09:56:56Z"},
		{"now", time.UTC, "2026-03-10T12:00:00Z"},
		{"today", time.UTC, "2026-03-10T00:00:00Z"},
		{"today", berlin, "2026-03-09T23:00:00Z"},
		{"yesterday", time.UTC, "2026-03-09T00:00:00Z"},
		{"11:05", time.UTC, "2026-03-10T11:05:00Z"},
		{"14:05", time.UTC, "2026-03-09T14:05:00Z"}, // not yet today
		{"11:05:30", berlin, "2026-03-10T10:05:30Z"},
		{"2026-03-01", time.UTC, "2026-03-01T00:00:00Z"},
		{"2026-03-01", berlin, "2026-02-28T23:00:00Z"},
		{"2026-03-01 08:30", time.UTC, "2026-03-01T08:30:00Z"},
		{"2026-03-01T08:30:15", time.UTC, "2026-03-01T08:30:15Z"},
		{"2026-03-01T08:30:15.25+02:00", time.UTC, "2026-03-01T06:30:15.25Z"},
		{"1772000000", time.UTC, "2026-02-25T06:13:20Z"},
		{"1772000000123", time.UTC, "2026-02-25T06:13:20.123Z"},
		{"1772000000123456", time.UTC, "2026-02-25T06:13:20.123456Z"},
		{"1772000000123456789", time.UTC, "2026-02-25T06:13:20.123456789Z"},
	} {
		got, err := parseTime(c.in, noon, c.zone)
		if err != nil {
			t.Errorf("parseTime(%q): %v", c.in, err)
			continue
		}
		if text := got.UTC().Format(time.RFC3339Nano); text != c.want {
			t.Errorf("parseTime(%q) in %s = %s, want %s", c.in, c.zone, text, c.want)
		}
	}
}

func TestParseTimeRefusesTheRest(t *testing.T) {
	for _, in := range []string{"", "m", "10", "10x", "-5m", "5m10h", "25:00", "tomorrow", "2026-13-01", "99999999999999999999", " 5m"} {
		if got, err := parseTime(in, noon, time.UTC); err == nil {
			t.Errorf("parseTime(%q) = %s, want an error", in, got)
		}
	}
}

func TestParseOffsetReadsItsGrammar(t *testing.T) {
	allow := cmp.AllowUnexported(position{})
	for _, c := range []struct {
		in       string
		from, to position
	}{
		{"earliest", position{kind: earliest, partition: -1}, position{}},
		{"latest", position{kind: latest, partition: -1}, position{}},
		{"0", position{kind: atOffset, partition: -1}, position{}},
		{"1234", position{kind: atOffset, offset: 1234, partition: -1}, position{}},
		{"+10", position{kind: fromStart, offset: 10, partition: -1}, position{}},
		{"-10", position{kind: fromEnd, offset: 10, partition: -1}, position{}},
		{"3:1234", position{kind: atOffset, offset: 1234, partition: 3}, position{}},
		{"@2h", position{kind: atTime, time: noon.Add(-2 * time.Hour), partition: -1}, position{}},
		{"@2h:@1h", position{kind: atTime, time: noon.Add(-2 * time.Hour), partition: -1}, position{kind: atTime, time: noon.Add(-time.Hour), partition: -1}},
		{"@earliest:@11:00", position{kind: earliest, partition: -1}, position{kind: atTime, time: noon.Add(-time.Hour), partition: -1}},
	} {
		from, to, err := parseOffset(c.in, noon, time.UTC)
		if err != nil {
			t.Errorf("parseOffset(%q): %v", c.in, err)
			continue
		}
		if diff := cmp.Diff([2]position{c.from, c.to}, [2]position{from, to}, allow); diff != "" {
			t.Errorf("parseOffset(%q) (-want +got):\n%s", c.in, diff)
		}
	}
	for _, in := range []string{"", "x", "-", "+", "--1", "1:2:3", "-1:5", "1:", ":1", "@", "@x", "@1h:@x", "9999999999999999999999", "4294967296:1"} {
		if from, _, err := parseOffset(in, noon, time.UTC); err == nil {
			t.Errorf("parseOffset(%q) = %+v, want an error", in, from)
		}
	}
}

func FuzzParseOffset(f *testing.F) {
	for _, s := range []string{"earliest", "3:1234", "@2h:@1h", "+10", "-1", "1772000000", "14:05"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, err := parseOffset(s, noon, time.UTC)
		if err == nil && (from.kind == unset || from.offset < 0 || from.partition < -1 || to.offset < 0) {
			t.Errorf("parseOffset(%q) = %+v, %+v", s, from, to)
		}
		if at, err := parseTime(s, noon, time.UTC); err == nil && at.IsZero() && s != "0001-01-01" {
			t.Errorf("parseTime(%q) is the zero time", s)
		}
	})
}
