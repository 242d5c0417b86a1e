package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/contracts"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/services/bridge"
)

// withBridge runs the bridge until the test ends.
func withBridge(t *testing.T, b *bustest.Bench) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- bridge.Run(ctx, b.Bus, bridge.Config{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("bridge: %v", err)
		}
	})
}

func goThrough(t *testing.T, b *bustest.Bench, root string) summary {
	t.Helper()
	r := &run{bus: b.Bus, root: root, patience: time.Minute, progress: &progress{w: io.Discard}}
	s, err := r.everyFile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.took = 0
	return s
}

func directory(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, "a.txt", "abc")
	write(t, root, "same.txt", "abc")
	write(t, root, "sub/b.bin", "\xff\xfe\x00")
	write(t, root, "sub/empty", "")
	write(t, root, "stamped.txt", "# ONEX:uid=2a8ad3c9-6b49-5397-89eb-a132332c43eb,hash="+strings.Repeat("0", 64)+",ts=2026-11-24T12:00:00Z\nabc")
	write(t, root, "large", strings.Repeat("x", sizeLimit+1))
	write(t, root, "large when quoted", strings.Repeat("\n", sizeLimit*2/3))
	return root
}

func TestEveryFileIsStampedOnceHoweverOftenItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		withBridge(t, b)
		root := directory(t)
		for again := range 3 {
			got := goThrough(t, b, root)
			want := summary{files: 7, requested: 5, stamped: 5, repeated: 5 * again}
			if diff := cmp.Diff(want, withoutRefused(got), cmp.AllowUnexported(summary{}, refusal{})); diff != "" {
				t.Errorf("run %d (-want +got):\n%s", again+1, diff)
			}
			if len(got.refused) != 2 || got.refused[0].path != "large" || got.refused[1].path != "large when quoted" {
				t.Errorf("run %d: refused %v, want the two large files", again+1, got.refused)
			}
			if !got.ok() {
				t.Errorf("run %d is not well", again+1)
			}
		}
		ids := make(map[event.ID]bool)
		for _, s := range bustest.Published[contract.MetadataStamped](b) {
			ids[s.Envelope.ID] = true
		}
		if len(ids) != 5 {
			t.Errorf("%d distinct announcements after three runs, want 5", len(ids))
		}
	})
}

func withoutRefused(s summary) summary {
	s.refused = nil
	return s
}

func TestADirectoryElsewhereIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		withBridge(t, b)
		goThrough(t, b, directory(t))
		if got := goThrough(t, b, directory(t)); got.repeated != 0 || got.stamped != 5 {
			t.Errorf("%d stamped, %d of them before, want 5 and none", got.stamped, got.repeated)
		}
	})
}

func TestARunWithoutABridgeTellsWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		got := goThrough(t, b, directory(t))
		if got.requested != 5 || len(got.missing) != 5 || got.ok() {
			t.Errorf("%d requested, %v missing, want 5 each", got.requested, got.missing)
		}
	})
}

func TestAStoppedRunGoesOnWithoutDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		root := directory(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel) // nothing answers yet
		r := &run{bus: b.Bus, root: root, patience: time.Minute, progress: &progress{w: io.Discard}}
		if _, err := r.everyFile(ctx); err == nil {
			t.Error("a stopped run has no error")
		}
		withBridge(t, b) // answers both the first run's requests and the second's
		got := goThrough(t, b, root)
		if got.stamped != 5 || !got.ok() {
			t.Errorf("%d stamped, %d doubled, want 5 and none", got.stamped, len(got.duplicates))
		}
	})
}

// A responder that announces the wrong thing, or the same thing under new ids, is found out.
func TestAWrongResponderIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		root := t.TempDir()
		write(t, root, "a.txt", "abc")
		b.Go(bus.Consumer{Group: "wrong"}, bus.Handle(func(ctx context.Context, e bus.Event[contract.StampRequest]) error {
			for range 2 {
				if _, err := b.Publish(ctx, contract.MetadataStamped{BLAKE3Hash: strings.Repeat("0", 64), Namespace: "n"}); err != nil {
					return err
				}
			}
			return nil
		}))
		first := goThrough(t, b, root)
		if len(first.mismatches) != 1 {
			t.Errorf("mismatches %v, want the file", first.mismatches)
		}
		if again := goThrough(t, b, root); len(again.duplicates) != 1 {
			t.Errorf("duplicates %v, want the file", again.duplicates)
		}
	})
}

func TestCommandGoesThroughADirectory(t *testing.T) {
	br, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
	withBridge(t, bustest.Over(t, bus.Config{Brokers: br.Addrs(), Service: "test", Catalog: contracts.Catalog()}))
	t.Setenv(envBrokers, br.Addrs()[0])
	var out, progress strings.Builder
	if code := command(t.Context(), []string{directory(t)}, &out, &progress); code != 0 {
		t.Errorf("exit code %d with %q, want 0", code, progress.String())
	}
	for _, want := range []string{"files             7  ", "stamped           5  ", "duplicates        0  ", "refused    large: 1000001 bytes"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if !strings.Contains(progress.String(), "5 of 7 stamped, 2 refused") {
		t.Errorf("progress %q does not end with the result", progress.String())
	}
}

func TestAStoppedCommandSaysHowToGoOn(t *testing.T) {
	t.Setenv(envBrokers, "localhost:9092")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, progress strings.Builder
	if code := command(ctx, []string{"-wait", "1m", "some/dir"}, &out, &progress); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if want := "go run ./examples/stampdir -wait 1m some/dir"; !strings.Contains(progress.String(), want) {
		t.Errorf("%q does not say %q", progress.String(), want)
	}
}

func TestSummaryCutsLongLists(t *testing.T) {
	s := summary{files: 1}
	for i := range 25 {
		s.missing = append(s.missing, fmt.Sprintf("file%d", i))
		s.refused = append(s.refused, refusal{fmt.Sprintf("big%d", i), "too large"})
	}
	var out strings.Builder
	s.print(&out)
	for want, n := range map[string]int{"missing    file": 20, "missing    and 5 more": 1, "refused    big": 25} {
		if got := strings.Count(out.String(), want); got != n {
			t.Errorf("%d lines with %q, want %d", got, want, n)
		}
	}
}

func TestCommandRefusesAWrongCall(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}, {"-x"}} {
		var out strings.Builder
		if code := command(t.Context(), args, &out, &out); code != 2 || !strings.Contains(out.String(), "usage") {
			t.Errorf("%q: exit code %d with %q, want 2 and the usage", args, code, out.String())
		}
	}
}

func TestCommandSaysThatTheBusIsAway(t *testing.T) {
	t.Setenv(envBrokers, "localhost:9092") // the flag goes before it
	var out strings.Builder
	if code := command(t.Context(), []string{"-b", "127.0.0.1:1", t.TempDir()}, &out, &out); code != 4 || !strings.Contains(out.String(), "127.0.0.1:1") {
		t.Errorf("exit code %d with %q, want 4 and the address", code, out.String())
	}
}
