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

func TestParseTimeKeepsTheClockWhereItChanges(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	evening := time.Date(2026, 3, 29, 18, 0, 0, 0, berlin) // of the day whose third hour is left out
	for in, want := range map[string]string{
		"14:05": "2026-03-29T14:05:00+02:00", "01:30": "2026-03-29T01:30:00+01:00", "19:00": "2026-03-28T19:00:00+01:00", "yesterday": "2026-03-28T00:00:00+01:00",
		"1d": "2026-03-28T17:00:00+01:00",
	} {
		if got, err := parseTime(in, evening, berlin); err != nil || got.In(berlin).Format(time.RFC3339) != want {
			t.Errorf("parseTime(%q) = %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestParsePositionReadsItsGrammar(t *testing.T) {
	for in, want := range map[string]position{
		"earliest": {kind: earliest}, "start": {kind: earliest}, "latest": {kind: latest}, "end": {kind: latest},
		"+10": {kind: fromStart, offset: 10}, "-10": {kind: fromEnd, offset: 10}, "2h": {kind: atTime, time: noon.Add(-2 * time.Hour)},
	} {
		got, err := parsePosition(in, noon, time.UTC)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(position{})); err != nil || diff != "" {
			t.Errorf("parsePosition(%q): %v (-want +got):\n%s", in, err, diff)
		}
	}
	for _, in := range []string{"", "10", "+", "-", "-5m", "+-1", "--1", "+1h", "3:1234"} {
		if got, err := parsePosition(in, noon, time.UTC); err == nil {
			t.Errorf("parsePosition(%q) = %+v, want an error", in, got)
		}
	}
}

func TestParseOffsetReadsItsGrammar(t *testing.T) {
	hour := position{kind: atTime, time: noon.Add(-time.Hour)}
	for in, want := range map[string]offsets{
		"earliest":         {from: position{kind: earliest}},
		"start":            {from: position{kind: earliest}},
		"latest":           {from: position{kind: latest}},
		"0":                {from: position{kind: atOffset}},
		"1234":             {from: position{kind: atOffset, offset: 1234}},
		"1772000000":       {from: position{kind: atOffset, offset: 1772000000}},
		"+10":              {from: position{kind: fromStart, offset: 10}},
		"-10":              {from: position{kind: fromEnd, offset: 10}},
		"3:1234":           {starts: map[int32]int64{3: 1234}},
		"0:12,1:40":        {starts: map[int32]int64{0: 12, 1: 40}},
		"@1h":              {from: hour},
		"@1772000000":      {from: position{kind: atTime, time: time.Unix(1772000000, 0).UTC()}},
		"@2h:@1h":          {from: position{kind: atTime, time: noon.Add(-2 * time.Hour)}, to: hour},
		"@earliest:@11:00": {from: position{kind: earliest}, to: hour},
		"@11:00":           {from: hour},
		"@:@1h":            {from: position{kind: earliest}, to: hour},
		"@-10:@-5":         {from: position{kind: fromEnd, offset: 10}, to: position{kind: fromEnd, offset: 5}},
	} {
		got, err := parseOffset(in, noon, time.UTC)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(position{}, offsets{})); err != nil || diff != "" {
			t.Errorf("parseOffset(%q): %v (-want +got):\n%s", in, err, diff)
		}
	}
	for _, in := range []string{
		"", "x", "-", "+", "--1", "1:2:3", "-1:5", "1:", ":1", "@", "@x", "@1h:@x", "@1h:@", "9999999999999999999999", "4294967296:1", "1h", "0:1,", "0:1,0:2", "0:1,5", "+1:2",
	} {
		if o, err := parseOffset(in, noon, time.UTC); err == nil {
			t.Errorf("parseOffset(%q) = %+v, want an error", in, o)
		}
	}
}

func FuzzParseOffset(f *testing.F) {
	for _, s := range []string{"earliest", "3:1234", "0:1,1:2", "@2h:@1h", "@:@1h", "+10", "-1", "1772000000", "14:05"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := parseOffset(s, noon, time.UTC)
		if err == nil && ((o.from.kind == unset) == (o.starts == nil) || o.from.offset < 0 || o.to.offset < 0) {
			t.Errorf("parseOffset(%q) = %+v", s, o)
		}
		for p, at := range o.starts {
			if p < 0 || at < 0 {
				t.Errorf("parseOffset(%q) = %+v", s, o)
			}
		}
		if at, err := parseTime(s, noon, time.UTC); err == nil && at.IsZero() && s != "0001-01-01" {
			t.Errorf("parseTime(%q) is the zero time", s)
		}
	})
}
