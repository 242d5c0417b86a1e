// Package targets knows how to measure whether a cluster meets the five targets of the bus: publish and processing latency,
// throughput, consumer lag, and the rate of dead letters. It uses the public API of bus only.
package targets

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// A Mode says what is measured.
type Mode string

// The modes. All measures the five targets: throughput first, then the latencies at the rate that was asked for.
const (
	All       Mode = ""
	Publish   Mode = "publish"   // publish latency, and how fast events are acknowledged
	RoundTrip Mode = "roundtrip" // the latencies and the lag at the rate that was asked for
	Consume   Mode = "consume"   // how fast a group handles what lies there
)

// Config says how to measure. Open is needed; the rest has defaults.
type Config struct {
	// Open opens a bus on the cluster with the catalogue and with what change sets.
	Open func(ctx context.Context, c *event.Catalog, change func(*bus.Config)) (*bus.Bus, error)
	Mode Mode
	// Rate is how many events a second are published while latencies are measured. Default 10,000.
	Rate float64
	// Duration is how long events are published, in all phases together. Default 15 s.
	Duration time.Duration
	// Size is the size of a payload in bytes, about. Default 1024, at least 64.
	Size int
	// Partitions of the topic. Default 6.
	Partitions int
	// Replication of the topic. Default 3, on fewer brokers as many as there are.
	Replication int
	// Keep leaves the topic and the group behind.
	Keep bool
	// Progress is told what happens now, how many events are done, and of how many; -1 is nobody knows. Default: nobody is.
	Progress func(phase string, done, total int)
}

func (c Config) withDefaults() Config {
	if c.Rate <= 0 {
		c.Rate = 10_000
	}
	if c.Duration <= 0 {
		c.Duration = 15 * time.Second
	}
	if c.Size <= 0 {
		c.Size = 1024
	}
	c.Size = max(c.Size, 64)
	if c.Partitions <= 0 {
		c.Partitions = 6
	}
	if c.Progress == nil {
		c.Progress = func(string, int, int) {}
	}
	return c
}

// Report is what was measured.
type Report struct {
	Name        string // of the run: the domain of its topic, and how its group's name begins
	Topic       event.Topic
	Mode        Mode
	Results     []Result
	Events      int // that were published
	Handled     int
	DeadLetters int
	Took        time.Duration
	Left        []string // topics and groups that could not be removed, or were to be kept
}

// Run measures, and removes what it made, also when ctx ends early. Where it returns an error the report tells at least what is
// left behind.
func Run(ctx context.Context, cfg Config) (rep Report, err error) {
	began := time.Now()
	cfg = cfg.withDefaults()
	r := &run{cfg: cfg, name: fmt.Sprintf("bench_%08x", rand.Uint32())}
	r.topic = event.Topic("omninode." + r.name + ".event.load.v1")
	rep = Report{Name: r.name, Topic: r.topic, Mode: cfg.Mode}
	catalog, err := event.NewCatalog(event.Spec{
		Topic: r.topic, Version: "1.0.0", Key: "key", Partitions: cfg.Partitions, Retention: 24 * time.Hour, Schema: []byte(loadSchema),
	})
	if err != nil {
		return rep, err
	}
	if r.b, err = cfg.Open(ctx, catalog, func(c *bus.Config) { c.Replication = cfg.Replication }); err != nil {
		return rep, err
	}
	defer func() {
		rep.Took = time.Since(began)
		if closed := r.b.Close(); err == nil {
			err = closed
		}
	}()
	defer func() { rep.Left = r.cleanUp(context.WithoutCancel(ctx)) }()
	if _, err := r.b.EnsureTopics(ctx); err != nil {
		return rep, err
	}
	if err := r.measure(ctx); err != nil {
		return rep, err
	}
	rep.Events, rep.Handled, rep.DeadLetters = int(r.published.Load()), int(r.handled.Load()), r.dead
	rep.Results = r.results()
	return rep, nil
}

// cleanUp removes the topic and the group of the run and returns what is left.
func (r *run) cleanUp(ctx context.Context) (left []string) {
	group, topic := "group "+r.group(), "topic "+string(r.topic)
	if r.cfg.Keep {
		return []string{topic, group}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for r.grouped {
		if r.b.DeleteGroups(ctx, r.group()) == nil {
			break
		}
		if !pause(ctx, 200*time.Millisecond) { // the cluster has not noticed yet that its member has left
			left = append(left, group)
			break
		}
	}
	if r.b.DeleteTopics(ctx, r.topic, r.topic.DLQ()) != nil {
		left = append(left, topic)
	}
	return left
}

// pause waits and tells whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
