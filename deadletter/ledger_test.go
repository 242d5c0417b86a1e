package deadletter

import (
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

func claimRecord(t interface{ Fatal(args ...any) }, offset int64, at time.Time, c claim, n int, deleted bool) bus.Record {
	rec := bus.Record{Topic: stateTopic, Offset: offset, Timestamp: at, Key: []byte(claimKey + c.Run + "/" + strconv.Itoa(n))}
	if !deleted {
		var err error
		if rec.Value, err = jsonx.Marshal(c); err != nil {
			t.Fatal(err)
		}
	}
	return rec
}

// Runs claim, read their claim back, work, and release or die, in any order; each acts on what it knows from the log. No dead
// letter is ever held by two of them at one time.
func TestNoTwoRunsHoldOneDeadLetter(t *testing.T) {
	const ttl = 10 * time.Second
	rapid.Check(t, func(t *rapid.T) {
		type holding struct {
			run   string
			until time.Time // by the run's own clock, which begins before its claim is appended
		}
		var log []bus.Record
		now := time.Unix(1_800_000_000, 0)
		held := map[string]holding{}
		claims := map[string]int{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			run := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "run")
			if claims[run] > 0 && rapid.Bool().Draw(t, "release") {
				c := claim{Run: run}
				log = append(log, claimRecord(t, int64(len(log)), now, c, claims[run], true))
				maps.DeleteFunc(held, func(_ string, h holding) bool { return h.run == run })
				claims[run]++
				continue
			}
			claims[run]++
			c := claim{Run: run, TTL: ttl.Milliseconds(), Items: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 1, 3, rapid.ID[string]).Draw(t, "items")}
			log = append(log, claimRecord(t, int64(len(log)), now, c, claims[run], false))
			book := newLedger()
			for _, rec := range log {
				book.apply(rec)
			}
			for _, id := range c.Items {
				if book.grants[id].run != run {
					continue
				}
				if h, ok := held[id]; ok && h.run != run && now.Before(h.until) {
					t.Fatalf("%s has %s, and %s still holds it", run, id, h.run)
				}
				held[id] = holding{run, now.Add(ttl)}
			}
		}
	})
}

func TestClaimOfARunThatWasNeverHeardOfAgainIsDoubted(t *testing.T) {
	at := time.Unix(1_800_000_000, 0).UTC()
	book := newLedger()
	book.apply(claimRecord(t, 0, at, claim{Run: "a", TTL: 1000, Items: []string{"x", "y"}}, 1, false))
	book.apply(claimRecord(t, 1, at.Add(time.Second), claim{Run: "b", TTL: 1000, Items: []string{"x"}}, 1, false))
	book.apply(claimRecord(t, 2, at.Add(3*time.Second), claim{Run: "c", TTL: 1000, Items: []string{"x", "z"}}, 1, false))
	got := map[string]any{}
	for id, g := range book.grants {
		got[id] = nil
		if g.doubt != nil {
			got[id] = [2]time.Time{g.doubt.from, g.doubt.to}
		}
	}
	want := map[string]any{"x": [2]time.Time{at, at.Add(2 * time.Second)}, "y": nil, "z": nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("doubts (-want +got):\n%s", diff)
	}
}

func TestPartKeepsItsItems(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.Custom(func(t *rapid.T) item {
			number := rapid.Int64Range(0, 1<<53)
			text := rapid.SampledFrom([]string{"", "a", "ünï/ \"x\""})
			return item{
				Identity{Group: text.Draw(t, "group"), Topic: "t", TopicID: text.Draw(t, "id"), Partition: int32(rapid.IntRange(0, 9).Draw(t, "p")), Offset: number.Draw(t, "o")},
				edition{Topic: "t.dlq", Partition: int32(rapid.IntRange(0, 9).Draw(t, "dp")), Offset: number.Draw(t, "do"), Redrives: rapid.IntRange(0, 4).Draw(t, "n"), FailedAt: time.UnixMilli(number.Draw(t, "ms") % 1e13).UTC()},
				rapid.IntRange(0, 1<<20).Draw(t, "bytes"),
			}
		})).Draw(t, "items")
		b, err := jsonx.Marshal(partOf(items))
		if err != nil {
			t.Fatal(err)
		}
		var p part
		if err := jsonx.Unmarshal(b, &p); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(items, p.items(), cmp.AllowUnexported(item{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
	})
}

func TestWavesKeepTheOrderOfALane(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c"})).Draw(t, "keys")
		letters := make([]sendable, len(keys))
		for i, key := range keys {
			letters[i].identity.Offset, letters[i].dead.Key = int64(i), []byte(key)
		}
		size := rapid.IntRange(1, 4).Draw(t, "size")
		next, n := map[string]int64{}, 0
		for _, wave := range waves(letters, size, true) {
			seen := map[string]bool{}
			if len(wave) == 0 || len(wave) > size {
				t.Fatalf("a wave of %d", len(wave))
			}
			for _, s := range wave {
				n++
				if seen[s.lane()] || s.identity.Offset < next[s.lane()] {
					t.Fatalf("lane %s: %d is in the wrong place", s.lane(), s.identity.Offset)
				}
				seen[s.lane()], next[s.lane()] = true, s.identity.Offset
			}
		}
		if n != len(letters) {
			t.Fatalf("%d of %d", n, len(letters))
		}
	})
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"schema":"omnibus.deadletter/v1","topic":"a.dlq","key":"k","headers":[{"name":"n","value":"v"}],"value":{"a":1}}`))
	f.Add([]byte(`{"schema":"omnibus.deadletter/v1","topic":"a.dlq","key":null,"value_b64":"/w=="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := parseLine(b)
		if err != nil {
			return
		}
		out, err := jsonx.Marshal(lineOf(rec))
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseLine(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if diff := cmp.Diff(rec, again); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
	})
}

func FuzzParseCoordinates(f *testing.F) {
	f.Add("omninode.shop.event.ordered.v1.dlq/3@17")
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := ParseCoordinates(s)
		if !ok {
			return
		}
		again, ok := ParseCoordinates(string(c.Topic) + "/" + strconv.Itoa(int(c.Partition)) + "@" + strconv.FormatInt(c.Offset, 10))
		if !ok || again != c {
			t.Errorf("%q is %v, and that is %v", s, c, again)
		}
	})
}
