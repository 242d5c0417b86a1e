package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// tellEvery is how many records are looked at between two looks at the clock.
const tellEvery = 256

// tell says how far a scan is, once it takes long.
func (c *consuming) tell(ctx context.Context, b *bus.Bus, r bus.Range) {
	if c.seen%tellEvery != 0 || c.a.now().Sub(c.began) < progressAfter {
		return
	}
	if c.told == nil {
		if c.spans == nil {
			c.spans, _ = b.Spans(ctx, r) // without it the end is not known
		}
		total := int64(-1)
		if c.spans != nil && c.o.last == 0 {
			total = 0
			for _, s := range c.spans {
				total += s.To - s.From
			}
		}
		c.printer.out.now()
		c.told = c.a.startProgress("scanned", total)
		c.told.since(c.began)
	}
	done := int64(c.seen)
	if c.spans != nil && c.o.last == 0 {
		done = 0
		for _, s := range c.spans {
			done += max(0, c.next[partitionKey{s.Topic, s.Partition}]-s.From)
		}
	}
	c.told.at(done)
}

// goOn says where a scan that was stopped is, and how to go on from there.
func (c *consuming) goOn(b *bus.Bus, r bus.Range) {
	c.a.hint("stopped after %s, %d of them printed", count(c.seen, "record", "records"), c.printer.n)
	if c.o.last > 0 {
		return // they come at once, when all is read
	}
	if c.spans == nil {
		ctx, cancel := context.WithTimeout(context.Background(), min(c.a.flags.timeout, 2*time.Second))
		defer cancel()
		var err error
		if c.spans, err = b.Spans(ctx, r); err != nil {
			return
		}
	}
	starts := map[event.Topic][]string{}
	for _, s := range c.spans {
		at := max(s.From, c.next[partitionKey{s.Topic, s.Partition}])
		starts[s.Topic] = append(starts[s.Topic], strconv.Itoa(int(s.Partition))+":"+strconv.FormatInt(at, 10))
	}
	for _, topic := range slices.Sorted(maps.Keys(starts)) {
		again := append([]string{"omnibus consume", shellWord(string(topic))}, c.o.again...)
		if c.o.limit > 0 {
			again = append(again, "--limit", strconv.Itoa(c.o.limit-c.printer.n))
		}
		c.a.hint("go on: %s --offset %s", strings.Join(again, " "), strings.Join(starts[topic], ","))
	}
}

// flagsAgain are the flags of a command line that still hold for the rest of a scan: all but where it begins, and how many are left.
func flagsAgain(cmd *cobra.Command, until string) []string {
	var again []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "from", "since", "offset", "partition", "last", "limit", "topic", "to", "until":
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if f.NoOptDefVal == "" {
				again = append(again, "--"+f.Name, shellWord(v))
				continue
			}
			for range max(1, atoi(v)) { // a switch, or one that counts
				again = append(again, "--"+f.Name)
			}
		}
	})
	if until != "" {
		again = append(again, "--to", shellWord(until))
	}
	return again
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 1
	}
	return n
}

// fixedEnd is --to or --until as it is meant now: "1h" is another time later.
func (o consumeOptions) fixedEnd(a *app) string {
	end := o.to + o.until
	if at, err := parsePosition(end, a.now(), a.zone); err == nil && at.kind == atTime {
		return at.time.UTC().Format(time.RFC3339Nano)
	}
	return end
}
