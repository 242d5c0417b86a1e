//go:build parts && linux

package broker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"github.com/omninode-ai/omnibus/broker"
)

// TestRealDiskFillsUp needs the right to mount: the disk is a tmpfs of 64 MiB.
func TestRealDiskFillsUp(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("mount a small disk (this test needs root): %v", err)
	}
	defer func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	}()
	dir, ballast := filepath.Join(disk, "data"), filepath.Join(disk, "ballast")
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	cl := client(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(200))
	createTopic(t, cl, "app.a", 3)
	if err := os.WriteFile(ballast, make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}

	// A burst that is larger than the disk, from a client that waits.
	const records = 600
	acked := make(map[string]bool)
	done := make(chan error, records)
	go func() {
		for i := range records {
			r := &kgo.Record{Topic: "app.a", Key: fmt.Append(nil, i), Value: fmt.Appendf(make([]byte, 50_000), "%d", i)}
			cl.Produce(t.Context(), r, func(r *kgo.Record, err error) {
				if err == nil {
					acked[string(r.Key)] = true // one at a time
				}
				done <- err
			})
		}
	}()
	impatient := client(t, b, kgo.RecordRetries(0), kgo.DisableIdempotentWrite())
	var refused error
	for refused == nil {
		refused = impatient.ProduceSync(t.Context(), &kgo.Record{Topic: "app.a", Key: []byte("small"), Value: []byte("small")}).FirstErr()
	}
	if !errors.Is(refused, kerr.KafkaStorageError) {
		t.Errorf("a full disk answers %v, want %v", refused, kerr.KafkaStorageError)
	}
	if why := b.Degraded(); len(why) != 1 {
		t.Errorf("degraded: %q", why)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range records {
		if err := <-done; err != nil {
			t.Errorf("a record that waited for room: %v", err)
		}
	}
	impatient.Close()
	cl.Close()
	stop(t, b)
	b = start(t, broker.Config{Dir: dir})
	if !b.Recovery().Clean {
		t.Errorf("recovery: %+v", b.Recovery())
	}
	found := make(map[string]int)
	for _, r := range readRecords(t, client(t, b), "app.a") {
		found[string(r.Key)]++
	}
	for key := range acked {
		if found[key] != 1 {
			t.Errorf("acknowledged record %s is there %d times", key, found[key])
		}
	}
	stop(t, b)
}
