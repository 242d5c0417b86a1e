package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEqualSeedsPlanEqualFaults(t *testing.T) {
	for name, p := range profiles() {
		a, b, other := draw(7, p.menu, p.cast, p.lasts), draw(7, p.menu, p.cast, p.lasts), draw(8, p.menu, p.cast, p.lasts)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s: two plans of one seed differ:\n%s", name, diff)
		}
		if len(a) > 0 && cmp.Equal(a, other) {
			t.Errorf("%s: two seeds plan the same", name)
		}
	}
}

func TestPlansHaveWhatTheirProfileSays(t *testing.T) {
	for name, p := range profiles() {
		want, got := map[string]int{}, map[string]int{}
		for _, d := range p.menu {
			who := d.who
			if who == "client" {
				who = "consumer"
			}
			want[string(d.kind)+" "+who] += d.count
		}
		known := map[string]bool{}
		for _, who := range []string{"consumer", "producer", "broker", "group", "dependency"} {
			for _, n := range p.cast.named(who) {
				known[n] = true
			}
		}
		for seed := range uint64(50) {
			clear(got)
			free := map[string]millis{}
			var last millis
			for _, f := range draw(seed, p.menu, p.cast, p.lasts) {
				role, _, _ := strings.Cut(f.Target, "/")
				if f.Kind == network {
					role = "consumer"
				}
				got[string(f.Kind)+" "+role]++
				if !known[f.Target] {
					t.Fatalf("%s: nobody is called %s", name, f.Target)
				}
				if f.At < last || f.At < free[f.Target] {
					t.Fatalf("%s, seed %d: %v at %d comes too early", name, seed, f, f.At)
				}
				last = f.At
				free[f.Target] = f.At + f.For
			}
			if last > inMillis(p.lasts+time.Minute) {
				t.Errorf("%s, seed %d: the last fault comes %d ms after the beginning", name, seed, last)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s, seed %d (-want +got):\n%s", name, seed, diff)
			}
		}
	}
}

func TestProfilesHaveTheTotals(t *testing.T) {
	total := func(p profile, k kind, who string) (n int) {
		for _, d := range p.menu {
			if d.kind == k && (who == "" || d.who == who) {
				n += d.count
			}
		}
		return n
	}
	all := profiles()
	for _, tt := range []struct {
		profile, who string
		kills        int
		events       int
	}{
		{"short", "", 10, 20_000},
		{"embedded", "consumer", 200, 1_000_000},
		{"embedded", "broker", 50, 1_000_000},
		{"kafka3", "consumer", 30, 300_000},
		{"kafka3", "broker", 30, 300_000},
	} {
		if p := all[tt.profile]; total(p, kill, tt.who) != tt.kills || p.events != tt.events {
			t.Errorf("%s: %d kills of %q and %d events, want %d and %d", tt.profile, total(p, kill, tt.who), tt.who, p.events, tt.kills, tt.events)
		}
	}
}

func TestPlanIsReadAsItWasWritten(t *testing.T) {
	p := profiles()["embedded"]
	want := plan{head{"embedded", 3, 100, 5000}, draw(3, p.menu, p.cast, p.lasts)}
	var b bytes.Buffer
	if err := want.write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := readPlan(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(plan{}), cmp.AllowUnexported(head{})); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestABrokenScheduleIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}", "x", "{\"profile\":\"short\"}\n{\"fault\":1}", "{\"profile\":\"short\"}\n{\"what\":\"x\"}"} {
		if _, err := readPlan(strings.NewReader(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
