package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

type releaseOptions struct {
	group     string
	topic     event.Topic
	key       []byte
	leaveOpen bool
	execute   bool
}

type releaseDoc struct {
	Schema   string     `json:"schema"`
	Executed bool       `json:"executed"`
	Key      parkedItem `json:"key"`
	Next     string     `json:"next,omitzero"` // the command that does it
}

func newDLQReleaseCmd(a *app) *cobra.Command {
	var o releaseOptions
	var b64 string
	var null bool
	cmd := prints(&cobra.Command{
		Use:   "release GROUP TOPIC [KEY]",
		Short: "Let the events of a parked key run again",
		Long: "Send the dead letters of the key again first: where some are open it refuses, because later events would overtake them. It waits\n" +
			"for the group to come to it, at most --timeout. On a terminal it asks; elsewhere it exits 9 and says how to do it.",
		Example: `omnibus dlq release bridge omninode.bridge.request.stamp.v1 doc-123
omnibus dlq release bridge omninode.bridge.request.stamp.v1 --null-key --execute
omnibus dlq release bridge omninode.bridge.request.stamp.v1 doc-123 --leave-open --execute`,
		Args: a.wantArgs(2, 3, "a GROUP, a TOPIC and a KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.group, o.topic = args[0], event.Topic(args[1])
			ways := 0
			if len(args) > 2 {
				o.key = []byte(args[2])
				ways++
			}
			if b64 != "" {
				key, err := jsonx.FromTextOrBase64(nil, &b64)
				if err != nil {
					return fail(codeFlagValue, "--key-b64 %s", err).fix("take it from: %s", a.commandLine("dlq", "parked", o.group, "-o", "json"))
				}
				o.key = key
				ways++
			}
			if null {
				ways++
			}
			if ways != 1 {
				return fail(codeArgs, "say the key in one way: KEY, --key-b64 or --null-key").fix("%s", a.commandLine("dlq", "parked", o.group))
			}
			return runDLQRelease(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVar(&b64, "key-b64", "", "the key in `base64`, where it is no text")
	f.BoolVar(&null, "null-key", false, "the events without a key")
	f.BoolVar(&o.leaveOpen, "leave-open", false, "although dead letters of the key are open: later events overtake them")
	f.BoolVar(&o.execute, "execute", false, "do it, without asking")
	return cmd
}

func runDLQRelease(ctx context.Context, a *app, o releaseOptions) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		d := deadletter.Open(b, "")
		k, err := a.parkedKey(ctx, b, o)
		if err != nil {
			return err
		}
		open, err := d.OpenOf(ctx, k)
		if err != nil {
			return err
		}
		if len(open) > 0 && !o.leaveOpen {
			return a.keyIsOpen(o, len(open))
		}
		doc := releaseDoc{Schema: schemaOf("dlq.release"), Key: parkedItemOf(k, len(open))}
		if !o.execute {
			done, err := a.askRelease(ctx, o, doc)
			if err != nil || !done {
				return err
			}
		}
		err = a.within(ctx, func(ctx context.Context) error { return d.Release(ctx, k, o.leaveOpen) })
		if err != nil {
			return a.notReleased(o, err)
		}
		doc.Executed = true
		return a.print(doc, func() error { return a.printRelease("released", doc.Key) })
	})
}

// parkedKey is the one that was named.
func (a *app) parkedKey(ctx context.Context, b *bus.Bus, o releaseOptions) (bus.ParkedKey, error) {
	all, err := b.ParkedKeys(ctx, "")
	if err != nil {
		return bus.ParkedKey{}, err
	}
	groups, topics := map[string]bool{}, map[string]bool{}
	var found []bus.ParkedKey
	for _, k := range all {
		groups[k.Group], topics[string(k.Topic)] = true, true
		if k.Group == o.group && k.Topic == o.topic && string(k.Key) == string(o.key) && (k.Key == nil) == (o.key == nil) {
			found = append(found, k)
		}
	}
	if len(found) > 0 {
		return found[0], nil // a key in several partitions: one after the other
	}
	return bus.ParkedKey{}, fail(codeDeadLetter, "no such key is parked for group %s in %s", clip(o.group, 120), clip(string(o.topic), 249)).
		because("%s", count(len(all), "key is parked", "keys are parked")).meant(o.group, names(groups)).meant(string(o.topic), names(topics)).
		fix("%s", a.commandLine("dlq", "parked"))
}

// keyIsOpen refuses a release that would break the order of the key.
func (a *app) keyIsOpen(o releaseOptions, open int) error {
	return fail(codeState, "the key stays parked: %s", count(open, "dead letter of it is open", "dead letters of it are open")).
		because("events that come later would overtake what is not sent again").
		fix("%s", a.commandLine("dlq", "retry", string(o.topic), "--group", o.group, "--keep-order")).
		fix("or resolve them: %s", a.commandLine("dlq", "resolve", string(o.topic), "--group", o.group)).
		fix("--leave-open, where order does not matter any more")
}

// askRelease shows what would be done and asks; where nobody can be asked it refuses, and says how to do it.
func (a *app) askRelease(ctx context.Context, o releaseOptions, doc releaseDoc) (yes bool, err error) {
	words := []string{"dlq", "release", o.group, string(o.topic)}
	switch {
	case doc.Key.KeyB64 != nil:
		words = append(words, "--key-b64", *doc.Key.KeyB64)
	case doc.Key.Key != nil:
		words = append(words, *doc.Key.Key)
	default:
		words = append(words, "--null-key")
	}
	if o.leaveOpen {
		words = append(words, "--leave-open")
	}
	doc.Next = a.commandLine(append(words, "--execute")...)
	if err := a.print(doc, func() error { return a.printRelease("parked", doc.Key) }); err != nil {
		return false, err
	}
	return a.goAhead(ctx, planFlags{}, "", "", doc.Next)
}

func (a *app) printRelease(state string, k parkedItem) error {
	return a.printFields(
		field{"key", state}, field{"group", k.Group}, field{"topic", string(k.Topic) + "[" + strconv.Itoa(int(k.Partition)) + "]"},
		field{"since offset", strconv.FormatInt(k.Since, 10)}, field{"last offset", strconv.FormatInt(k.Last, 10)}, field{"left open", strconv.Itoa(k.Open)},
	)
}

// notReleased explains why a key is parked still.
func (a *app) notReleased(o releaseOptions, err error) error {
	var still *bus.StillParkedError
	switch {
	case errors.As(err, &still):
		return fail(codeState, "the key stays parked: another event of it went to the dead letters meanwhile").at("offset", "%d", still.Last).
			because("to release it now would let later events overtake that one").
			fix("%s", a.commandLine("dlq", "retry", string(o.topic), "--group", o.group, "--keep-order")).fix("and release it then")
	case errors.Is(err, context.DeadlineExceeded):
		return fail(codeTimeout, "group %s has not come to the release yet", clip(o.group, 120)).because("it is done by the member that has the partition: the group may be down or behind; the wish stays in the log").
			fix("%s", a.commandLine("lag", o.group)).fix("%s", a.commandLine("dlq", "parked", o.group))
	}
	return err
}
