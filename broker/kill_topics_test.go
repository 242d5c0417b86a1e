package broker_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKillsWhileTopicsAreMade kills a broker while clients make topics at the same time: what a kill leaves in between is never
// taken for damage, and what was acknowledged is there.
func TestKillsWhileTopicsAreMade(t *testing.T) {
	const kills, clients, between = 8, 3, 7
	dir, addr := t.TempDir(), freeAddr(t)
	p := spawn(t, dir, addr)
	ctx, cancel := context.WithCancel(t.Context())
	var (
		made    sync.Map
		count   atomic.Int64
		reached = make(chan struct{}, 1)
		working sync.WaitGroup
	)
	connect := func() *kadm.Client {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return kadm.NewClient(cl)
	}
	for c := range clients {
		adm := connect()
		working.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				topic := fmt.Sprintf("app.c%d-%d", c, i)
				if _, err := adm.CreateTopic(ctx, 1, 1, map[string]*string{"retention.ms": new("86400000")}, topic); err != nil {
					continue // killed meanwhile, and nobody was told that it is there
				}
				made.Store(topic, true)
				if count.Add(1)%between == 0 {
					select {
					case reached <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	for range kills {
		<-reached
		p.kill(t)
		p = spawn(t, dir, addr)
	}
	cancel()
	working.Wait()
	topics, err := connect().ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made.Range(func(topic, _ any) bool {
		if !topics.Has(topic.(string)) {
			t.Errorf("topic %s was acknowledged and is gone", topic)
		}
		return true
	})
	t.Logf("%d topics, %d kills", count.Load(), kills)
	p.end(t)
}
