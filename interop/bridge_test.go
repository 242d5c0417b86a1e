package interop_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
)

// TestTheBridgeAnswersPython asks omninode_bridge, a process of its own, for stamps through aiokafka, reads with FastStream what it
// answers and announces, and kills it while it works. OMNIBUS_TEST_REQUESTS is how many requests there are, 1,000 by default.
func TestTheBridgeAnswersPython(t *testing.T) {
	t.Parallel()
	const (
		each  = 200 // requests that follow each other in one flow
		types = 2   // an answer and an announcement for each request
	)
	flows := 5
	if s := os.Getenv("OMNIBUS_TEST_REQUESTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < each {
			t.Fatalf("OMNIBUS_TEST_REQUESTS=%s: want a number from %d", s, each)
		}
		flows = n / each
	}
	all := each * flows
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+time.Duration(all)*20*time.Millisecond)
	t.Cleanup(cancel)
	addrs := brokers(ctx, t)
	binary := omnibus(ctx, t)
	bridge := func() *process {
		p, _ := role(ctx, t, binary, addrs, "--roles", "services", "--services", "bridge")
		return p
	}

	first := bridge()
	start := time.Now()
	name := strings.ToLower(rand.Text())
	reader := spawn(t, pythonProgram(ctx, t, "faststream_answers.py", addrs, "readers-"+name))
	asker := spawn(t, pythonProgram(ctx, t, "aiokafka_requests.py", addrs, name, strconv.Itoa(flows), strconv.Itoa(each)))
	a := newAnswers()
	asked := make(chan error, 1)
	go func() { asked <- a.ask(asker.lines) }()

	b, err := bus.Open(ctx, bus.Config{Brokers: strings.Split(addrs, ","), Service: "interop", Catalog: contracts.Catalog()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	answered := func(enough int, follow bool) (n int) {
		for r, err := range b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(answerType)}, Follow: follow}) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(r.Header("omnibus-correlation-id")), name) {
				n++
			}
			if n == enough {
				break
			}
		}
		return n
	}
	answered(all/3, true)
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.gone
	before := answered(-1, false)
	if before >= all {
		t.Fatalf("all of the %d requests were answered before the kill: this shows nothing", all)
	}
	bridge()

	if err := <-asked; err != nil {
		t.Fatal(err)
	}
	if <-asker.gone; asker.err != nil {
		t.Fatal("asking failed: ", asker.end())
	}
	published := time.Since(start)
	for a.got < types*all {
		select {
		case line, ok := <-reader.lines:
			if !ok {
				t.Fatal("the reader ended: ", reader.end())
			}
			if err := a.add(line); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d answers and announcements came: %v", a.got, types*all, ctx.Err())
		}
	}
	for lane, got := range a.lanes {
		if diff := cmp.Diff(a.requests[lane.flow], got.causes); diff != "" {
			t.Errorf("%s of %s without repeats, by their causes (-want +got):\n%s", lane.typ, lane.flow, diff)
		}
	}
	if len(a.lanes) != types*flows {
		t.Errorf("%d lanes, want %d", len(a.lanes), types*flows)
	}
	for _, wrong := range a.wrong {
		t.Error(wrong)
	}
	t.Logf("%d requests, the last sent after %.1f s; killed with %d answers there; all %d answers and announcements read after %.1f s, %d of them once more",
		all, published.Seconds(), before, a.got, time.Since(start).Seconds(), a.again)
}

const (
	answerType       = "omninode.bridge.response.stamp.v1"
	announcementType = "omninode.bridge.event.metadata_stamped.v1"
)

// answers is what was asked, and what was read of the bridge's answers and announcements.
type answers struct {
	requests map[string][]string // by flow, in order
	flowOf   map[string]string   // by request
	lanes    map[lane]*replies
	got      int // without repeats
	again    int
	wrong    []string
}

type lane struct{ typ, flow string }

// replies is what came of one type to the requests of one flow.
type replies struct {
	partition int
	causes    []string          // the requests, as they were answered first
	ids       map[string]string // by request
}

func newAnswers() *answers {
	return &answers{requests: map[string][]string{}, flowOf: map[string]string{}, lanes: map[lane]*replies{}}
}

// ask reads what was asked.
func (a *answers) ask(lines <-chan []byte) error {
	for line := range lines {
		var r struct{ ID, Flow string }
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("%w in %s", err, line)
		}
		a.requests[r.Flow] = append(a.requests[r.Flow], r.ID)
		a.flowOf[r.ID] = r.Flow
	}
	return nil
}

func (a *answers) add(line []byte) error {
	var got struct {
		Type, ID, Cause, Flow, Service string
		Partition                      int
	}
	if err := json.Unmarshal(line, &got); err != nil {
		return err
	}
	flow, ours := a.flowOf[got.Cause]
	switch {
	case !ours:
		return nil // to others on the same cluster
	case got.Flow != flow, got.Service != "omninode_bridge", got.Type != answerType && got.Type != announcementType:
		a.wrong = append(a.wrong, fmt.Sprintf("to a request of %s: %+v", flow, got))
		return nil
	}
	r := a.lanes[lane{got.Type, flow}]
	if r == nil {
		r = &replies{partition: got.Partition, ids: map[string]string{}}
		a.lanes[lane{got.Type, flow}] = r
	}
	if r.partition != got.Partition {
		a.wrong = append(a.wrong, fmt.Sprintf("%s of %s in partitions %d and %d", got.Type, flow, r.partition, got.Partition))
	}
	if id, again := r.ids[got.Cause]; again {
		a.again++
		if id != got.ID {
			a.wrong = append(a.wrong, fmt.Sprintf("%s to %s has the ids %s and %s", got.Type, got.Cause, id, got.ID))
		}
		return nil
	}
	a.got++
	r.ids[got.Cause] = got.ID
	r.causes = append(r.causes, got.Cause)
	return nil
}
