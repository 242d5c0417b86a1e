package selftest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/selftest"
)

const partitions = 3

// TestMain is also the process that the suite kills.
func TestMain(m *testing.M) {
	name := os.Getenv("SELFTEST_MEMBER")
	if name == "" {
		os.Exit(m.Run())
	}
	run := selftest.Run{Name: name, Partitions: partitions, SessionTimeout: time.Second}
	if err := selftest.Member(context.Background(), opener(os.Getenv("SELFTEST_BROKER")), run, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func opener(addr string) selftest.Opener {
	return func(ctx context.Context, c *event.Catalog, change func(*bus.Config)) (*bus.Bus, error) {
		cfg := bus.Config{Brokers: []string{addr}, Service: "selftest", Catalog: c}
		change(&cfg)
		return bus.Open(ctx, cfg)
	}
}

// bench is a broker that can be made to fail, and a configuration for it.
func bench(t *testing.T) (*brokertest.Cluster, selftest.Config) {
	t.Helper()
	t.Parallel()
	c := brokertest.Start(t, broker.Config{MinSessionTimeout: time.Second})
	addr := c.Addrs()[0]
	return c, selftest.Config{
		Open: opener(addr), Events: 300, Partitions: partitions, SessionTimeout: time.Second,
		Member: func(ctx context.Context, run selftest.Run) *exec.Cmd {
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), "SELFTEST_MEMBER="+run.Name, "SELFTEST_BROKER="+addr)
			return cmd
		},
	}
}

// verdicts are the lines of a report: promise, title and verdict.
func verdicts(rep selftest.Report) map[string]selftest.Verdict {
	out := map[string]selftest.Verdict{}
	for _, f := range rep.Findings {
		out[f.Promise+" "+f.Title] = f.Verdict
	}
	return out
}

func all(except map[string]selftest.Verdict) map[string]selftest.Verdict {
	out := map[string]selftest.Verdict{}
	for _, line := range []string{
		"P1 acknowledged means kept", "P1 a result for each item", "P1 too large is refused", "P2 keys go where murmur2 says",
		"P2 order per key, through retries", "P3 a clean stop redelivers nothing", "P4 a kill repeats only what is not committed",
		"P4 commit metadata is kept", "P5 dead letter before commit", "P6 bytes stay as they are", "P7 members join and leave",
	} {
		out[line] = selftest.Held
		if v, ok := except[line]; ok {
			out[line] = v
		}
	}
	return out
}

func equal(t *testing.T, rep selftest.Report, want map[string]selftest.Verdict) {
	t.Helper()
	if diff := cmp.Diff(want, verdicts(rep)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
		for _, f := range rep.Findings {
			t.Logf("%s %s: %s: %s: %s", f.Promise, f.Title, f.Verdict, f.Did, f.Evidence)
		}
	}
}

// leftovers are the topics and groups of a run that are still there.
func leftovers(t *testing.T, cfg selftest.Config, rep selftest.Report) (out []string) {
	t.Helper()
	catalog, err := event.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	b, err := cfg.Open(t.Context(), catalog, func(*bus.Config) {})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	topics, err := b.Topics(t.Context(), "*", "*.dlq")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range topics {
		if strings.HasPrefix(string(i.Name), rep.Run.Prefix()) {
			out = append(out, string(i.Name))
		}
	}
	groups, err := b.Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		out = append(out, g.Name)
	}
	return out
}

func TestEmbeddedBrokerHoldsEveryPromise(t *testing.T) {
	_, cfg := bench(t)
	rep, err := selftest.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, rep, all(nil))
	for _, f := range rep.Findings {
		if f.Did == "" || f.Evidence == "" || len(f.Faults) > 0 {
			t.Errorf("a line that is held says nothing, or a fault: %+v", f)
		}
	}
	if len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], "replication factor 1") {
		t.Errorf("warnings %q, want that there is one copy", rep.Warnings)
	}
	if left := leftovers(t, cfg, rep); len(left) > 0 || len(rep.Left) > 0 {
		t.Errorf("left behind: %q, reported: %q", left, rep.Left)
	}
}

func TestWithoutAnotherProcessTheKillIsNotTested(t *testing.T) {
	_, cfg := bench(t)
	cfg.Member, cfg.Keep = nil, true
	rep, err := selftest.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, rep, all(map[string]selftest.Verdict{
		"P4 a kill repeats only what is not committed": selftest.NotTested, "P4 commit metadata is kept": selftest.NotTested,
	}))
	if left := leftovers(t, cfg, rep); len(left) == 0 || len(rep.Left) != 2 {
		t.Errorf("kept: %q, reported: %q", left, rep.Left)
	}
}

// TestBrokerThatLosesWhatItAcknowledged: the defect that P1 is about.
func TestBrokerThatLosesWhatItAcknowledged(t *testing.T) {
	c, cfg := bench(t)
	cfg.Member = nil // the kill has a test of its own
	var losing atomic.Bool
	cfg.Progress = func(text string) { losing.Store(text == "P1: acknowledged means kept") }
	c.Control(kmsg.Produce, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req, ok := kreq.(*kmsg.ProduceRequest)
		if !ok || !losing.Load() {
			return nil, nil, false
		}
		resp, ok := req.ResponseKind().(*kmsg.ProduceResponse)
		if !ok {
			return nil, errors.New("not a produce response"), true
		}
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition = p.Partition
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	rep, err := selftest.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, rep, all(map[string]selftest.Verdict{
		"P1 acknowledged means kept":                   selftest.NotHeld,
		"P2 keys go where murmur2 says":                selftest.NotTested,
		"P4 a kill repeats only what is not committed": selftest.NotTested,
		"P4 commit metadata is kept":                   selftest.NotTested,
	}))
	if f := rep.Findings[0]; !strings.Contains(f.Evidence, "is not in the log") || !strings.Contains(f.Evidence, "more") {
		t.Errorf("the evidence names no lost event: %s", f.Evidence)
	}
}

// TestBrokerThatDropsCommitMetadata: without it, everything behind an unfinished event comes again after a kill.
func TestBrokerThatDropsCommitMetadata(t *testing.T) {
	c, cfg := bench(t)
	c.Control(kmsg.OffsetCommit, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		if req, ok := kreq.(*kmsg.OffsetCommitRequest); ok {
			for i := range req.Topics {
				for j := range req.Topics[i].Partitions {
					req.Topics[i].Partitions[j].Metadata = nil
				}
			}
		}
		return nil, nil, false
	})
	rep, err := selftest.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := all(map[string]selftest.Verdict{
		"P4 a kill repeats only what is not committed": selftest.NotHeld, "P4 commit metadata is kept": selftest.NotHeld,
	})
	for _, p := range []string{"P3 a clean stop redelivers nothing", "P7 members join and leave"} {
		want[p] = verdicts(rep)[p] // it shows there too where something was unfinished at that moment
	}
	equal(t, rep, want)
}

// TestInterruptedRunCleansUp: Ctrl-C in the middle, while a member is alive in another process.
func TestInterruptedRunCleansUp(t *testing.T) {
	_, cfg := bench(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	start := cfg.Member
	cfg.Member = func(ctx context.Context, run selftest.Run) *exec.Cmd {
		cmd := start(ctx, run)
		time.AfterFunc(time.Second, interrupt)
		return cmd
	}
	rep, err := selftest.Start(ctx, cfg)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted, it returns %v", err)
	}
	if left := leftovers(t, cfg, rep); len(left) > 0 || len(rep.Left) > 0 {
		t.Errorf("left behind: %q, reported: %q", left, rep.Left)
	}
}
