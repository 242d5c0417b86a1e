package cli

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

type parkedDoc struct {
	Schema string       `json:"schema"`
	Keys   []parkedItem `json:"keys"`
}

type parkedItem struct {
	Group     string      `json:"group"`
	Topic     event.Topic `json:"topic"`
	Partition int32       `json:"partition"`
	Key       *string     `json:"key"` // null: the events without a key, or one in key_b64
	KeyB64    *string     `json:"key_b64,omitzero"`
	Since     int64       `json:"since"` // offset of the event that parked it
	Last      int64       `json:"last"`  // offset of the last one that followed
	ParkedAt  string      `json:"parked_at"`
	Class     string      `json:"class"`
	Open      int         `json:"open"` // dead letters of the key that wait for somebody
}

func newDLQParkedCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "parked [GROUP…]",
		Short: "List keys whose events follow an earlier one into the dead letters, until they are released",
		Long: "A consumer whose setting for exhausted retries is to park the key keeps the order of a key beyond its dead letters: what comes\n" +
			"later follows. Send the dead letters again in order, and then release the key.",
		Example: `omnibus dlq parked
omnibus dlq parked bridge -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runDLQParked(cmd.Context(), a, args) },
	}, formatTable, formatJSON)
}

func runDLQParked(ctx context.Context, a *app, groups []string) error {
	doc := parkedDoc{Schema: schemaOf("dlq.parked"), Keys: []parkedItem{}}
	var keys []bus.ParkedKey
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		d := deadletter.Open(b, "")
		all, err := b.ParkedKeys(ctx, "")
		if err != nil {
			return err
		}
		for _, k := range all {
			if len(groups) > 0 && !slices.Contains(groups, k.Group) {
				continue
			}
			open, err := d.OpenOf(ctx, k)
			if err != nil {
				return err
			}
			keys, doc.Keys = append(keys, k), append(doc.Keys, parkedItemOf(k, len(open)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.print(doc, func() error {
		if len(keys) == 0 {
			a.hint("no parked keys")
			return nil
		}
		t := newTable("GROUP", "TOPIC", "PARTITION#", "KEY", "SINCE#", "LAST#", "OPEN#", "CLASS", "PARKED")
		for i, k := range keys {
			t.add(k.Group, string(k.Topic), strconv.Itoa(int(k.Partition)), clip(oneline.Text(keyText(k.Key)), 60), strconv.FormatInt(k.Since, 10),
				strconv.FormatInt(k.Last, 10), strconv.Itoa(doc.Keys[i].Open), k.Class, a.timeText(k.At)+" ("+a.ago(k.At)+")")
		}
		return a.printTable(t)
	})
}

func parkedItemOf(k bus.ParkedKey, open int) parkedItem {
	item := parkedItem{
		Group: k.Group, Topic: k.Topic, Partition: k.Partition, Since: k.Since, Last: k.Last, ParkedAt: jsonTime(k.At), Class: k.Class, Open: open,
	}
	item.Key, item.KeyB64 = jsonx.TextOrBase64(k.Key)
	return item
}
