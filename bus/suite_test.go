package bus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
)

// TestSuite is what the bus promises, on any broker: on the embedded one inside a bubble, and on the Kafka that
// OMNIBUS_TEST_KAFKA names (OMNIBUS_TEST_KAFKA_NODES=3 runs the scenarios that replication can change).
func TestSuite(t *testing.T) {
	for _, s := range []struct {
		name  string
		nodes bool // worth running on three nodes too
		run   func(t *testing.T, r *stage)
	}{
		{"PublishedEventReachesItsHandler", true, publishedEventReachesItsHandler},
		{"EachKeyInOrderOneAtATime", true, eachKeyInOrderOneAtATime},
		{"DifferentKeysRunAtOnce", false, differentKeysRunAtOnce},
		{"FailingEventIsRetriedThenADeadLetter", true, failingEventIsRetriedThenADeadLetter},
		{"FailingKeyDoesNotHoldTheOthers", true, failingKeyDoesNotHoldTheOthers},
		{"DeadLetterKeepsTheBytes", true, deadLetterKeepsTheBytes},
		{"BadContentIsNotRetried", true, badContentIsNotRetried},
		{"PanicIsAFailure", false, panicIsAFailure},
		{"SkipSettles", false, skipSettles},
		{"RetryAfterIsNotEarly", false, retryAfterIsNotEarly},
		{"CleanRestartRedeliversNothingSettled", true, cleanRestartRedeliversNothingSettled},
		{"SecondMemberTakesOverWithoutDuplicates", true, secondMemberTakesOverWithoutDuplicates},
		{"StaticMemberComesBack", true, staticMemberComesBack},
		{"PatternReadsLaterTopicsFromTheirBeginning", true, patternReadsLaterTopicsFromTheirBeginning},
		{"BroadcastReachesEveryInstance", true, broadcastReachesEveryInstance},
		{"LatestStartIsKept", true, latestStartIsKept},
		{"BatchErrorSettlesTheRest", true, batchErrorSettlesTheRest},
		{"OutageIsNotPoison", true, outageIsNotPoison},
		{"SameErrorOnFiveKeysIsAnOutage", false, sameErrorOnFiveKeysIsAnOutage},
		{"MixedBatchHasAResultPerItem", true, mixedBatchHasAResultPerItem},
		{"IDsRepeatOnRedelivery", false, idsRepeatOnRedelivery},
		{"ForeignEventIsCompleted", false, foreignEventIsCompleted},
		{"NestedEnvelopeIsUnwrapped", false, nestedEnvelopeIsUnwrapped},
		{"TopicOverrideKeepsTheType", false, topicOverrideKeepsTheType},
		{"UndeclaredTopics", false, undeclaredTopics},
		{"MiddlewareWrapsInOrder", false, middlewareWrapsInOrder},
		{"FullTrackerPausesThePartitionAndGoesOn", false, fullTrackerPausesThePartitionAndGoesOn},
		{"HandlerObjectAcknowledgesOrRetries", false, handlerObjectAcknowledgesOrRetries},
		{"DeadLetterHasNoDeadLetter", false, deadLetterHasNoDeadLetter},
		{"OverlappingHandlersAreRefused", false, overlappingHandlersAreRefused},
		{"ClosedBusRefuses", false, closedBusRefuses},
		{"StuckHandlerIsAbandonedAndNamed", false, stuckHandlerIsAbandonedAndNamed},
		{"EventThatKillsItsProcessIsQuarantined", true, eventThatKillsItsProcessIsQuarantined},
		{"CleanStopNeedsNoProbation", false, cleanStopNeedsNoProbation},
		{"ExhaustedEventStopsItsPartition", true, exhaustedEventStopsItsPartition},
		{"ParkedKeyFollowsIntoTheDeadLetters", true, parkedKeyFollowsIntoTheDeadLetters},
		{"FourKeysAlikeAreNoOutage", false, fourKeysAlikeAreNoOutage},
		{"EventForOneGroupIsPassedOverByOthers", false, eventForOneGroupIsPassedOverByOthers},
		{"DeadLetterSentAgainKeepsItsOrigin", true, deadLetterSentAgainKeepsItsOrigin},
		{"ResetHandlesEverythingAgain", true, resetHandlesEverythingAgain},
	} {
		if os.Getenv("OMNIBUS_TEST_KAFKA_NODES") == "3" && !s.nodes {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			kafka := os.Getenv("OMNIBUS_TEST_KAFKA")
			if kafka == "" {
				synctest.Test(t, func(t *testing.T) { s.run(t, newStage(t, "")) })
				return
			}
			t.Parallel()
			s.run(t, newStage(t, kafka))
		})
	}
}

// stage is a bench with three topics of its own. Waits in scenarios are in units, so that the same scenario takes fake seconds
// on the embedded broker and real milliseconds on Kafka.
type stage struct {
	*bustest.Bench
	t       *testing.T
	topic   event.Topic
	other   event.Topic
	unit    time.Duration
	catalog *event.Catalog
	dialer  func(ctx context.Context, network, addr string) (net.Conn, error)
	again   func(change ...func(*bus.Config)) *bustest.Bench // another bus on the same broker
}

const noteSchema = `{"type":"object","properties":{"key":{"type":"string","minLength":1},"n":{"type":"integer","minimum":0}},"required":["key","n"]}`

func newStage(t *testing.T, kafka string) *stage {
	t.Helper()
	domain := fmt.Sprintf("t%08x", rand.Uint32())
	r := &stage{t: t, topic: event.Topic("omninode." + domain + ".event.noted.v1"), other: event.Topic("omninode." + domain + ".event.echoed.v1"), unit: time.Second}
	var err error
	r.catalog, err = event.NewCatalog(
		event.Spec{Topic: r.topic, Key: "key", Schema: []byte(noteSchema), Partitions: 2, Aliases: map[string]string{"number": "n"}},
		event.Spec{Topic: r.other, Key: "key", Schema: []byte(noteSchema), Partitions: 2},
	)
	if err != nil {
		t.Fatal(err)
	}
	if kafka != "" {
		r.unit = 50 * time.Millisecond
		r.again = func(change ...func(*bus.Config)) *bustest.Bench {
			cfg := bus.Config{Brokers: strings.Split(kafka, ","), Service: "suite", Catalog: r.catalog}
			for _, f := range change {
				f(&cfg)
			}
			return bustest.Over(t, cfg)
		}
		r.Bench = r.again()
		return r
	}
	var base bus.Config
	r.Bench = bustest.Start(t, r.catalog, func(c *bus.Config) { c.Service = "suite"; base = *c })
	r.again = func(change ...func(*bus.Config)) *bustest.Bench {
		cfg := base
		for _, f := range change {
			f(&cfg)
		}
		return bustest.Over(t, cfg)
	}
	return r
}

func (r *stage) retry() []time.Duration { return []time.Duration{r.unit, 2 * r.unit, 4 * r.unit} }

func (r *stage) group(name string) bus.Consumer {
	return bus.Consumer{Group: name + "-" + r.topic.Domain(), Retry: r.retry(), SessionTimeout: 6 * time.Second}
}

// note publishes event n of a key.
func (r *stage) note(key string, n int) event.Envelope {
	r.t.Helper()
	e := r.envelope(key, n)
	res, err := r.PublishAll(r.t.Context(), bus.Outgoing{Envelope: &e})
	if err != nil {
		r.t.Fatal(err)
	}
	return res[0].Envelope
}

func (r *stage) envelope(key string, n int) event.Envelope {
	return event.New(r.t.Context(), r.topic, fmt.Appendf(nil, `{"key":%q,"n":%d}`, key, n), event.Source{Service: "suite", Instance: "test"}, time.Now())
}

func (r *stage) notes(keys, each int) {
	r.t.Helper()
	var out []bus.Outgoing
	for n := range each {
		for k := range keys {
			e := r.envelope(fmt.Sprintf("k%02d", k), n)
			out = append(out, bus.Outgoing{Envelope: &e})
		}
	}
	if _, err := r.PublishAll(r.t.Context(), out...); err != nil {
		r.t.Fatal(err)
	}
}

// diary writes down what handlers did.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.lines...)
}

func (d *diary) of(key string) []string {
	var out []string
	for _, l := range d.all() {
		if k, rest, _ := strings.Cut(l, " "); k == key {
			out = append(out, rest)
		}
	}
	return out
}

func keyN(d bus.Delivery) (key, n string) {
	_, rest, _ := strings.Cut(string(d.Envelope.Payload), `"n":`)
	return string(d.Key), strings.Trim(rest, "}")
}

func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func publishedEventReachesItsHandler(t *testing.T, r *stage) {
	var got bus.Delivery
	seen := make(chan struct{})
	r.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error {
		got = d
		close(seen)
		return nil
	}))
	sent := r.note("a", 7)
	<-seen
	equal(t, "id", got.Envelope.ID, sent.ID)
	equal(t, "correlation", got.Envelope.CorrelationID, sent.CorrelationID)
	equal(t, "payload", string(got.Envelope.Payload), `{"key":"a","n":7}`)
	equal(t, "key", string(got.Key), "a")
	equal(t, "attempt", got.Attempt, 1)
	equal(t, "header", string(got.Header("omnibus-event-id")), sent.ID.String())
	equal(t, "completed", len(got.Envelope.Completed), 0)
	r.Settle()
}

func eachKeyInOrderOneAtATime(t *testing.T, r *stage) {
	var d diary
	var mu sync.Mutex
	running := map[string]bool{}
	r.Go(r.group("g"), bus.HandleType(r.topic, func(ctx context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		mu.Lock()
		if running[key] {
			t.Errorf("two handlers of key %s at once", key)
		}
		running[key] = true
		mu.Unlock()
		pause(ctx, rand.N(r.unit/20))
		d.add("%s %s", key, n)
		mu.Lock()
		running[key] = false
		mu.Unlock()
		return nil
	}))
	r.notes(20, 30)
	r.Settle()
	for k := range 20 {
		equal(t, fmt.Sprintf("key %d", k), d.of(fmt.Sprintf("k%02d", k)), numbers(30))
	}
}

func differentKeysRunAtOnce(t *testing.T, r *stage) {
	const keys = 20
	all := make(chan struct{})
	var mu sync.Mutex
	n := 0
	r.Go(r.group("g"), bus.HandleType(r.topic, func(ctx context.Context, _ bus.Delivery) error {
		mu.Lock()
		if n++; n == keys {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
	r.notes(keys, 1)
	<-all
	r.Settle()
}

func failingEventIsRetriedThenADeadLetter(t *testing.T, r *stage) {
	var d diary
	began := time.Now()
	r.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		d.add("%s %s/%d", key, n, e.Attempt)
		if n == "0" {
			return fmt.Errorf("cannot handle %s", n)
		}
		return nil
	}))
	sent := r.note("a", 0)
	r.note("a", 1)
	r.Settle()
	equal(t, "attempts", d.of("a"), []string{"0/1", "0/2", "0/3", "0/4", "1/1"})
	if took := time.Since(began); took < 7*r.unit {
		t.Errorf("three retries took %v, want at least %v", took, 7*r.unit)
	}
	dead := r.Dead(r.topic)
	if len(dead) != 1 {
		t.Fatalf("%d dead letters, want 1", len(dead))
	}
	equal(t, "class", dead[0].Class, bus.ClassExhausted)
	equal(t, "retries", dead[0].Retries, 3)
	equal(t, "message", dead[0].Message, "cannot handle 0")
	equal(t, "group", dead[0].Group, r.group("g").Group)
	equal(t, "origin", dead[0].Origin.Topic, r.topic)
	if e, err := event.Decode(dead[0].Value); err != nil || e.ID != sent.ID {
		t.Errorf("dead letter holds %v, %v, want event %v", e.ID, err, sent.ID)
	}
	if !dead[0].FirstFailedAt.Before(dead[0].FailedAt) {
		t.Errorf("first failed at %v, failed at %v", dead[0].FirstFailedAt, dead[0].FailedAt)
	}
}

// The key fails for as long as the others are not done: where it held them, it would end as a dead letter.
func failingKeyDoesNotHoldTheOthers(t *testing.T, r *stage) {
	var d diary
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	r.Go(bus.Consumer{Group: "g-" + r.topic.Domain(), Retry: slices.Repeat([]time.Duration{2 * r.unit}, 200)}, bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		if key == "k00" && n == "0" {
			select {
			case <-gate:
			default:
				return errors.New("not before the others")
			}
		}
		d.add("%s %s", key, n)
		if len(d.all()) == 9*10 {
			open()
		}
		return nil
	}))
	r.notes(10, 10)
	r.Settle()
	equal(t, "failing key", d.of("k00"), numbers(10))
	equal(t, "dead letters", len(r.Dead(r.topic)), 0)
}

func deadLetterKeepsTheBytes(t *testing.T, r *stage) {
	r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil }))
	value := []byte("\xff\x00 not JSON")
	key := []byte("\xfe\x01")
	if _, err := r.PublishAll(t.Context(), bus.Outgoing{
		Topic: r.topic, Raw: value, Key: key,
		Headers: []bus.Header{{Name: "x", Value: []byte{0xff}}, {Name: "x", Value: nil}, {Name: "y", Value: []byte("z")}},
	}); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	dead := r.Dead(r.topic)
	if len(dead) != 1 {
		t.Fatalf("%d dead letters, want 1", len(dead))
	}
	equal(t, "value", dead[0].Value, value)
	equal(t, "key", dead[0].Key, key)
	equal(t, "class", dead[0].Class, bus.ClassUndecodable)
	hs := dead[0].OriginalHeaders()
	if len(hs) != 3 || hs[0].Name != "x" || string(hs[0].Value) != "\xff" || hs[1].Name != "x" || len(hs[1].Value) != 0 || string(hs[2].Value) != "z" {
		t.Errorf("headers %v", hs)
	}
}

func badContentIsNotRetried(t *testing.T, r *stage) {
	r.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		if _, n := keyN(e); n == "1" {
			return bus.Permanent(errors.New("never"))
		}
		return nil
	}))
	raw := func(value string) bus.Outgoing {
		return bus.Outgoing{Topic: r.topic, Raw: []byte(value), Key: []byte("k")}
	}
	_, err := r.PublishAll(
		t.Context(),
		raw(`{"event_type":"`+string(r.topic)+`","payload":{"key":"a","n":-1}}`),
		raw(`{"event_type":"omninode.nobody.event.known.v1","payload":{}}`),
		raw(`{"payload":{"key":"a","key":"b","n":1}}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	r.note("a", 1)
	r.note("a", 2)
	began := time.Now()
	r.Settle()
	if took := time.Since(began); r.unit == time.Second && took > 5*time.Second {
		t.Errorf("settled after %v: something was retried", took)
	}
	classes := map[string]int{}
	for _, d := range r.Dead(r.topic) {
		classes[d.Class]++
		equal(t, "retries", d.Retries, 0)
	}
	equal(t, "classes", classes, map[string]int{bus.ClassInvalid: 1, bus.ClassNoDispatcher: 1, bus.ClassUndecodable: 1, bus.ClassPermanent: 1})
}

func panicIsAFailure(t *testing.T, r *stage) {
	c := r.group("g")
	c.Retry = []time.Duration{}
	r.Go(c, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { panic("ouch") }))
	r.note("a", 1)
	r.Settle()
	dead := r.Dead(r.topic)
	if len(dead) != 1 || dead[0].Message != "panic: ouch" || !strings.Contains(dead[0].Stack, "panicIsAFailure") {
		t.Errorf("dead letters %+v", dead)
	}
}

func skipSettles(t *testing.T, r *stage) {
	c := r.group("g")
	r.Go(c, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return bus.Skip("not ours") }))
	r.notes(3, 3)
	r.Settle()
	equal(t, "dead letters", len(r.Dead(r.topic)), 0)
}

func retryAfterIsNotEarly(t *testing.T, r *stage) {
	var first, second time.Time
	r.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		if e.Attempt == 1 {
			first = time.Now()
			return bus.RetryAfter(10*r.unit, errors.New("later"))
		}
		second = time.Now()
		return nil
	}))
	r.note("a", 1)
	r.Settle()
	if d := second.Sub(first); d < 10*r.unit || d > 13*r.unit {
		t.Errorf("second attempt after %v, want 10 to 12 units of %v", d, r.unit)
	}
}

func cleanRestartRedeliversNothingSettled(t *testing.T, r *stage) {
	var d diary
	failing := true
	handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		if key == "k00" && failing {
			return errors.New("not yet")
		}
		d.add("%s %s/%d", key, n, e.Attempt)
		return nil
	})
	c := r.group("g")
	c.Retry = []time.Duration{1000 * r.unit}
	stop := r.Go(c, handler)
	r.notes(10, 20)
	for len(d.all()) < 9*20 {
		pause(t.Context(), r.unit/10)
	}
	stop()
	failing = false
	r.Go(c, handler)
	r.Settle()
	for k := 1; k < 10; k++ {
		equal(t, "key", len(d.of(fmt.Sprintf("k%02d", k))), 20)
	}
	var want []string
	for n := range 20 {
		want = append(want, fmt.Sprintf("%d/1", n))
	}
	equal(t, "parked key begins at attempt 1 again", d.of("k00"), want)
}

func secondMemberTakesOverWithoutDuplicates(t *testing.T, r *stage) {
	var d diary
	handler := func(name string) bus.Handler {
		return bus.HandleType(r.topic, func(ctx context.Context, e bus.Delivery) error {
			key, n := keyN(e)
			pause(ctx, r.unit/50)
			d.add("%s %s", key, n)
			d.add("%s x", name)
			return nil
		})
	}
	stop := r.Go(r.group("g"), handler("one"))
	r.notes(20, 5)
	second := r.again()
	second.Go(r.group("g"), handler("two"))
	for n := 5; n < 400 && len(d.of("two")) == 0; n++ {
		for k := range 20 {
			r.note(fmt.Sprintf("k%02d", k), n)
		}
		pause(t.Context(), r.unit/5)
	}
	stop()
	r.Settle()
	if len(d.of("two")) == 0 {
		t.Error("the second member got nothing")
	}
	for k := range 20 {
		got := d.of(fmt.Sprintf("k%02d", k))
		equal(t, fmt.Sprintf("key %d", k), got, numbers(len(got)))
	}
}

func staticMemberComesBack(t *testing.T, r *stage) {
	var d diary
	c := r.group("g")
	c.StaticID = "one"
	handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		d.add("%s %s", key, n)
		return nil
	})
	stop := r.Go(c, handler)
	r.note("a", 0)
	r.Settle()
	stop()
	r.note("a", 1)
	r.Go(c, handler)
	r.Settle()
	equal(t, "events", d.of("a"), numbers(2))
}

func patternReadsLaterTopicsFromTheirBeginning(t *testing.T, r *stage) {
	var d diary
	glob := event.Glob("omninode." + r.topic.Domain() + ".*")
	r.Go(bus.Consumer{Group: "g-" + r.topic.Domain(), From: bus.Latest}, bus.HandlePattern(glob, func(_ context.Context, e bus.Delivery) error {
		d.add("%s %s", e.Key, e.Topic.Operation())
		return nil
	}))
	late := event.Topic("omninode." + r.topic.Domain() + ".event.later.v1")
	allow := r.again(func(c *bus.Config) { c.Undeclared = bus.Allow })
	if _, err := allow.EnsureTopics(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	e := r.envelope("a", 0)
	e.Type = late
	if _, err := allow.PublishAll(t.Context(), bus.Outgoing{Envelope: &e, Key: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	equal(t, "events", d.of("a"), []string{"later"})
}

func broadcastReachesEveryInstance(t *testing.T, r *stage) {
	var d diary
	seen := make(chan struct{}, 2)
	handler := func(name string) bus.Handler {
		return bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
			_, n := keyN(e)
			d.add("%s %s", name, n)
			seen <- struct{}{}
			return nil
		})
	}
	c := bus.Consumer{Broadcast: true, From: bus.Earliest}
	r.Go(c, handler("one"))
	r.Go(c, handler("two"))
	r.note("a", 0)
	<-seen
	<-seen
	equal(t, "one", d.of("one"), numbers(1))
	equal(t, "two", d.of("two"), numbers(1))
}

func latestStartIsKept(t *testing.T, r *stage) {
	var d diary
	c := r.group("g")
	c.From = bus.Latest
	handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		d.add("%s %s", key, n)
		return nil
	})
	r.note("a", 0)
	stop := r.Go(c, handler)
	r.Settle() // the latest position is committed though nothing was read
	stop()
	r.note("a", 1)
	r.Go(c, handler)
	r.Settle()
	equal(t, "events", d.of("a"), []string{"1"})
}

func batchErrorSettlesTheRest(t *testing.T, r *stage) {
	var d diary
	r.Go(r.group("g"), bus.HandleBatch(event.Glob(r.topic), bus.Batch{Max: 10, Linger: r.unit}, func(_ context.Context, rs []bus.Record) error {
		failed := bus.BatchError{}
		for i, rec := range rs {
			e, err := event.Decode(rec.Value)
			if err != nil {
				failed[i] = bus.Permanent(err)
				continue
			}
			n := strings.Trim(strings.SplitAfter(string(e.Payload), `"n":`)[1], "}")
			d.add("%s %s", rec.Key, n)
			if n == "3" && len(d.of("k00")) <= 10 {
				failed[i] = errors.New("again")
			}
		}
		if len(failed) > 0 {
			return failed
		}
		return nil
	}))
	r.notes(1, 10)
	if _, err := r.PublishAll(t.Context(), bus.Outgoing{Topic: r.topic, Raw: []byte("?"), Key: []byte("k00")}); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	counts := map[string]int{}
	for _, n := range d.of("k00") {
		counts[n]++
	}
	for n, c := range counts {
		if want := map[bool]int{true: 2, false: 1}[n == "3"]; c != want {
			t.Errorf("record %s was handled %d times, want %d", n, c, want)
		}
	}
	equal(t, "records", len(counts), 10)
	equal(t, "dead letters", len(r.Dead(r.topic)), 1)
}

func outageIsNotPoison(t *testing.T, r *stage) {
	var d diary
	began := time.Now()
	r.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		if time.Since(began) < 30*r.unit {
			d.add("probe %s", key)
			return bus.Unavailable(errors.New("database is down"))
		}
		d.add("%s %s/%d", key, n, e.Attempt)
		return nil
	}))
	r.notes(10, 5)
	r.Settle()
	equal(t, "dead letters", len(r.Dead(r.topic)), 0)
	var want []string
	for n := range 5 {
		want = append(want, fmt.Sprintf("%d/1", n))
	}
	for k := range 10 {
		equal(t, "key", d.of(fmt.Sprintf("k%02d", k)), want)
	}
	probed := map[string]bool{}
	for _, k := range d.of("probe") {
		probed[k] = true
	}
	if len(probed) < 5 && r.unit == time.Second {
		t.Errorf("probes rotated over %d keys only", len(probed))
	}
}

func sameErrorOnFiveKeysIsAnOutage(t *testing.T, r *stage) {
	began := time.Now()
	r.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		if time.Since(began) < 60*r.unit {
			return fmt.Errorf("connect to 10.0.0.%d: refused", len(e.Key))
		}
		return nil
	}))
	r.notes(10, 2)
	r.Settle()
	equal(t, "dead letters", len(r.Dead(r.topic)), 0)
}

func mixedBatchHasAResultPerItem(t *testing.T, r *stage) {
	good, bad, unknown, large, aliased := r.envelope("a", 1), r.envelope("a", 2), r.envelope("a", 3), r.envelope("a", 4), r.envelope("a", 5)
	bad.Payload = []byte(`{"key":"a","n":"two"}`)
	unknown.Type = "omninode.nobody.event.known.v1"
	large.Payload = fmt.Appendf(nil, `{"key":%q,"n":4}`, strings.Repeat("x", 1_100_000))
	aliased.Payload = []byte(`{"key":"a","number":5}`)
	var out []bus.Outgoing
	for _, e := range []*event.Envelope{&good, &bad, &unknown, &large, &aliased} {
		out = append(out, bus.Outgoing{Envelope: e})
	}
	res, err := r.PublishAll(t.Context(), out...)
	if !errors.Is(err, bus.ErrNotSent) || errors.Is(err, bus.ErrUnknown) {
		t.Errorf("error %v", err)
	}
	for i, want := range []error{nil, bus.ErrInvalid, bus.ErrUnknownTopic, bus.ErrTooLarge, nil} {
		if got := res[i].Err; !errors.Is(got, want) {
			t.Errorf("item %d: %v, want %v", i, got, want)
		}
		if want != nil && !errors.Is(res[i].Err, bus.ErrNotSent) {
			t.Errorf("item %d: %v, want ErrNotSent too", i, res[i].Err)
		}
	}
	if !strings.Contains(res[1].Err.Error(), "/payload/n") || strings.Contains(res[1].Err.Error(), "two") {
		t.Errorf("error %q: want the pointer and no payload", res[1].Err)
	}
	equal(t, "alias in the bytes", string(res[4].Envelope.Payload), `{"key":"a","n":5}`)
}

func idsRepeatOnRedelivery(t *testing.T, r *stage) {
	var d diary
	r.Go(r.group("g"), bus.HandleType(r.topic, func(ctx context.Context, e bus.Delivery) error {
		for n := range 2 {
			out := event.New(ctx, r.other, fmt.Appendf(nil, `{"key":"b","n":%d}`, n), event.Source{Service: "suite", Instance: "test"}, time.Now())
			if _, err := r.PublishAll(ctx, bus.Outgoing{Envelope: &out}); err != nil {
				return err
			}
			equal(t, "causation", out.CausationID, e.Envelope.ID)
			equal(t, "correlation", out.CorrelationID, e.Envelope.CorrelationID)
			d.add("id %s", out.ID)
		}
		if e.Attempt == 1 {
			return errors.New("after publishing")
		}
		return nil
	}))
	r.note("a", 0)
	r.Settle()
	ids := d.of("id")
	if len(ids) != 4 || ids[0] != ids[2] || ids[1] != ids[3] || ids[0] == ids[1] {
		t.Errorf("ids %v: want two different ones, the same at the second attempt", ids)
	}
}

func foreignEventIsCompleted(t *testing.T, r *stage) {
	var got bus.Delivery
	completed := 0
	b := r.again(func(c *bus.Config) {
		c.Trace = &bus.Trace{Completed: func(context.Context, bus.Delivery) { completed++ }}
	})
	b.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error { got = d; return nil }))
	value := `{"correlation_id":"test-123","x":{"y":1},"payload":{"key":"a","number":3}}`
	if _, err := r.PublishAll(t.Context(), bus.Outgoing{Topic: r.topic, Raw: []byte(value), Key: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	b.Settle()
	equal(t, "id", got.Envelope.ID, event.IDAt(r.topic, got.Partition, got.Offset))
	equal(t, "type", got.Envelope.Type, r.topic)
	equal(t, "correlation", got.Envelope.CorrelationID, "test-123")
	equal(t, "payload", string(got.Envelope.Payload), `{"key":"a","n":3}`)
	equal(t, "unknown members", string(got.Envelope.Unknown), `{"x":{"y":1}}`)
	equal(t, "original bytes", string(got.Value), value)
	equal(t, "completed", completed, 1)
	if len(got.Envelope.Completed) == 0 {
		t.Error("the delivery does not say what was completed")
	}
}

func nestedEnvelopeIsUnwrapped(t *testing.T, r *stage) {
	var got bus.Delivery
	r.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error { got = d; return nil }))
	inner := r.envelope("a", 3)
	value, err := inner.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.PublishAll(t.Context(), bus.Outgoing{Topic: r.topic, Raw: fmt.Appendf(nil, `{"payload":%s}`, value), Key: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	equal(t, "id", got.Envelope.ID, inner.ID)
	equal(t, "nested", got.Envelope.Nested, true)
}

func topicOverrideKeepsTheType(t *testing.T, r *stage) {
	elsewhere := event.Topic("omninode." + r.topic.Domain() + ".event.elsewhere.v1")
	b := r.again(func(c *bus.Config) { c.Topics = map[event.Topic]event.Topic{r.topic: elsewhere} })
	var got bus.Delivery
	b.Go(r.group("g"), bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error { got = d; return nil }))
	e := r.envelope("a", 3)
	res, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e})
	if err != nil {
		t.Fatal(err)
	}
	b.Settle()
	equal(t, "topic", res[0].Topic, elsewhere)
	equal(t, "topic read", got.Topic, elsewhere)
	equal(t, "type", got.Envelope.Type, r.topic)
}

func undeclaredTopics(t *testing.T, r *stage) {
	e := r.envelope("a", 1)
	e.Type = event.Topic("omninode." + r.topic.Domain() + ".event.undeclared.v1")
	if _, err := r.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}); !errors.Is(err, bus.ErrUnknownTopic) || !errors.Is(err, bus.ErrNotSent) {
		t.Errorf("publish: %v, want ErrUnknownTopic and ErrNotSent", err)
	}
	allow := r.again(func(c *bus.Config) { c.Undeclared = bus.Allow })
	if _, err := allow.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}); !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("publish to a topic that the broker lacks: %v, want ErrUnknownTopic", err)
	}
	refuse := r.again(func(c *bus.Config) { c.Undeclared = bus.Refuse })
	if _, err := refuse.EnsureTopics(t.Context(), e.Type); err != nil {
		t.Fatal(err)
	}
	err := refuse.Consume(t.Context(), r.group("g"), bus.HandlePattern(event.Glob(e.Type), func(context.Context, bus.Delivery) error { return nil }))
	if !errors.Is(err, bus.ErrUnknownTopic) {
		t.Errorf("consume: %v, want ErrUnknownTopic", err)
	}
}

func middlewareWrapsInOrder(t *testing.T, r *stage) {
	var d diary
	mw := func(name string) bus.Middleware {
		return func(next bus.HandlerFunc) bus.HandlerFunc {
			return func(ctx context.Context, e bus.Delivery) error {
				d.add("a %s", name)
				return next(ctx, e)
			}
		}
	}
	c := r.group("g")
	c.Use = []bus.Middleware{mw("outer"), mw("second")}
	r.Go(c, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { d.add("a handler"); return nil }, bus.Use(mw("third"), mw("inner"))))
	r.note("a", 0)
	r.Settle()
	equal(t, "order", d.of("a"), []string{"outer", "second", "third", "inner", "handler"})
}

func overlappingHandlersAreRefused(t *testing.T, r *stage) {
	nothing := func(context.Context, bus.Delivery) error { return nil }
	sink := func(context.Context, []bus.Record) error { return nil }
	all := event.Glob("omninode." + r.topic.Domain() + ".*")
	for name, hs := range map[string][]bus.Handler{
		"the same type twice":  {bus.HandleType(r.topic, nothing), bus.HandleType(r.topic, nothing)},
		"a type and a pattern": {bus.HandleType(r.topic, nothing), bus.HandlePattern(all, nothing)},
		"two patterns":         {bus.HandlePattern("a.*.c", nothing), bus.HandlePattern("a.b*", nothing)},
		"a type and a batch":   {bus.HandleType(r.topic, nothing), bus.HandleBatch(all, bus.Batch{}, sink)},
		"none":                 nil,
	} {
		if err := r.Consume(t.Context(), r.group("g"), hs...); !errors.Is(err, bus.ErrHandlers) {
			t.Errorf("%s: %v, want ErrHandlers", name, err)
		}
	}
	if err := r.Consume(t.Context(), bus.Consumer{}, bus.HandleType(r.topic, nothing)); err == nil {
		t.Error("neither group nor broadcast: no error")
	}
}

func closedBusRefuses(t *testing.T, r *stage) {
	b := r.again()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	e := r.envelope("a", 1)
	if _, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}); !errors.Is(err, bus.ErrClosed) || !errors.Is(err, bus.ErrNotSent) {
		t.Errorf("publish: %v, want ErrClosed and ErrNotSent", err)
	}
}

func stuckHandlerIsAbandonedAndNamed(t *testing.T, r *stage) {
	release, started := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	c := r.group("g")
	c.DrainWithin = r.unit
	go func() {
		done <- r.Consume(ctx, c, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error {
			close(started)
			<-release
			return nil
		}))
	}()
	r.note("a", 0)
	<-started
	cancel()
	var abandoned *bus.AbandonedError
	if err := <-done; !errors.As(err, &abandoned) || len(abandoned.Events) != 1 || abandoned.Events[0].Topic != r.topic {
		t.Errorf("consume: %v, want an AbandonedError that names the event", err)
	}
	close(release)
}

// object is an ONEX handler object that acknowledges at the second attempt.
type object struct {
	topic event.Topic
	d     *diary
}

func (o object) CanHandle(eventType string) bool { return eventType == string(o.topic) }

func (o object) HandleEvent(_ context.Context, envelope []byte) (bool, error) {
	e, err := event.Decode(envelope)
	if err != nil {
		return false, err
	}
	o.d.add("a %s", e.Payload)
	return len(o.d.all()) > 1, nil
}

func handlerObjectAcknowledgesOrRetries(t *testing.T, r *stage) {
	var d diary
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	seen := bus.HandlePattern("omninode."+event.Glob(r.topic.Domain())+".event.echoed.v1", func(context.Context, bus.Delivery) error { return nil })
	r.Go(r.group("g"), bus.HandleObject(event.Glob(r.topic), object{r.topic, &d}), seen)
	if err := r.PublishEvent(t.Context(), string(r.topic), []byte(`{"key":"a","n":1}`), "abc-123"); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	equal(t, "attempts", d.of("a"), []string{`{"key":"a","n":1}`, `{"key":"a","n":1}`})

	go func() {
		done <- r.Subscribe(ctx, "other-"+r.topic.Domain(), []string{string(r.topic)}, object{r.topic, &d})
	}()
	errs := r.PublishBatch(t.Context(), string(r.topic), [][]byte{[]byte(`{"key":"a","n":2}`), []byte(`{"key":"a","n":-2}`)})
	if errs[0] != nil || !errors.Is(errs[1], bus.ErrInvalid) {
		t.Errorf("batch: %v", errs)
	}
	for len(d.of("a")) < 5 { // the group begins at the first event
		pause(t.Context(), r.unit/10)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func deadLetterHasNoDeadLetter(t *testing.T, r *stage) {
	c := r.group("g")
	c.Retry = []time.Duration{}
	r.Go(c, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return errors.New("no") }))
	r.note("a", 1)
	r.Settle()
	tries := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		again := bus.Consumer{Group: "again-" + r.topic.Domain(), Retry: []time.Duration{}}
		done <- r.Consume(ctx, again, bus.HandlePattern(event.Glob(r.topic.DLQ()), func(context.Context, bus.Delivery) error {
			tries <- struct{}{}
			return errors.New("still no")
		}))
	}()
	<-tries
	if r.unit == time.Second {
		<-tries // a minute later
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	equal(t, "dead letters", len(r.Dead(r.topic)), 1)
}

// A key that waits holds the commit back; once as much is settled behind it as the commit's metadata can tell, its partition
// pauses, and goes on when the key does.
func fullTrackerPausesThePartitionAndGoesOn(t *testing.T, r *stage) {
	const events = 60_000 // a bitmap of 3,072 bytes tells of about 18,000 offsets, and the topic has two partitions
	var mu sync.Mutex
	handled := map[string]int{}
	c := r.group("g")
	c.Retry = []time.Duration{50 * r.unit}
	r.Go(c, bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		if string(e.Key) == "stuck" && e.Attempt == 1 {
			return errors.New("once")
		}
		mu.Lock()
		defer mu.Unlock()
		handled[string(e.Key)]++
		return nil
	}))
	r.note("stuck", 0)
	out := make([]bus.Outgoing, events)
	for i := range out {
		e := r.envelope(fmt.Sprintf("k%02d", i%100), i/100)
		out[i].Envelope = &e
	}
	if _, err := r.PublishAll(t.Context(), out...); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	mu.Lock()
	defer mu.Unlock()
	equal(t, "keys", len(handled), 101)
	for key, n := range handled {
		if want := map[bool]int{true: 1, false: events / 100}[key == "stuck"]; n != want {
			t.Errorf("key %s: %d events handled, want %d", key, n, want)
		}
	}
}
