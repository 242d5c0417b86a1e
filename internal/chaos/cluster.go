package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/omninode-ai/omnibus/internal/parts"
)

// victim is what a process fault can be done to.
type victim interface {
	hold(ctx context.Context) (release func(), err error)
	running() bool
	start(ctx context.Context) error
	kill() error
	stop(ctx context.Context, within time.Duration) error
	freeze() error
	thaw(ctx context.Context) error
}

// cluster is the broker of a run, or its brokers.
type cluster struct {
	embedded *player
	kafka    *parts.Cluster
}

// cacheDir is where Kafka's jars are.
const cacheDir = ".cache"

// startBroker starts the broker, or the nodes, that the profile wants.
func (r *run) startBroker(ctx context.Context) error {
	if r.profile.kafka > 0 {
		return r.startKafka(ctx)
	}
	ports, err := parts.FreePorts(1)
	if err != nil {
		return err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	r.addrs = []string{addr}
	p := newPlayer("broker/1", r.dir, r.failed, func(int) (orders, bool) {
		return orders{Role: roleBroker, Dir: filepath.Join(r.dir, dataDir), Listens: addr}, true
	})
	r.cluster.embedded, r.victims[p.name] = p, p
	return p.start(ctx)
}

func (r *run) startKafka(ctx context.Context) error {
	if err := parts.InstallKafka(ctx, cacheDir); err != nil {
		return err
	}
	// The cluster outlives an interrupt until it is stopped in order.
	c, err := parts.StartKafka(context.WithoutCancel(ctx), parts.Kafka{Nodes: r.profile.kafka, CacheDir: cacheDir})
	if err != nil {
		return err
	}
	r.cluster.kafka, r.addrs = c, c.Brokers()
	acting := make(chan struct{}, 1)
	for n := range r.profile.kafka {
		r.victims["broker/"+strconv.Itoa(n+1)] = kafkaNode{run: r, cluster: c, node: n + 1, acting: acting}
	}
	return nil
}

// stopBroker stops what startBroker started. The embedded broker must end in order.
func (r *run) stopBroker() error {
	switch {
	case r.cluster.kafka != nil:
		return r.cluster.kafka.Stop()
	case r.cluster.embedded != nil:
		return errors.Join(r.cluster.embedded.stop(context.Background(), stopWithin), r.cluster.embedded.end())
	}
	return nil
}

// awaitReplicas returns when every replica of every partition is in sync: before that, a further fault of a node would be one too
// many.
func (r *run) awaitReplicas(ctx context.Context) error {
	const within = 2 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		topics, err := r.bus.Topics(ctx, "*", "*.dlq", "_*")
		out := 0
		for _, t := range topics {
			for _, p := range t.Partitions {
				if len(p.InSync) < len(p.Replicas) || p.Leader < 0 {
					out++
				}
			}
		}
		if err == nil && out == 0 {
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%d partitions have replicas out of sync %v after the fault (%w)", out, within, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// kafkaNode is a node of a Kafka cluster. One node at a time: all nodes of a cluster share acting, so that two of three are
// always there.
type kafkaNode struct {
	run     *run
	cluster *parts.Cluster
	node    int
	acting  chan struct{} // capacity 1
}

func (k kafkaNode) hold(ctx context.Context) (release func(), err error) { return hold(ctx, k.acting) }

func (k kafkaNode) running() bool { return true }

func (k kafkaNode) start(ctx context.Context) error {
	began := time.Now()
	if err := k.cluster.Start(ctx, k.node); err != nil {
		return err
	}
	started := time.Now()
	err := k.run.awaitReplicas(ctx)
	k.run.note("node %d started in %v, and all replicas were in sync %v later", k.node, started.Sub(began), time.Since(started))
	return err
}

func (k kafkaNode) kill() error { return k.cluster.Kill(k.node) }

func (k kafkaNode) stop(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return k.cluster.Shut(ctx, k.node)
}

func (k kafkaNode) freeze() error { return k.cluster.Freeze(k.node) }

func (k kafkaNode) thaw(ctx context.Context) error {
	if err := k.cluster.Thaw(k.node); err != nil {
		return err
	}
	return k.run.awaitReplicas(ctx)
}
