package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
)

// settle takes from the settings what the command line leaves open: KAFKA_CONSUMER_GROUP, and KAFKA_AUTO_OFFSET_RESET for a
// group that is new. Who says what to look at (a range, a filter) looks, and does not read as anybody.
func (o *consumeOptions) settle(a *app, cmd *cobra.Command) {
	looks := false
	for _, flag := range []string{"group", "from", "since", "offset", "to", "until", "last", "partition", "where", "event-type", "correlation", "header", "error"} {
		f := cmd.Flags().Lookup(flag)
		looks = looks || f != nil && f.Changed
	}
	if group := a.settings.get("KAFKA_CONSUMER_GROUP"); group.value != "" && !looks && cmd.Name() == "consume" {
		o.group, o.groupFrom = group.value, group.origin
		a.hint("note: reading as group %s (%s), and committing; --group '' reads without one", o.group, o.groupFrom)
	}
	if o.group != "" && o.from+o.since+o.offset == "" && a.settings.get("KAFKA_AUTO_OFFSET_RESET").value == "latest" {
		o.offset = "latest"
	}
}

// nobodyElse refuses a group that the settings name and that is at work: what is printed here would be missing there. Who means
// it says --group.
func (o *consumeOptions) nobodyElse(ctx context.Context, a *app, b *bus.Bus) error {
	if o.groupFrom == "" || o.peek {
		return nil
	}
	infos, err := b.Groups(ctx, o.group)
	if errors.Is(err, bus.ErrUnknownGroup) {
		return nil
	}
	for _, g := range infos {
		if len(g.Members) > 0 {
			f := a.groupHasMembers(&bus.ActiveGroupError{Group: g}).at("chosen by", "%s", o.groupFrom).
				because("its members would not get the events that are printed here")
			f.fixes = nil
			return f.fix("--group '' to read without a group").fix("--last 10 to look at the newest").
				fix("--group %s to take part of its events", shellWord(o.group))
		}
	}
	return err
}
