package broker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/internal/inside"
)

// disk is one whose flushes a test holds up.
type disk struct {
	began chan struct{} // gets one value for each flush, where hold is set
	go_   chan error    // what a held flush comes to
	hold  chan bool     // capacity 1: whether flushes are held
}

func newDisk() *disk {
	d := &disk{began: make(chan struct{}), go_: make(chan error), hold: make(chan bool, 1)}
	d.hold <- false
	return d
}

func (d *disk) held(on bool) {
	<-d.hold
	d.hold <- on
}

func (d *disk) wrap(flush func() error) func() error {
	return func() error {
		hold := <-d.hold
		d.hold <- hold
		if hold {
			d.began <- struct{}{}
			if err := <-d.go_; err != nil {
				return err
			}
		}
		return flush()
	}
}

func TestNothingIsAcknowledgedOrShownBeforeItIsOnTheDisk(t *testing.T) {
	d := newDisk()
	b, err := broker.Start(inside.WithFlush(t.Context(), d.wrap), broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, b) })
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	produce(t, cl, "app.a", "one")
	reader := client(t, b, kgo.ConsumeTopics("app.a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	next := func() string {
		for {
			if rs := reader.PollRecords(t.Context(), 1).Records(); len(rs) > 0 {
				return string(rs[0].Value)
			}
		}
	}
	if got := next(); got != "one" {
		t.Fatalf("read %q", got)
	}

	d.held(true)
	acked, read := make(chan error, 2), make(chan string, 1)
	cl.Produce(t.Context(), &kgo.Record{Topic: "app.a", Value: []byte("two")}, func(_ *kgo.Record, err error) { acked <- err })
	<-d.began // written, and on its way to the disk
	go func() { read <- next() }()
	cl.Produce(t.Context(), &kgo.Record{Topic: "app.a", Value: []byte("three")}, func(_ *kgo.Record, err error) { acked <- err })
	select {
	case err := <-acked:
		t.Fatalf("acknowledged before the flush: %v", err)
	case got := <-read:
		t.Fatalf("read %q before the flush", got)
	default:
	}
	d.held(false)
	d.go_ <- nil
	for range 2 {
		if err := <-acked; err != nil {
			t.Error(err)
		}
	}
	if got := <-read; got != "two" {
		t.Errorf("read %q", got)
	}
}

func TestAFailedFlushStopsTheBroker(t *testing.T) {
	d := newDisk()
	b, err := broker.Start(inside.WithFlush(t.Context(), d.wrap), broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	d.held(true)
	ctx, cancel := context.WithCancel(t.Context())
	acked := make(chan error, 1)
	cl.Produce(ctx, &kgo.Record{Topic: "app.a"}, func(_ *kgo.Record, err error) { acked <- err })
	<-d.began
	d.held(false) // a later flush would succeed
	broken := errors.New("the disk is broken")
	d.go_ <- broken
	failure := <-b.Failed()
	if !errors.Is(failure, broken) {
		t.Errorf("failed with %v", failure)
	}
	cancel()
	cl.Close()
	if err := <-acked; err == nil {
		t.Error("a record that did not reach the disk was acknowledged")
	}
	if err := b.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
}
