package cli

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/stack"
)

func newFaultAddCmd(a *app) *cobra.Command {
	var f broker.Fault
	cmd := prints(&cobra.Command{
		Use:   "add",
		Short: "Make requests of one kind fail, come late, or lose their answer",
		Long: "A request that is answered with an error has not been done, except with REQUEST_TIMED_OUT and NOT_ENOUGH_REPLICAS_AFTER_APPEND.\n" +
			"DROP does it and hangs up in place of the answer. While a fault is active /readyz and \"omnibus status\" say so.",
		Example: `omnibus fault add --key produce --error NOT_LEADER_OR_FOLLOWER --count 3
omnibus fault add --key produce --topic 'omninode.bridge.*' --error DROP --count 1
omnibus fault add --key fetch --delay 2s`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runFaultAdd(cmd.Context(), a, f) },
	}, formatTable, formatJSON)
	flags := cmd.Flags()
	flags.StringVar(&f.Key, "key", "", "which `requests`: "+strings.Join(broker.FaultKeys(), ", "))
	flags.StringVar(&f.Topic, "topic", "", "only those for topics that match this `glob`")
	flags.StringVar(&f.Error, "error", "", "the `code` to answer, by Kafka's name; DROP answers nothing; leave it out to delay only")
	flags.IntVar(&f.Count, "count", 0, "end after `n` requests; 0 goes on until cleared")
	flags.DurationVar(&f.Delay, "delay", 0, "answer later than usual, by this `duration`")
	dataFlag(flags)
	return cmd
}

func runFaultAdd(ctx context.Context, a *app, f broker.Fault) error {
	given := f.Error
	f.Error = strings.ToUpper(f.Error)
	if wrong, ok := errors.AsType[*broker.FaultError](f.Check()); ok {
		if wrong.Field == "Error" {
			wrong.Value = given
		}
		return wrongFault(wrong)
	}
	doc, err := a.askFaults(ctx, http.MethodPost, "", stack.FaultOf(f))
	if err != nil {
		return err
	}
	doc.Schema = schemaOf("fault.add")
	if err := a.printFaults(doc, ""); err != nil {
		return err
	}
	for _, added := range doc.Faults {
		a.hint("omnibus fault clear %d ends it", added.ID)
	}
	return nil
}
