package bus_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func (r *logRig) committed(group string) map[string]int64 {
	r.tb.Helper()
	fetched, err := r.admin.FetchOffsets(r.tb.Context(), group)
	if err != nil {
		r.tb.Fatal(err)
	}
	out := map[string]int64{}
	fetched.Each(func(o kadm.OffsetResponse) { out[o.Topic+"/"+strconv.Itoa(int(o.Partition))] = o.At })
	return out
}

// resets is a rig with ten records in both partitions of t, one a minute, and group g at 4 and 10.
func resets(t *testing.T) (r *logRig, first time.Time) {
	r = newLogRig(t)
	r.create(2, nil, "t")
	first = time.Now().Add(-time.Hour)
	for i := range 10 {
		for p := range int32(2) {
			r.writeAt("t", p, first.Add(time.Duration(i)*time.Minute), "x")
		}
	}
	r.commit("g", "t", 0, 4)
	r.commit("g", "t", 1, 10)
	return r, first
}

func TestResetGoesWhereItIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, first := resets(t)
		r.commit("other", "t", 1, 7)
		for _, tt := range []struct {
			name          string
			reset         bus.Reset
			zero, one     int64
			again, passed [2]int64
		}{
			{name: "earliest", reset: bus.Reset{To: bus.FromStart(0)}, zero: 0, one: 0, again: [2]int64{4, 10}},
			{name: "latest", reset: bus.Reset{To: bus.FromEnd(0)}, zero: 10, one: 10, passed: [2]int64{6, 0}},
			{name: "a time", reset: bus.Reset{To: bus.AtTime(first.Add(150 * time.Second))}, zero: 3, one: 3, again: [2]int64{1, 7}},
			{name: "a time that nothing was written after", reset: bus.Reset{To: bus.AtTime(time.Now())}, zero: 10, one: 10, passed: [2]int64{6, 0}},
			{name: "an offset", reset: bus.Reset{To: bus.AtOffset(5)}, zero: 5, one: 5, again: [2]int64{0, 5}, passed: [2]int64{1, 0}},
			{name: "one partition", reset: bus.Reset{To: bus.FromStart(0), Partitions: []int32{1}}, zero: 4, one: 0, again: [2]int64{0, 10}},
			{name: "shifted back", reset: bus.Reset{Shift: -3}, zero: 1, one: 7, again: [2]int64{3, 3}},
			{name: "shifted beyond the end", reset: bus.Reset{Shift: 3}, zero: 7, one: 10, passed: [2]int64{3, 0}},
			{name: "the end, shifted", reset: bus.Reset{To: bus.FromEnd(0), Shift: -1}, zero: 9, one: 9, again: [2]int64{0, 1}, passed: [2]int64{5, 0}},
			{name: "positions", reset: bus.Reset{Positions: []bus.Coordinates{{Topic: "t", Partition: 1, Offset: 7}}}, zero: 4, one: 7, again: [2]int64{0, 3}},
		} {
			r.commit("g", "t", 0, 4)
			r.commit("g", "t", 1, 10)
			tt.reset.Group = "g"
			p, err := r.PlanReset(t.Context(), tt.reset)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if len(p.Moves) > 2 || p.New {
				t.Fatalf("%s: %+v", tt.name, p)
			}
			for _, m := range p.Moves {
				if m.Again != tt.again[m.Partition] || m.PassedOver != tt.passed[m.Partition] {
					t.Errorf("%s, partition %d: %d again, %d passed over; want %d, %d", tt.name, m.Partition, m.Again, m.PassedOver, tt.again[m.Partition], tt.passed[m.Partition])
				}
			}
			if diff := cmp.Diff(map[string]int64{"t/0": 4, "t/1": 10}, r.committed("g")); diff != "" {
				t.Errorf("%s: planning moved something (-want +got):\n%s", tt.name, diff)
			}
			if err := r.RunReset(t.Context(), p); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if diff := cmp.Diff(map[string]int64{"t/0": tt.zero, "t/1": tt.one}, r.committed("g")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	})
}

func TestResetOfAGroupThatIsNotThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := resets(t)
		if _, err := r.PlanReset(t.Context(), bus.Reset{Group: "nobody", To: bus.FromStart(0)}); !errors.Is(err, bus.ErrUnknownGroup) {
			t.Errorf("without topics: %v", err)
		}
		if _, err := r.PlanReset(t.Context(), bus.Reset{Group: "g", Topics: []event.Topic{"u"}, To: bus.FromStart(0)}); !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("unknown topic: %v", err)
		}
		if _, err := r.PlanReset(t.Context(), bus.Reset{Group: "g", Partitions: []int32{5}, To: bus.FromStart(0)}); !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("unknown partition: %v", err)
		}
		if _, err := r.PlanReset(t.Context(), bus.Reset{Group: "g", Positions: []bus.Coordinates{{Topic: "t", Partition: 7}}}); !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("position in an unknown partition: %v", err)
		}
		p, err := r.PlanReset(t.Context(), bus.Reset{Group: "fresh", Topics: []event.Topic{"t"}, To: bus.FromEnd(0)})
		if err != nil || !p.New || p.Changes() != 2 {
			t.Fatalf("%+v, %v", p, err)
		}
		if err := r.RunReset(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int64{"t/0": 10, "t/1": 10}, r.committed("fresh")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestResetRefusesAGroupWithMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := resets(t)
		early, err := r.PlanReset(t.Context(), bus.Reset{Group: "g", To: bus.FromStart(0)})
		if err != nil {
			t.Fatal(err)
		}
		r.join("g", "t")
		_, planned := r.PlanReset(t.Context(), bus.Reset{Group: "g", To: bus.FromStart(0)})
		for name, err := range map[string]error{"plan": planned, "run": r.RunReset(t.Context(), early)} {
			var active *bus.ActiveGroupError
			if !errors.As(err, &active) {
				t.Fatalf("%s: %v, want an ActiveGroupError", name, err)
			}
			want := []bus.Member{{InstanceID: "one", ClientID: "member", Assigned: map[event.Topic][]int32{"t": {0, 1}}}}
			if diff := cmp.Diff(want, active.Group.Members, cmpopts.IgnoreFields(bus.Member{}, "ID", "Host")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if !strings.Contains(err.Error(), "member@") {
				t.Errorf("%s names nobody: %v", name, err)
			}
		}
		if diff := cmp.Diff(map[string]int64{"t/0": 4, "t/1": 10}, r.committed("g")); diff != "" {
			t.Errorf("something moved (-want +got):\n%s", diff)
		}
	})
}

func TestResetRefusesAPlanThatIsOutOfDate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(r *logRig)
		says   string
	}{
		{"the group went on", func(r *logRig) { r.commit("g", "t", 0, 5) }, "t[0] was at 4, and is at 5 now"},
		{"the log was cut", func(r *logRig) {
			deleted, err := r.admin.DeleteRecords(r.tb.Context(), kadm.Offsets{"t": {0: kadm.Offset{Topic: "t", At: 3}}})
			if err := errors.Join(err, deleted.Error()); err != nil {
				r.tb.Fatal(err)
			}
		}, "t[0] holds offsets 3 to 10 now, and 0 is not among them"},
		{"the topic was made anew", func(r *logRig) {
			if err := r.DeleteTopics(r.tb.Context(), "t"); err != nil {
				r.tb.Fatal(err)
			}
			r.create(2, nil, "t")
		}, "t was deleted and made anew"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, _ := resets(t)
				p, err := r.PlanReset(t.Context(), bus.Reset{Group: "g", To: bus.FromStart(0)})
				if err != nil {
					t.Fatal(err)
				}
				tt.change(r)
				before := r.committed("g")
				var stale *bus.StalePlanError
				if err := r.RunReset(t.Context(), p); !errors.As(err, &stale) || stale.Changed[0] != tt.says {
					t.Errorf("got %v, want a StalePlanError that says %q", err, tt.says)
				}
				if diff := cmp.Diff(before, r.committed("g")); diff != "" {
					t.Errorf("something moved (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestPlansAreKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := resets(t)
		if _, err := r.KeptPlan(t.Context(), "00000000"); !errors.Is(err, bus.ErrUnknownPlan) {
			t.Errorf("before any was kept: %v", err)
		}
		kept, err := r.KeepPlan(t.Context(), "test", "ann@host", map[string]int{"n": 7})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.KeepPlan(t.Context(), "test", "ann@host", "another"); err != nil {
			t.Fatal(err)
		}
		got, err := r.KeptPlan(t.Context(), kept.ID)
		if err != nil || len(kept.ID) != 8 || string(got.Plan) != `{"n":7}` || !cmp.Equal(kept, got) {
			t.Errorf("kept %+v, found %+v, %v", kept, got, err)
		}
		if err := r.PlanDone(t.Context(), got, "bob@host"); err != nil {
			t.Fatal(err)
		}
		if got, err := r.KeptPlan(t.Context(), kept.ID); err != nil || got.DoneBy != "bob@host" || got.DoneAt.IsZero() {
			t.Errorf("when it is done: %+v, %v", got, err)
		}
	})
}

// resetHandlesEverythingAgain: what was settled beyond the committed position is forgotten where a group is moved, or those events
// would be passed over. A group with a member stays where it is.
func resetHandlesEverythingAgain(t *testing.T, r *stage) {
	var d diary
	failing := true
	handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		if key == "k00" && failing {
			return errors.New("not yet")
		}
		d.add("%s %s", key, n)
		return nil
	})
	c := r.group("g")
	c.Retry = []time.Duration{1000 * r.unit}
	stop := r.Go(c, handler)
	r.notes(10, 5)
	for len(d.all()) < 9*5 {
		pause(t.Context(), r.unit/10)
	}
	back := bus.Reset{Group: c.Group, To: bus.FromStart(0)}
	var active *bus.ActiveGroupError
	if _, err := r.PlanReset(t.Context(), back); !errors.As(err, &active) || len(active.Group.Members) != 1 || len(active.Group.Members[0].Assigned[r.topic]) != 2 {
		t.Errorf("with a member: %v", err)
	}
	stop()
	p, err := r.PlanReset(t.Context(), back)
	if err != nil {
		t.Fatal(err)
	}
	var again, passed int64
	for _, m := range p.Moves {
		again, passed = again+m.Again, passed+m.PassedOver
	}
	equal(t, "handled, and again", again, 45)
	equal(t, "passed over", passed, 0)
	if err := r.RunReset(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	failing = false
	stop = r.Go(c, handler)
	r.Settle()
	equal(t, "all that was handled", len(d.all()), 45+50)
	stop()
	forward, err := r.PlanReset(t.Context(), bus.Reset{Group: c.Group, Shift: -1})
	if err != nil {
		t.Fatal(err)
	}
	r.note("k00", 5)
	r.Go(c, handler)
	r.Settle()
	var stale *bus.StalePlanError
	if err := r.RunReset(t.Context(), forward); !errors.As(err, &stale) && !errors.As(err, &active) {
		t.Errorf("the group went on and has a member, and the reset says %v", err)
	}
}
