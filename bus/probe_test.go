package bus_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
)

func TestProbeSaysHowFarTheWayIsOpen(t *testing.T) {
	br, err := broker.Start(t.Context(), broker.Config{SASL: []broker.User{{Mechanism: "PLAIN", Name: "ann", Password: "right-one"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	addr := br.Addrs()[0]
	ann := bus.Config{SASL: bus.SASL{Mechanism: "PLAIN", User: "ann", Password: "right-one"}}
	a := bus.Probe(t.Context(), ann, addr)
	if a.Err != nil || a.Reached != bus.Accepted || len(a.IPs) != 1 || a.Took <= 0 || a.Cluster == "" || len(a.Lacks) != 0 {
		t.Errorf("the way is open: %+v", a)
	}
	if diff := cmp.Diff([]bus.Node{{ID: 0, Addr: addr}}, a.Nodes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	ann.SASL.Password = "other"
	if a := bus.Probe(t.Context(), ann, addr); a.Reached != bus.Spoken || !errors.Is(a.Err, bus.ErrUnauthorized) {
		t.Errorf("refused login: %d, %v", a.Reached, a.Err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := ln.Addr().String()
	late := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, late)
	defer cancel()
	if a := bus.Probe(ctx, bus.Config{}, silent); a.Reached != bus.Secured || !errors.Is(a.Err, late) {
		t.Errorf("nobody answers: %d, %v", a.Reached, a.Err)
	}
	ln.Close()
	if a := bus.Probe(t.Context(), bus.Config{}, silent); a.Reached != bus.Resolved || !errors.Is(a.Err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %d, %v", a.Reached, a.Err)
	}
	if a := bus.Probe(t.Context(), bus.Config{}, "no port"); a.Reached != bus.Nowhere || a.Err == nil {
		t.Errorf("no address: %d, %v", a.Reached, a.Err)
	}
}

func TestPartitionOfIsWhereJavaPutsAKey(t *testing.T) {
	// What org.apache.kafka.common.utils.Utils.murmur2 makes of them, from the tests of Kafka.
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "abc": 479470107} {
		for _, n := range []int{1, 2, 3, 6, 100} {
			if got, want := bus.PartitionOf([]byte(key), n), (hash&0x7fffffff)%int32(n); got != want {
				t.Errorf("%q among %d: %d, want %d", key, n, got, want)
			}
		}
	}
}
