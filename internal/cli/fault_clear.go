package cli

import (
	"context"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"
)

func newFaultClearCmd(a *app) *cobra.Command {
	cmd := prints(&cobra.Command{
		Use:   "clear [ID]",
		Short: "End one fault, or all",
		Example: `omnibus fault clear
omnibus fault clear 3`,
		Args: a.wantArgs(0, 1, "an ID at most"),
		RunE: func(cmd *cobra.Command, args []string) error { return runFaultClear(cmd.Context(), a, args) },
	}, formatTable, formatJSON)
	dataFlag(cmd.Flags())
	return cmd
}

func runFaultClear(ctx context.Context, a *app, args []string) error {
	path := ""
	if len(args) > 0 {
		id, err := strconv.Atoi(args[0])
		if err != nil || id < 1 {
			return fail(codeFlagValue, "%q is not the ID of a fault", clip(args[0], 60)).because("it is a number").fix("omnibus fault list")
		}
		path = "/" + strconv.Itoa(id)
	}
	doc, err := a.askFaults(ctx, http.MethodDelete, path, nil)
	if err != nil {
		return err
	}
	doc.Schema = schemaOf("fault.clear")
	return a.printFaults(doc, "no fault was active")
}
