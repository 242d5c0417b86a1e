package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type consumeOptions struct {
	topics     []event.Glob
	from, to   string
	since      string
	until      string
	offset     string
	partitions []int32
	last       int
	follow     bool
	limit      int
	group      string
	groupFrom  string // which setting names the group, where the command line does not
	peek       bool
	failEmpty  bool
	explain    bool
	again      []string // the flags that hold for the rest of a scan that was stopped
	filterOptions
	printOptions
}

func newConsumeCmd(a *app) *cobra.Command {
	var o consumeOptions
	cmd := consumeCmd(a, &o)
	cmd.Use = "consume TOPIC|PATTERN…"
	cmd.Aliases = []string{"sub"}
	cmd.Short = "Read events: what is there, or what comes"
	cmd.Long = "Without --follow it reads what is there now and ends. It commits nothing, unless --group says for whom: then it reads on from\n" +
		"where that group is, and commits what it has printed. KAFKA_CONSUMER_GROUP says it too where nothing else says what to look at;\n" +
		"a group of the settings that is at work is refused.\n\n" +
		"Filters come before --limit and after --last. --where is a jq expression over the record as -o ndjson prints it, with the\n" +
		"members of the envelope beside it: .payload, .event_type, .correlation_id, .header.NAME, .key, .partition, .offset.\n\n" +
		"Times: " + positionGrammar + ".\n--offset: " + offsetGrammar + ".\n\n" +
		"--format: " + formatGrammar + "."
	cmd.Example = `omnibus consume omninode.intelligence.event.quality_assessed.v1 --last 1
omnibus consume 'omninode.codegen.*' --since 10m -o line
omnibus consume omninode.codegen.request.validate.v1 -f --from latest
omnibus consume omninode.intelligence.event.quality_assessed.v1 --where '.payload.quality_score < 0.5' --limit 20
omnibus consume omninode.codegen.request.validate.v1 --group debug --limit 5 -o ndjson`
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with what comes, until Ctrl-C")
	cmd.Flags().IntVar(&o.last, "last", 0, "only the newest `n`, across all partitions")
	return cmd
}

// newTailCmd is consume -f --last 10.
func newTailCmd(a *app) *cobra.Command {
	o := consumeOptions{follow: true}
	cmd := consumeCmd(a, &o)
	cmd.Use = "tail TOPIC|PATTERN…"
	cmd.Short = "Follow events: the last ten and what comes (consume -f --last 10)"
	cmd.Example = `omnibus tail 'omninode.*'
omnibus tail omninode.codegen.request.validate.v1 --last 100 -o line`
	cmd.Flags().IntVar(&o.last, "last", 10, "begin with the newest `n`, across all partitions")
	return cmd
}

// consumeCmd is what the two have in common.
func consumeCmd(a *app, o *consumeOptions) *cobra.Command {
	var topic string
	cmd := prints(&cobra.Command{
		RunE: func(cmd *cobra.Command, args []string) error {
			if topic != "" {
				a.hint("note: %s %s is the short form of --topic", cmd.CommandPath(), topic)
				args = append(args, topic)
			}
			if len(args) == 0 {
				return a.wantArgs(1, -1, "a TOPIC or a PATTERN")(cmd, args)
			}
			o.topics = globs(args)
			if cmd.Name() == "tail" && !cmd.Flags().Changed("last") && (o.from+o.since+o.offset+o.group != "") {
				o.last = 0
			}
			o.settle(a, cmd)
			o.again = flagsAgain(cmd, o.fixedEnd(a))
			return runConsume(cmd.Context(), a, *o)
		},
	}, formatPretty, formatLine, formatJSON, formatNDJSON, formatYAML, formatRaw, formatTemplate)
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "begin at a `time`, earliest or latest")
	f.StringVar(&o.to, "to", "", "end at a `time`")
	f.StringVar(&o.since, "since", "", "the same as --from, `time`")
	f.StringVar(&o.until, "until", "", "the same as --to, `time`")
	f.StringVar(&o.offset, "offset", "", "begin at an `offset` of every partition")
	f.Int32SliceVarP(&o.partitions, "partition", "p", nil, "only this partition, `n`; may be repeated")
	f.IntVarP(&o.limit, "limit", "n", 0, "end after `n` events that the filters let through")
	o.filters(f)
	o.printing(f)
	f.BoolVar(&o.explain, "explain", false, "say what would be read and when that ends, and read nothing")
	f.BoolVar(&o.failEmpty, "fail-empty", false, "exit with 3 where there is nothing to print")
	f.StringVarP(&o.group, "group", "g", "", "read as this consumer `group` and commit what was printed")
	f.BoolVar(&o.peek, "peek", false, "with --group: read from where it is, and commit nothing")
	f.StringVar(&topic, "topic", "", "")
	f.Lookup("partition").DefValue = "" // it would be printed as []
	f.Lookup("topic").Hidden = true
	return cmd
}

func runConsume(ctx context.Context, a *app, o consumeOptions) error {
	if err := o.contradicts(); err != nil {
		return err
	}
	r, err := o.bounds(a)
	if err != nil {
		return err
	}
	keep, err := o.filter()
	if err != nil {
		return err
	}
	printer, err := o.printer(a)
	if err != nil {
		return err
	}
	c := &consuming{a: a, o: o, keep: keep, printer: printer, began: a.now(), next: map[partitionKey]int64{}}
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		if err := a.within(ctx, func(ctx context.Context) error { return a.topicsExist(ctx, b, o, r) }); err != nil {
			return err
		}
		if err := a.within(ctx, func(ctx context.Context) error { return o.nobodyElse(ctx, a, b) }); err != nil {
			return err
		}
		if o.explain {
			return a.within(ctx, func(ctx context.Context) error { return c.explain(ctx, b, r) })
		}
		if err := c.printer.begin(); err != nil {
			return err
		}
		switch {
		case o.group != "" && o.peek:
			err = c.peek(ctx, b)
		case o.group != "":
			err = c.group(ctx, b)
		default:
			err = c.scan(ctx, b, r)
		}
		if end := c.printer.end(); err == nil {
			err = end
		}
		c.told.hide()
		if ctx.Err() != nil && !o.follow && o.group == "" {
			c.goOn(b, r)
		}
		if err == nil && ctx.Err() != nil {
			return context.Canceled
		}
		if err == nil {
			err = c.outcome()
		}
		return err
	})
}

// consuming is one run: what is looked at, what of it is printed, and what went wrong with it.
type consuming struct {
	a       *app
	o       consumeOptions
	keep    *filter
	printer *recordPrinter
	seen    int // records looked at
	failed  int // records that the filter failed on
	first   *failure

	began time.Time
	next  map[partitionKey]int64 // behind what was looked at
	spans []bus.Span             // what the scan is of, once that was asked for
	told  *progress
}

// show prints rec if it is meant, and reports whether that was the last one wanted.
func (c *consuming) show(ctx context.Context, rec bus.Record) (enough bool, err error) {
	c.seen++
	v := viewOf(rec)
	meant, err := c.keep.matches(ctx, v)
	if err == nil && meant {
		err = c.printer.print(ctx, v)
		if c.told != nil && c.a.terminal { // the two share a screen
			c.told.hide()
			c.printer.out.now()
		}
	}
	if unfit, ok := errors.AsType[*unfitError](err); ok {
		c.unfit(rec, unfit)
		err = nil
	}
	return c.printer.n == c.o.limit && c.o.limit > 0, err
}

// unfit says, and keeps, that a flag could not be applied to a record; reading goes on.
func (c *consuming) unfit(rec bus.Record, why *unfitError) {
	if c.failed++; c.failed == 1 {
		c.first = fail(codePartial, "").at("first", "%s", rec.Coordinates()).because("%s", why)
	}
	if c.failed <= 20 {
		c.a.note("%s: %s", rec.Coordinates(), why)
	}
}

// outcome says how it went once everything is read.
func (c *consuming) outcome() error {
	switch {
	case c.failed > 0:
		f := c.first
		f.message = fmt.Sprintf("%d of %s could not be judged or printed as told", c.failed, count(c.seen, "record", "records"))
		return f.fix("an expression such as (.payload.a // 0) > 1 takes records that lack a member")
	case c.printer.n > 0:
		return nil
	case c.seen > 0 && c.o.failEmpty:
		return fail(codeEmpty, "none of %s matches", count(c.seen, "record", "records")).because("the filters let none of them through").
			fix("--explain says what is read").fix("leave a filter out")
	case c.o.failEmpty:
		return fail(codeEmpty, "no events there").because("the range that was asked for is empty").fix("--from earliest")
	case c.seen > 0:
		c.a.hint("none of %s matches", count(c.seen, "record", "records"))
	default:
		c.a.hint("no events there")
	}
	return nil
}

// scan reads without a group.
func (c *consuming) scan(ctx context.Context, b *bus.Bus, r bus.Range) error {
	for rec, err := range b.Scan(ctx, r) {
		if err != nil {
			return err
		}
		enough, err := c.show(ctx, rec)
		if err != nil || enough {
			return err
		}
		if !c.o.follow {
			c.next[partitionKey{rec.Topic, rec.Partition}] = rec.Offset + 1
			c.tell(ctx, b, r)
		}
	}
	return nil
}

// topicsExist refuses names that the broker does not have. A pattern that matches nothing may match later.
func (a *app) topicsExist(ctx context.Context, b *bus.Bus, o consumeOptions, r bus.Range) error {
	infos, err := b.Topics(ctx, o.topics...)
	if err != nil {
		return err
	}
	if len(infos) == 0 && !o.follow && o.group == "" {
		var patterns []string
		for _, g := range o.topics {
			patterns = append(patterns, string(g))
		}
		return fail(codeEmpty, "no topic matches %s", quoted(patterns)).because("the broker has none by that name now").
			fix("omnibus topics list").fix("--follow waits for topics that appear later")
	}
	for _, want := range slices.Concat(r.Partitions, slices.Sorted(maps.Keys(r.Starts))) {
		for _, t := range infos {
			if !slices.ContainsFunc(t.Partitions, func(p bus.PartitionInfo) bool { return p.Partition == want }) {
				return fail(codeTopic, "%s has no partition %d", t.Name, want).because("it has %s", count(len(t.Partitions), "partition", "partitions")).
					fix("omnibus topics show %s", t.Name)
			}
		}
	}
	return nil
}

// contradicts refuses flags that contradict each other about what is read.
func (o consumeOptions) contradicts() error {
	both := func(x, y, why string) error {
		return fail(codeConflict, "%s and %s exclude each other", x, y).because("%s", why).fix("use one of them")
	}
	start := "" // the flag that says where to begin
	for _, f := range []struct{ name, value string }{{"--from", o.from}, {"--since", o.since}, {"--offset", o.offset}} {
		if f.value != "" && start != "" {
			return both(start, f.name, "both say where to begin")
		}
		if f.value != "" {
			start = f.name
		}
	}
	switch {
	case o.to != "" && o.until != "":
		return both("--to", "--until", "both say where to end")
	case o.follow && o.to+o.until != "":
		return both("--follow", "--to", "one goes on, the other ends")
	case o.last > 0 && start != "":
		return both("--last", start, "both say where to begin")
	case o.last < 0:
		return fail(codeFlagValue, "--last must be 1 or more").fix("--last 10")
	case o.limit < 0:
		return fail(codeFlagValue, "--limit must be 1 or more").fix("--limit 10")
	case o.peek && o.group == "":
		return fail(codeConflict, "--peek needs --group").because("without a group nothing is committed anyway").fix("--group GROUP --peek, or neither")
	case o.group == "":
		return nil
	case o.last > 0:
		return both("--group", "--last", "a group reads on from where it is")
	case o.to+o.until != "":
		return both("--group", "--to", "a group reads on from where it is")
	case len(o.partitions) > 0:
		return both("--group", "--partition", "a group shares all partitions among its members")
	case start != "" && !slices.Contains([]string{"earliest", "latest"}, o.from+o.since+o.offset):
		return fail(codeConflict, "with --group, %s takes earliest or latest", start).
			because("a group reads on from where it is; only a new group begins elsewhere").fix("leave out --group to read from there")
	case o.peek && o.follow:
		return both("--peek", "--follow", "peeking ends at what is there")
	}
	return nil
}

// bounds turns the flags into what the bus reads.
func (o consumeOptions) bounds(a *app) (bus.Range, error) {
	r := bus.Range{Topics: o.topics, Partitions: o.partitions, Last: o.last, Follow: o.follow}
	now := a.now()
	wrong := func(flag, value, grammar string) error {
		return fail(codeTime, "%q is not a value of %s", clip(value, 60), flag).because("it is none of: %s", grammar).fix("%s 10m", flag).fix("%s earliest", flag)
	}
	for _, f := range []struct {
		flag, value string
		bound       *bus.Bound
	}{{"--from", o.from, &r.From}, {"--since", o.since, &r.From}, {"--to", o.to, &r.To}, {"--until", o.until, &r.To}} {
		if f.value == "" {
			continue
		}
		at, err := parsePosition(f.value, now, a.zone)
		if err != nil {
			return r, wrong(f.flag, f.value, positionGrammar)
		}
		*f.bound = at.bound()
	}
	if o.offset == "" {
		return r, nil
	}
	offset, err := parseOffset(o.offset, now, a.zone)
	if err != nil {
		return r, wrong("--offset", o.offset, offsetGrammar)
	}
	if offset.starts != nil && len(o.partitions) > 0 {
		return r, fail(codeConflict, "--partition and --offset %s exclude each other", o.offset).because("both name partitions").fix("use one of them")
	}
	if offset.to.kind != unset && o.follow {
		return r, fail(codeConflict, "--follow and --offset %s exclude each other", o.offset).because("one goes on, the other ends").fix("use one of them")
	}
	if offset.to.kind != unset && o.to+o.until != "" {
		return r, fail(codeConflict, "--to and --offset %s exclude each other", o.offset).because("both say where to end").fix("use one of them")
	}
	if r.Starts = offset.starts; r.Starts == nil {
		r.From = offset.from.bound()
	}
	if offset.to.kind != unset {
		r.To = offset.to.bound()
	}
	return r, nil
}

func (p position) bound() bus.Bound {
	switch p.kind {
	case latest:
		return bus.FromEnd(0)
	case atTime:
		return bus.AtTime(p.time)
	case atOffset:
		return bus.AtOffset(p.offset)
	case fromStart:
		return bus.FromStart(p.offset)
	case fromEnd:
		return bus.FromEnd(p.offset)
	default:
		return bus.Bound{} // the earliest, or as an end what is there
	}
}
