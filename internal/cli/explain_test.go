package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/registry"
	"github.com/omninode-ai/omnibus/stack"
)

func TestExplainGivesEveryErrorItsCodeAndANextStep(t *testing.T) {
	settings, err := resolve(t.TempDir(), environment{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := func(err error) error {
		return fmt.Errorf("doing this: %w", &bus.Error{Op: "publish", Topic: "a.b", Partition: -1, Offset: -1, Err: fmt.Errorf("%w: %w", err, errors.New("inside out"))})
	}
	for _, c := range []struct {
		name string
		err  error
		code string
	}{
		{"nobody knows it", fmt.Errorf("doing this: %w", errors.New("boom")), "OMB-0101"},
		{"disk full", fmt.Errorf("%w: %w", stack.ErrBroker, errors.New("no space left")), "OMB-0102"},
		{"unknown topic", wrapped(bus.ErrUnknownTopic), "OMB-0301"},
		{"log cut", wrapped(bus.ErrTruncated), "OMB-0306"},
		{"topic deleted under a consumer", fmt.Errorf("service x: %w", &bus.Error{Op: "consume", Topic: "a.b", Partition: -1, Offset: -1, Err: fmt.Errorf("%w: the topic was deleted", bus.ErrUnknownTopic)}), "OMB-0301"},
		{"log cut under a consumer", fmt.Errorf("service x: %w", &bus.Error{Op: "fetch", Topic: "a.b", Partition: 0, Offset: -1, Err: fmt.Errorf("%w: group stands outside", bus.ErrTruncated)}), "OMB-0306"},
		{"away", wrapped(bus.ErrUnreachable), "OMB-0401"},
		{"hung up", fmt.Errorf("%w: %w", bus.ErrUnreachable, io.EOF), "OMB-0401"},
		{"cannot listen", &stack.ListenError{Addr: "192.0.2.1:80", Err: errors.New("cannot assign")}, "OMB-0402"},
		{"login", wrapped(bus.ErrUnauthorized), "OMB-0501"},
		{"outcome", fmt.Errorf("%w: %w", bus.ErrUnknown, context.DeadlineExceeded), "OMB-0602"},
		{"unresolved", &bus.UnresolvedError{Count: 3}, "OMB-0602"},
		{"no dual", &bus.Error{Op: "publish", Topic: "a.v2", Err: &bus.DualError{Event: bus.Coordinates{Topic: "a.v2"}, Dual: "a.v1", Err: bus.ErrUnreachable}}, "OMB-0602"},
		{"deadline", fmt.Errorf("lag: %w", context.DeadlineExceeded), "OMB-0601"},
		{"abandoned", &bus.AbandonedError{Group: "g", Events: make([]bus.Coordinates, 2)}, "OMB-0601"},
		{"invalid", wrapped(bus.ErrInvalid), "OMB-0704"},
		{"too large", wrapped(bus.ErrTooLarge), "OMB-0703"},
		{"damaged", &broker.CorruptError{File: "a", Offset: 7, Why: "checksum"}, "OMB-0707"},
		{"port", &broker.PortTakenError{Addr: "127.0.0.1:9092", PID: 12, Process: "java"}, "OMB-0901"},
		{"directory", &broker.DirInUseError{Dir: "d", PID: 12}, "OMB-0902"},
		{"registry that does not write", &registry.Error{Code: 50003, Message: "the writer is elsewhere"}, "OMB-0914"},
		{"topic of schemas", fmt.Errorf("schema registry: %w", &registry.UnfitTopicError{What: "it has 3 partitions", Fix: "make it anew"}), "OMB-0915"},
		{"served", &stack.ServedError{Service: "bridge", Topic: "a.b", Group: "g"}, "OMB-0906"},
	} {
		a := &app{settings: settings}
		f := a.explain(c.err)
		if f.code.String() != c.code {
			t.Errorf("%s: %s, want %s", c.name, f.code, c.code)
		}
		if f.cause == "" || len(f.fixes) == 0 {
			t.Errorf("%s: no cause or no next step: %+v", c.name, f)
		}
		if text := f.message + f.cause; strings.Contains(text, "doing this") || strings.Contains(text, "publish a.b") {
			t.Errorf("%s: the text shows the chain: %s", c.name, text)
		}
	}
}

func TestLagIsUnknownWhereOnePartitionIs(t *testing.T) {
	one, seconds := int64(1), 2.0
	known := partitionLag{Group: "g", Messages: &one, Seconds: &seconds}
	g := sumLag("g", []partitionLag{known, known, {Group: "other", Messages: &one, Seconds: &seconds}})
	if g.Messages == nil || *g.Messages != 2 || *g.Seconds != 2 || g.Partitions != 2 {
		t.Errorf("two known partitions sum up to %+v", g)
	}
	g = sumLag("g", []partitionLag{known, {Group: "g", Why: "no leader"}})
	if g.Messages != nil || g.Seconds != nil || g.Unknown != 1 || !strings.Contains(g.Why, "no leader") {
		t.Errorf("with one unknown partition: %+v", g)
	}
	if (&threshold{messages: 1000}).judge([]groupLag{g}) == nil {
		t.Error("an unknown lag passes the check")
	}
	if g := sumLag("g", nil); g.Messages != nil || g.Why == "" {
		t.Errorf("without partitions: %+v", g)
	}
}

func TestSelftestIsJudgedByItsWorstLine(t *testing.T) {
	doc := selftestDoc{Promises: []selftestItem{{Promise: "P1", Verdict: "held"}}}
	if err := doc.judge(); err != nil {
		t.Errorf("all held: %v", err)
	}
	for _, c := range []struct {
		verdict string
		code    code
	}{{"not tested", codePartial}, {"NOT HELD", codePromise}} { // the second comes to the first
		doc.Promises = append(doc.Promises, selftestItem{Promise: "P4", Verdict: c.verdict, Evidence: "seen"})
		f, ok := asFailure(doc.judge())
		if !ok || f.code != c.code || f.cause != "seen" || len(f.fixes) == 0 {
			t.Errorf("with one that is %s: %+v", c.verdict, f)
		}
	}
}
