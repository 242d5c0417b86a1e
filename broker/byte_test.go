package broker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/broker"
)

// TestOneByteChangedIsRefusedOrMakesNoDifference changes one byte at each of 500 places after a stop in order, and after a kill.
func TestOneByteChangedIsRefusedOrMakesNoDifference(t *testing.T) {
	const places = 500
	seed := rand.Uint64()
	if text := os.Getenv("OMNIBUS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	clean, killed := varied(t)
	for how, from := range map[string]string{"clean": clean, "killed": killed} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			t.Logf("run again with OMNIBUS_SEED=%d", seed)
			want := contents(t, copyOf(t, from))
			rnd := rand.New(rand.NewPCG(seed, uint64(len(how))))
			var changes []byteChange
			sizes := files(t, from)
			names := slices.Sorted(maps.Keys(sizes))
			for len(changes) < places {
				// Half of them anywhere in the bytes, half in any file: small ones matter as much.
				c := byteChange{name: names[rnd.IntN(len(names))], by: byte(1 + rnd.IntN(255))}
				if len(changes)%2 == 0 {
					c.name = weighted(rnd, names, sizes)
				}
				if sizes[c.name] == 0 {
					continue
				}
				c.at = rnd.IntN(sizes[c.name])
				changes = append(changes, c)
			}
			var refusals atomic.Int64
			work := make(chan byteChange)
			var workers sync.WaitGroup
			for range 4 {
				dir := copyOf(t, from)
				workers.Go(func() {
					for c := range work {
						if c.tryOn(t, dir, want) {
							refusals.Add(1)
							continue
						}
						dir = copyOf(t, from) // it was started on
					}
				})
			}
			for _, c := range changes {
				work <- c
			}
			close(work)
			workers.Wait()
			t.Logf("%d of %d were refused", refusals.Load(), len(changes))
			if n := refusals.Load(); n < places/2 {
				t.Errorf("only %d of %d were refused", n, len(changes))
			}
		})
	}
}

// byteChange is a byte of a file that is changed.
type byteChange struct {
	name string
	at   int
	by   byte
}

func (c byteChange) String() string { return fmt.Sprintf("%s at byte %d by %#x", c.name, c.at, c.by) }

// tryOn starts a broker on the changed directory. Either it refuses, naming the place, and the directory is left as it was; or
// everything is there.
func (c byteChange) tryOn(t *testing.T, dir string, want content) (refused bool) {
	path := filepath.Join(dir, filepath.FromSlash(c.name))
	turn := func() {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			return
		}
		raw[c.at] ^= c.by
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Error(err)
		}
	}
	turn()
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err != nil {
		var corrupt *broker.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Why == "" {
			t.Errorf("%s: %v, want a refusal", c, err)
			return false
		}
		// An entry of an index that contradicts its segment may be either's.
		if segment := strings.TrimSuffix(c.name, ".idx") + ".dat"; corrupt.File != c.name && corrupt.File != segment {
			t.Errorf("%s: the refusal names %s: %v", c, corrupt.File, err)
		}
		if sealed := c.name == "manifest" || c.name == "checksums"; corrupt.File == c.name && corrupt.Offset > int64(c.at) && !sealed {
			t.Errorf("%s: the refusal names byte %d", c, corrupt.Offset)
		}
		turn()
		return true
	}
	got, err := contentsOf(t.Context(), b)
	if closed := b.Close(); err == nil {
		err = closed
	}
	if err != nil {
		t.Errorf("%s: %v", c, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s was not noticed (-want +got):\n%s", c, diff)
	}
	return false
}

// weighted picks a file by its size.
func weighted(rnd *rand.Rand, names []string, sizes map[string]int) string {
	total := 0
	for _, n := range names {
		total += sizes[n]
	}
	at := rnd.IntN(total)
	for _, n := range names {
		if at -= sizes[n]; at < 0 {
			return n
		}
	}
	return names[0]
}

// varied makes a directory with everything in it that a broker keeps, through two runs.
func varied(t *testing.T) (clean, killed string) {
	t.Helper()
	clean, killed = t.TempDir(), t.TempDir()
	for run := range 2 {
		b := start(t, broker.Config{Dir: clean})
		cl := client(t, b)
		adm := kadm.NewClient(cl)
		if run == 0 {
			for topic, configs := range map[string]map[string]*string{
				"app.many":    {"segment.bytes": new("300")},
				"app.trimmed": {"retention.ms": new("86400000")},
				"app.empty":   nil,
			} {
				if _, err := adm.CreateTopic(t.Context(), 2, 1, configs, topic); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range 12 {
			for _, topic := range []string{"app.many", "app.trimmed"} {
				r := &kgo.Record{Topic: topic, Key: fmt.Append(nil, "k", i%5), Value: fmt.Appendf(nil, "run %d record %d", run, i), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{byte(i)}}}}
				if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, g := range []string{"group-one", "group-two"} {
			var o kadm.Offsets
			for p := range int32(2) {
				o.Add(kadm.Offset{Topic: "app.many", Partition: p, At: int64(run + 2), LeaderEpoch: -1, Metadata: "settled beyond"})
			}
			if err := adm.CommitAllOffsets(t.Context(), g, o); err != nil {
				t.Fatal(err)
			}
		}
		if run == 0 {
			var o kadm.Offsets
			o.AddOffset("app.trimmed", 0, 2, -1)
			o.AddOffset("app.trimmed", 1, 1, -1)
			if _, err := adm.DeleteRecords(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		} else {
			copyDir(t, killed, clean)
		}
		cl.Close()
		stop(t, b)
	}
	return clean, killed
}

// content is everything that clients can see.
type content struct {
	Topics    map[string]int    // and their partitions
	Settings  map[string]string // that topics have of their own
	Offsets   map[string]string // of partitions: first and next
	Records   map[string]string // by partition and offset
	Positions map[string]string // by group and partition
}

func contents(t *testing.T, dir string) content {
	t.Helper()
	b := start(t, broker.Config{Dir: dir})
	c, err := contentsOf(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, b)
	return c
}

func contentsOf(ctx context.Context, b *broker.Broker) (content, error) {
	c := content{Topics: map[string]int{}, Settings: map[string]string{}, Offsets: map[string]string{}, Records: map[string]string{}, Positions: map[string]string{}}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		return c, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return c, err
	}
	for name, t := range topics {
		c.Topics[name] = len(t.Partitions)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, topics.Names()...)
	if err != nil {
		return c, err
	}
	for _, rc := range configs {
		for _, kv := range rc.Configs {
			if kv.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				c.Settings[rc.Name+" "+kv.Key] = kv.MaybeValue()
			}
		}
	}
	starts, err := adm.ListStartOffsets(ctx)
	if err != nil {
		return c, err
	}
	ends, err := adm.ListEndOffsets(ctx)
	if err != nil {
		return c, err
	}
	from := make(map[string]map[int32]kgo.Offset)
	left := 0
	starts.Each(func(o kadm.ListedOffset) {
		end, _ := ends.Lookup(o.Topic, o.Partition)
		c.Offsets[fmt.Sprint(o.Topic, o.Partition)] = fmt.Sprint(o.Offset, end.Offset)
		if n := int(end.Offset - o.Offset); n > 0 {
			left += n
			if from[o.Topic] == nil {
				from[o.Topic] = make(map[int32]kgo.Offset)
			}
			from[o.Topic][o.Partition] = kgo.NewOffset().At(o.Offset)
		}
	})
	cl.AddConsumePartitions(from)
	for left > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return c, err
		}
		fs.EachRecord(func(r *kgo.Record) {
			left--
			c.Records[fmt.Sprint(r.Topic, r.Partition, r.Offset)] = fmt.Sprintf("%s %s %v %d", r.Key, r.Value, r.Headers, r.Timestamp.UnixMilli())
		})
	}
	groups, err := adm.ListGroups(ctx)
	if err != nil {
		return c, err
	}
	for g := range groups {
		all, err := adm.FetchOffsets(ctx, g)
		if err != nil {
			return c, err
		}
		all.Each(func(o kadm.OffsetResponse) {
			c.Positions[fmt.Sprint(g, o.Topic, o.Partition)] = fmt.Sprint(o.At, o.Metadata)
		})
	}
	return c, nil
}
