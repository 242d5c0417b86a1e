//go:build parts

package parts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/internal/parts"
)

const cache = "../../.cache"

func TestOneNodeKeepsWhatIsProduced(t *testing.T) {
	c := start(t, 1)
	cl := client(t, c)
	createTopic(t, cl, 1)
	produceAndConsume(t, cl, 0)
}

func TestThreeNodesSurviveTheLossOfOne(t *testing.T) {
	c := start(t, 3)
	cl := client(t, c)
	createTopic(t, cl, 3)
	produceAndConsume(t, cl, 0)
	if err := c.Kill(1); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(1); err != nil {
		t.Errorf("second kill: %v", err)
	}
	produceAndConsume(t, cl, 1)
}

func TestKillOfANodeThatIsNotThere(t *testing.T) {
	if err := start(t, 1).Kill(2); err == nil {
		t.Error("no error")
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := parts.StartKafka(ctx, parts.Kafka{CacheDir: cache}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestStartWithoutInstallation(t *testing.T) {
	if _, err := parts.StartKafka(t.Context(), parts.Kafka{CacheDir: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v, want os.ErrNotExist", err)
	}
}

func TestANodeComesBackOnItsData(t *testing.T) {
	c := start(t, 1)
	cl := client(t, c)
	createTopic(t, cl, 1)
	produceAndConsume(t, cl, 0)
	if err := c.Kill(1); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	produceAndConsume(t, cl, 1)
	if err := errors.Join(c.Freeze(1), c.Thaw(1)); err != nil {
		t.Fatal(err)
	}
	produceAndConsume(t, cl, 2)
	if err := c.Shut(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	produceAndConsume(t, cl, 3)
	if err := c.Start(t.Context(), 2); err == nil {
		t.Error("a node that the cluster does not have was started")
	}
}

func start(t *testing.T, nodes int) *parts.Cluster {
	t.Helper()
	c, err := parts.StartKafka(t.Context(), parts.Kafka{Nodes: nodes, CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "omnibus-kafka-*")); len(left) > 0 {
			t.Logf("left by this or another run: %v", left)
		}
	})
	if got := len(c.Brokers()); got != nodes {
		t.Fatalf("%d addresses, want %d", got, nodes)
	}
	return c
}

const topic = "parts"

func client(t *testing.T, c *parts.Cluster) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(c.Brokers()...),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(100*time.Millisecond),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t *testing.T, cl *kgo.Client, replicas int16) {
	t.Helper()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 3, replicas, nil, topic); err != nil {
		t.Fatal(err)
	}
}

func produceAndConsume(t *testing.T, cl *kgo.Client, round int) {
	t.Helper()
	const n = 30
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want := map[string]bool{}
	for i := range n {
		value := fmt.Sprintf("%d/%d", round, i)
		want[value] = true
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(value), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for len(want) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("%v; %d records are missing", err, len(want))
		}
		for r := range fetches.RecordsAll() {
			delete(want, string(r.Value))
		}
	}
}
