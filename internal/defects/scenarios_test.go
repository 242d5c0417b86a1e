package defects

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/defect"
	"github.com/omninode-ai/omnibus/internal/histcheck"
)

// scenario is a short history in which something goes wrong outside of the product, and nothing may go wrong inside.
type scenario struct {
	name  string
	run   func(t *testing.T) *histcheck.Report
	plant []planted
}

// planted is a defect that the scenario has to bring to light, and the check that has to name it.
type planted struct {
	defect defect.Name
	check  histcheck.ID
}

func scenarios() []scenario {
	return []scenario{
		{"a key fails and waits", aKeyFailsAndWaits, []planted{
			{defect.CommitHighest, histcheck.H7}, {defect.CountWatermark, histcheck.H7}, {defect.SettleRetries, histcheck.H7}, {defect.RetryBehind, histcheck.H5},
		}},
		{"a busy key", aBusyKey, []planted{{defect.TwoLanes, histcheck.H6}}},
		{"a consumer is killed", aConsumerIsKilled, []planted{{defect.IgnoreSet, histcheck.H8}}},
		{"a consumer is stopped and another goes on", aConsumerIsStopped, []planted{{defect.NoLastCommit, histcheck.H8}}},
		{"a second consumer joins", aSecondConsumerJoins, []planted{{defect.NoWaitOnRevoke, histcheck.H8}}},
		{"a consumer is cut off and comes back", aConsumerIsCutOff, []planted{{defect.CommitAfterLost, histcheck.H7}, {defect.LateResults, histcheck.H7}}},
		{"a group begins late", aGroupBeginsLate, []planted{{defect.BeginAtEnd, histcheck.H1}}},
		{"a dependency is down", aDependencyIsDown, []planted{{defect.OutageIsPoison, histcheck.H9}}},
		{"dead letters are refused for a while", deadLettersAreRefused, []planted{
			{defect.SettleBeforeDead, histcheck.H7}, {defect.DropDead, histcheck.H9}, {defect.AlterDead, histcheck.H9}, {defect.BareDead, histcheck.H9},
		}},
		{"acknowledgements stay out", acknowledgementsStayOut, []planted{{defect.UnknownIsFailed, histcheck.H4}}},
		{"the broker refuses an event", theBrokerRefusesAnEvent, []planted{{defect.FailedIsPublished, histcheck.H1}}},
		{"a caller gives up", aCallerGivesUp, []planted{{defect.CallersContext, histcheck.H16}}},
		{"the broker is killed", theBrokerIsKilled, []planted{{defect.LostWindows, histcheck.H4}}},
	}
}

// in runs a scenario in a bubble.
func in(t *testing.T, partitions int, run func(w *world) *histcheck.Report) *histcheck.Report {
	t.Helper()
	var rep *histcheck.Report
	synctest.Test(t, func(t *testing.T) { rep = run(newWorld(t, partitions, broker.Config{})) })
	return rep
}

func aKeyFailsAndWaits(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.behave = func(ctx context.Context, _ *process, d bus.Delivery, e histcheck.Event) error {
			if e.Key == "bad" && e.KeySeq%2 == 1 && d.Attempt <= 3 {
				return errors.New("not yet")
			}
			return rest(ctx, 20*time.Millisecond)
		}
		w.publish(w.sight, "bad", "a", "b", "bad", "a", "b", "bad", "a", "b")
		w.consumer("c1")
		w.settle()
		return w.check()
	})
}

func aBusyKey(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.behave = func(ctx context.Context, _ *process, _ bus.Delivery, _ histcheck.Event) error {
			return rest(ctx, 100*time.Millisecond)
		}
		w.publish(w.sight, "a", "a", "a", "b", "a", "a")
		w.consumer("c1")
		w.settle()
		return w.check()
	})
}

func aConsumerIsKilled(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.retry = []time.Duration{20 * time.Second}
		w.behave = func(ctx context.Context, p *process, _ bus.Delivery, e histcheck.Event) error {
			if e.Key == "parked" && p.name == "c1" {
				return errors.New("not here")
			}
			return rest(ctx, 20*time.Millisecond)
		}
		w.publish(w.sight, "a", "parked", "b", "c", "a", "b", "c")
		c1 := w.consumer("c1")
		w.wait(5 * time.Second)
		w.publish(w.sight, "a", "b")
		w.wait(100 * time.Millisecond)
		c1.kill()
		w.consumer("c2")
		w.settle()
		return w.check(histcheck.Redelivered)
	})
}

func aConsumerIsStopped(t *testing.T) *histcheck.Report {
	return in(t, 2, func(w *world) *histcheck.Report {
		c1 := w.consumer("c1")
		w.wait(5 * time.Second)
		w.publish(w.sight, "a", "b", "c", "d")
		w.wait(50 * time.Millisecond)
		c1.end()
		w.consumer("c2")
		w.settle()
		return w.check()
	})
}

func aSecondConsumerJoins(t *testing.T) *histcheck.Report {
	return in(t, 2, func(w *world) *histcheck.Report {
		// A handler of each partition runs when one of the two is taken away. The other's runs on for long: a position that moves
		// while the group waits for a member makes the Kafka client wait for a lock, and in a bubble that stops the clock.
		w.behave = func(_ context.Context, _ *process, d bus.Delivery, _ histcheck.Event) error {
			if d.Partition == 0 {
				work(3 * time.Second)
			} else {
				work(25 * time.Second)
			}
			return nil
		}
		w.consumer("c1")
		w.wait(5 * time.Second)
		w.publish(w.sight, "a", "b", "c", "d")
		w.wait(time.Second)
		w.consumer("c2")
		w.settle()
		return w.check()
	})
}

func aConsumerIsCutOff(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		// One handler ends while its process is cut off, and one when that has the partition again.
		slow := map[string]time.Duration{"a": 30 * time.Second, "b": 12 * time.Second}
		w.behave = func(_ context.Context, _ *process, _ bus.Delivery, e histcheck.Event) error {
			work(slow[e.Key])
			return nil
		}
		c1 := w.consumer("c1")
		w.wait(5 * time.Second)
		w.publish(w.sight, "a", "b")
		w.wait(2 * time.Second)
		w.note(histcheck.FaultOn, "network of c1")
		c1.line.cut()
		w.wait(20 * time.Second)
		c1.line.mend()
		w.note(histcheck.FaultOff, "network of c1")
		w.settle()
		return w.check(histcheck.LostRunning, histcheck.Zombie)
	})
}

func aGroupBeginsLate(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.publish(w.sight, "early", "early")
		w.consumer("c1")
		w.wait(5 * time.Second)
		w.publish(w.sight, "late")
		w.settle()
		return w.check()
	})
}

func aDependencyIsDown(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		var down atomic.Bool
		w.behave = func(ctx context.Context, _ *process, _ bus.Delivery, e histcheck.Event) error {
			switch {
			case down.Load():
				return errors.New("connection refused")
			case e.Fate == histcheck.Dead:
				return bus.Permanent(errors.New("made to be a dead letter"))
			}
			return rest(ctx, 20*time.Millisecond)
		}
		w.consumer("c1")
		w.wait(5 * time.Second)
		w.note(histcheck.FaultOn, "dependency")
		down.Store(true)
		w.publish(w.sight, "a", "b", "c", "d", "e", "f", "a", "b")
		w.send(w.sight, w.event("g", histcheck.Dead))
		w.wait(30 * time.Second)
		down.Store(false)
		w.note(histcheck.FaultOff, "dependency")
		w.settle()
		return w.check()
	})
}

func deadLettersAreRefused(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.consumer("c1")
		w.wait(5 * time.Second)
		over := w.fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(topic.DLQ()), Err: kerr.InvalidRecord})
		w.send(w.sight, w.event("a", histcheck.Fine), w.event("b", histcheck.Dead), w.event("a", histcheck.Fine), w.event("b", histcheck.Fine))
		w.wait(10 * time.Second)
		over()
		w.settle()
		return w.check()
	})
}

func acknowledgementsStayOut(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.publish(w.sight, "a")
		p := w.process("producer")
		w.publish(p, "b")
		w.note(histcheck.FaultOn, "answers to producer")
		p.line.silence()
		var sending sync.WaitGroup
		sending.Go(func() { w.send(p, w.event("b", histcheck.Fine), w.event("c", histcheck.Fine)) })
		w.wait(20 * time.Second)
		p.line.mend()
		w.note(histcheck.FaultOff, "answers to producer")
		sending.Wait()
		w.consumer("c1")
		w.settle()
		return w.check(histcheck.Repeated, histcheck.UnknownArrived)
	})
}

func theBrokerRefusesAnEvent(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.publish(w.sight, "a")
		w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(topic), Err: kerr.InvalidRecord, Count: 1})
		w.publish(w.sight, "a")
		w.publish(w.sight, "a")
		w.consumer("c1")
		w.settle()
		return w.check()
	})
}

func aCallerGivesUp(t *testing.T) *histcheck.Report {
	return in(t, 1, func(w *world) *histcheck.Report {
		w.publish(w.sight, "a")
		over := w.fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(topic), Err: kerr.NotLeaderForPartition})
		ctx, giveUp := context.WithCancel(w.t.Context())
		mine, yours := w.event("b", histcheck.Fine), w.event("c", histcheck.Fine)
		var sending sync.WaitGroup
		sending.Go(func() { w.sight.actor.Publish(ctx, w.sight.bus, topic, mine) })
		w.wait(100 * time.Millisecond)
		sending.Go(func() { w.send(w.sight, yours) })
		w.wait(time.Second)
		giveUp()
		w.wait(time.Second)
		over()
		sending.Wait()
		w.consumer("c1")
		w.settle()
		return w.check()
	})
}

func theBrokerIsKilled(t *testing.T) *histcheck.Report {
	var rep *histcheck.Report
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, 1, broker.Config{Dir: dir})
		w.patience = time.Minute
		w.publish(w.sight, "a")
		p := w.process("producer")
		w.publish(p, "b")
		w.note(histcheck.FaultOn, "answers to producer, and then the broker")
		p.line.silence()
		var sending sync.WaitGroup
		sending.Go(func() { w.send(p, w.event("b", histcheck.Fine), w.event("c", histcheck.Fine)) })
		w.wait(time.Second)
		// What is on the disk now is what a kill would leave.
		left := t.TempDir()
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := w.broker.Close(); err != nil {
			t.Fatal(err)
		}
		w.start(broker.Config{Dir: left})
		if w.broker.Recovery().Clean {
			t.Fatal("the broker takes the kill for a clean stop")
		}
		p.line.mend()
		w.note(histcheck.FaultOff, "the broker")
		sending.Wait()
		w.consumer("c1")
		w.settle()
		rep = w.check()
	})
	return rep
}
