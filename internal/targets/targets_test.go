package targets_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/targets"
)

func config(t *testing.T, mode targets.Mode) (targets.Config, *bus.Bus) {
	t.Helper()
	br, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
	open := func(ctx context.Context, c *event.Catalog, change func(*bus.Config)) (*bus.Bus, error) {
		cfg := bus.Config{Brokers: br.Addrs(), Service: "targets-test", Catalog: c}
		change(&cfg)
		return bus.Open(ctx, cfg)
	}
	empty, err := event.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	look, err := open(t.Context(), empty, func(*bus.Config) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := look.Close(); err != nil {
			t.Error(err)
		}
	})
	return targets.Config{Open: open, Mode: mode, Rate: 500, Duration: 600 * time.Millisecond, Size: 200, Partitions: 2}, look
}

// nothingLeft fails where a topic or a group of a run is still there.
func nothingLeft(t *testing.T, b *bus.Bus) {
	t.Helper()
	infos, err := b.Topics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		t.Errorf("topic %s is left behind", i.Name)
	}
	groups, err := b.Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		t.Errorf("group %s is left behind", g.Name)
	}
}

func TestEachModeMeasuresItsTargetsAndCleansUp(t *testing.T) {
	for _, c := range []struct {
		mode    targets.Mode
		metrics string
	}{
		{targets.All, "Event Publishing Latency (p95), Event Processing Latency (p95), Event Throughput, Consumer Lag (p99), Dead Letter Rate"},
		{targets.Publish, "Event Publishing Latency (p95), Event Throughput"},
		{targets.RoundTrip, "Event Publishing Latency (p95), Event Processing Latency (p95), Consumer Lag (p99), Dead Letter Rate"},
		{targets.Consume, "Event Throughput, Dead Letter Rate"},
	} {
		t.Run("mode "+string(c.mode), func(t *testing.T) {
			cfg, look := config(t, c.mode)
			rep, err := targets.Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			var metrics []string
			for _, r := range rep.Results {
				metrics = append(metrics, r.Metric)
				if r.Count == 0 || r.Current == "" || r.Limit <= 0 {
					t.Errorf("%s: nothing was measured: %+v", r.Metric, r)
				}
				if r.P95 > 0 && (r.P50 > r.P95 || r.P95 > r.P99) {
					t.Errorf("%s: p50 %v, p95 %v, p99 %v", r.Metric, r.P50, r.P95, r.P99)
				}
			}
			if got := strings.Join(metrics, ", "); got != c.metrics {
				t.Errorf("it measures %s, want %s", got, c.metrics)
			}
			if rep.Events == 0 || rep.DeadLetters != 0 || c.mode != targets.Publish && rep.Handled < rep.Events {
				t.Errorf("%d events, %d handled, %d dead letters", rep.Events, rep.Handled, rep.DeadLetters)
			}
			if len(rep.Left) > 0 {
				t.Errorf("it says that it left %v", rep.Left)
			}
			nothingLeft(t, look)
		})
	}
}

func TestInterruptedRunCleansUp(t *testing.T) {
	cfg, look := config(t, targets.All)
	cfg.Duration = time.Minute
	ctx, stop := context.WithCancel(t.Context())
	cfg.Progress = func(phase string, done, _ int) {
		if phase == "published" && done > 0 {
			stop()
		}
	}
	rep, err := targets.Run(ctx, cfg)
	if !errors.Is(err, context.Canceled) || len(rep.Left) > 0 {
		t.Errorf("it ends with %v and leaves %v", err, rep.Left)
	}
	nothingLeft(t, look)
}

func TestKeepLeavesTopicAndGroup(t *testing.T) {
	cfg, look := config(t, targets.Consume)
	cfg.Keep, cfg.Duration = true, 100*time.Millisecond
	rep, err := targets.Run(t.Context(), cfg)
	if err != nil || len(rep.Left) != 2 {
		t.Fatalf("%v, left %v", err, rep.Left)
	}
	if infos, err := look.Topics(t.Context(), event.Glob(rep.Topic)); err != nil || len(infos) != 1 {
		t.Errorf("the topic is not there: %v", err)
	}
}
