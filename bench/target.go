package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/parts"
)

// target is the broker that everything is measured on. It runs in a process of its own, as "omnibus up" does, so that
// allocations and processor time counted here are the client's alone.
type target struct {
	name    string
	brokers []string
	stop    func() error
}

// childEnv tells the program that it is the broker, and where its data goes.
const childEnv = "OMNIBUS_BENCH_BROKER_DIR"

func start(ctx context.Context, kafka string) (*target, error) {
	switch kafka {
	case "":
		return startEmbedded(ctx)
	case "start":
		return startKafka(ctx)
	}
	return &target{name: "Kafka at " + kafka, brokers: strings.Split(kafka, ","), stop: func() error { return nil }}, nil
}

func startKafka(ctx context.Context) (*target, error) {
	cache := filepath.Join("..", ".cache")
	if err := parts.InstallKafka(ctx, cache); err != nil {
		return nil, err
	}
	// The cluster outlives an interrupt until Stop.
	cluster, err := parts.StartKafka(context.WithoutCancel(ctx), parts.Kafka{CacheDir: cache})
	if err != nil {
		return nil, err
	}
	return &target{name: "Apache Kafka " + parts.KafkaVersion + ", one node", brokers: cluster.Brokers(), stop: cluster.Stop}, nil
}

// startEmbedded starts this program again as the broker. The child ends when its standard input does.
func startEmbedded(ctx context.Context) (*target, error) {
	dir, err := os.MkdirTemp("", "omnibus-bench-")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(context.WithoutCancel(ctx), self)
	child.Env = append(os.Environ(), childEnv+"="+dir)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	stop := func() error {
		return errors.Join(in.Close(), child.Wait(), os.RemoveAll(dir))
	}
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		return nil, errors.Join(fmt.Errorf("start the broker: %w", err), stop())
	}
	return &target{name: "embedded broker, synchronous writes", brokers: []string{addr}, stop: stop}, nil
}

// serveAsChild runs the broker where this process was started for that.
func serveAsChild(in io.Reader, out, log io.Writer) (served bool, code int) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		return false, 0
	}
	b, err := broker.Start(context.Background(), broker.Config{Dir: dir})
	if err == nil {
		_, err = fmt.Fprintln(out, b.Addrs()[0])
		_, _ = io.Copy(io.Discard, in) // until the parent closes it or is gone
		err = errors.Join(err, b.Close())
	}
	if err != nil {
		_, _ = fmt.Fprintf(log, "broker: %v\n", err) // the parent notices the exit code
		return true, exitError
	}
	return true, 0
}

// topic makes a topic with its dead letters and returns its name, which no other call of this or another run has.
func (t *target) topic(ctx context.Context, base string, partitions int32) (name string, err error) {
	name = "bench." + base + "." + event.NewID().String()
	cl, err := kgo.NewClient(kgo.SeedBrokers(t.brokers...))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	for _, n := range withDLQ(name) {
		if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, n); err != nil {
			return "", fmt.Errorf("create topic %s: %w", n, err)
		}
	}
	return name, nil
}

// remove removes what topic made, also where ctx is over.
func (t *target) remove(ctx context.Context, name string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(t.brokers...))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err = kadm.NewClient(cl).DeleteTopics(ctx, withDLQ(name)...)
	return err
}

func withDLQ(topic string) []string { return []string{topic, string(event.Topic(topic).DLQ())} }

// onTopic runs fn with a topic of 6 partitions that is made before and removed afterwards.
func (t *target) onTopic(ctx context.Context, base string, fn func(topic string) error) error {
	name, err := t.topic(ctx, base, 6)
	if err != nil {
		return err
	}
	return errors.Join(fn(name), t.remove(ctx, name))
}

// open opens a bus whose event type of sample lies in topic.
func (t *target) open(ctx context.Context, topic string, v bus.Validation) (*bus.Bus, error) {
	return bus.Open(ctx, bus.Config{
		Brokers: t.brokers, Service: "bench", Catalog: contracts.Catalog(), Validation: v,
		Topics: map[event.Topic]event.Topic{eventType: event.Topic(topic)},
	})
}
