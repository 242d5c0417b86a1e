package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const (
	eventType = event.Topic("omninode.bridge.event.metadata_stamped.v1")
	eventSize = 600 // bytes of one value
	keys      = 1_000
	samples   = 4_096 // different events; they are published over and over
)

// sample is one event in every form in which something wants it.
type sample struct {
	key      []byte
	payload  bridge.MetadataStamped
	envelope event.Envelope
	raw      []byte
}

// makeSamples makes events of eventSize bytes that look as the bridge's do, n of them over nkeys keys in turn.
func makeSamples(n, nkeys int) ([]sample, error) {
	out := make([]sample, n)
	now := time.Date(2026, 9, 18, 5, 43, 0, 0, time.UTC)
	for i := range out {
		s := &out[i]
		if err := s.make(i%nkeys, i, 0, now); err != nil {
			return nil, err
		}
		if err := s.make(i%nkeys, i, eventSize-len(s.raw), now); err != nil {
			return nil, err
		}
		if len(s.raw) != eventSize {
			return nil, fmt.Errorf("a sample of %d bytes, want %d", len(s.raw), eventSize)
		}
	}
	return out, nil
}

func (s *sample) make(key, i, pad int, now time.Time) error {
	a, b := event.DeriveID(event.ID{1}, fmt.Sprint("a", key)), event.DeriveID(event.ID{1}, fmt.Sprint("b", key))
	hash := hex.EncodeToString(append(a[:], b[:]...))
	size, took := int64(1_000+i), float64(i%1_000)/100
	s.key = []byte(hash)
	s.payload = bridge.MetadataStamped{
		BLAKE3Hash: hash, Namespace: "omninode.services.metadata", StampID: event.NewID().String(),
		FilePath: "src/" + strings.Repeat("nodes/", pad/6) + strings.Repeat("x", pad%6) + ".py", FileSizeBytes: &size, ExecutionTimeMS: &took,
		CreatedAt: now,
	}
	payload, err := jsonx.Marshal(s.payload)
	if err != nil {
		return err
	}
	s.envelope = event.New(context.Background(), eventType, payload, event.Source{Service: "bench", Instance: "bench-1"}, now)
	s.envelope.Version = "1.0.0"
	s.raw, err = s.envelope.AppendJSON(nil)
	return err
}
