package broker_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/internal/inside"
)

// startOn starts a broker on a disk of the test's making.
func startOn(t *testing.T, cfg broker.Config, space func() (free, total int64, err error)) *broker.Broker {
	t.Helper()
	b, err := broker.Start(inside.WithSpace(t.Context(), space), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFullDiskRefusesWhatWritesAndGoesOnByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gib = int64(1 << 30)
		var free atomic.Int64
		free.Store(gib)
		var n broker.Network
		dir := t.TempDir()
		b := startOn(t, broker.Config{Dir: dir, Network: &n}, func() (int64, int64, error) { return free.Load(), 100 * gib, nil })
		defer stop(t, b)
		cl := client(t, b, kgo.Dialer(n.Dial), kgo.RecordDeliveryTimeout(3*time.Second), kgo.RetryTimeout(3*time.Second))
		adm := kadm.NewClient(cl)
		createTopic(t, cl, "app.a", 1)
		produce(t, cl, "app.a", "1")
		commit(t, cl, "g", "app.a", 1)
		if why := b.Degraded(); len(why) > 0 {
			t.Errorf("degraded with %d bytes free: %q", gib, why)
		}

		free.Store(255 << 20) // the default is 256 MiB of a disk of 100 GiB
		<-time.After(time.Second)
		tried := make(chan error, 1)
		refused := client(t, b, kgo.Dialer(n.Dial), kgo.RecordRetries(0), kgo.DisableIdempotentWrite())
		refused.Produce(t.Context(), &kgo.Record{Topic: "app.a", Value: []byte("refused")}, func(_ *kgo.Record, err error) { tried <- err })
		if err := <-tried; !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("produce on a full disk: %v, want %v", err, kerr.KafkaStorageError)
		}
		if res, err := adm.CreateTopics(t.Context(), 1, 1, nil, "app.b"); err == nil && !errors.Is(res["app.b"].Err, kerr.KafkaStorageError) {
			t.Errorf("create a topic on a full disk: %v, want %v", res["app.b"].Err, kerr.KafkaStorageError)
		}
		var o kadm.Offsets
		o.AddOffset("app.a", 0, 7, -1)
		if err := adm.CommitAllOffsets(t.Context(), "g", o); !errors.Is(err, kerr.CoordinatorNotAvailable) {
			t.Errorf("commit on a full disk: %v, want %v", err, kerr.CoordinatorNotAvailable)
		}
		if why := b.Degraded(); len(why) != 1 || !strings.Contains(why[0], " and 256 MiB are kept free") {
			t.Errorf("degraded: %q, want what is free and what is kept free", why)
		}
		if got := read(t, cl, "app.a"); len(got) != 1 {
			t.Errorf("a full disk cannot be read: %q", got)
		}

		var waiting error
		done := make(chan struct{})
		patient := client(t, b, kgo.Dialer(n.Dial))
		patient.Produce(t.Context(), &kgo.Record{Topic: "app.a", Value: []byte("2")}, func(_ *kgo.Record, err error) { waiting = err; close(done) })
		<-time.After(10 * time.Second)
		free.Store(gib)
		<-done
		if waiting != nil {
			t.Errorf("produce that waited for room: %v", waiting)
		}
		commit(t, cl, "g", "app.a", 2)
		if why := b.Degraded(); len(why) > 0 {
			t.Errorf("degraded with room again: %q", why)
		}
		if diff := cmp.Diff([]string{"1", "2"}, read(t, cl, "app.a")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if got := committed(t, cl, "g", "app.a"); got != 2 {
			t.Errorf("committed %d, want 2", got)
		}
		cl.Close()
		refused.Close()
		patient.Close()
	})
}

func TestGuardCanBeLeftOut(t *testing.T) {
	b := startOn(t, broker.Config{Dir: t.TempDir(), KeepFree: -1}, func() (int64, int64, error) { return 0, 1 << 30, nil })
	defer stop(t, b)
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	produce(t, cl, "app.a", "1")
}
