package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/parts"
)

const (
	cacheDir     = ".cache"
	requirements = "interop/python/requirements.txt"
	nodePackages = "interop/node"
)

// onKafka returns the run of tests that find a Kafka cluster by the environment.
func onKafka(nodes int, tests command) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) (err error) {
		cluster, err := startKafka(ctx, w, nodes)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cluster.Stop()) }()
		tests.env = append(tests.env,
			"OMNIBUS_TEST_KAFKA="+strings.Join(cluster.Brokers(), ","),
			"OMNIBUS_TEST_KAFKA_NODES="+strconv.Itoa(nodes),
		)
		return tests.testing(ctx, w)
	}
}

// startKafka installs Kafka first, so that a step can be run alone on a new machine.
func startKafka(ctx context.Context, w io.Writer, nodes int) (*parts.Cluster, error) {
	if err := installParts(ctx, w); err != nil {
		return nil, err
	}
	return parts.StartKafka(ctx, parts.Kafka{Nodes: nodes, CacheDir: cacheDir})
}

// kafka runs a cluster for somebody who wants to look at it.
func kafka(ctx context.Context, w io.Writer, args []string) (err error) {
	nodes := 1
	if len(args) > 0 {
		if nodes, err = strconv.Atoi(args[0]); err != nil || nodes < 1 {
			return fmt.Errorf("kafka: the number of nodes is %q", args[0])
		}
	}
	cluster, err := startKafka(ctx, w, nodes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	addrs := strings.Join(cluster.Brokers(), ",")
	if _, err := fmt.Fprintf(w, "export KAFKA_BOOTSTRAP_SERVERS=%s\nexport OMNIBUS_TEST_KAFKA=%s OMNIBUS_TEST_KAFKA_NODES=%d\n",
		addrs, addrs, nodes); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
