package cli

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"
)

func newFaultListCmd(a *app) *cobra.Command {
	cmd := prints(&cobra.Command{
		Use:   "list",
		Short: "List the faults that are active, and how many requests they met",
		Example: `omnibus fault list
omnibus fault list -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runFaultList(cmd.Context(), a) },
	}, formatTable, formatJSON)
	dataFlag(cmd.Flags())
	return cmd
}

func runFaultList(ctx context.Context, a *app) error {
	doc, err := a.askFaults(ctx, http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	doc.Schema = schemaOf("fault.list")
	return a.printFaults(doc, "no fault is active")
}
