package cli

import "github.com/spf13/cobra"

func newSchemaCmd(a *app) *cobra.Command {
	cmd := a.group("schema", "Check schema files and generate code from them", `omnibus schema lint schemas/events
omnibus schema gen --check`, newSchemaLintCmd(a), newSchemaGenCmd(a))
	cmd.Aliases = []string{"schemas"}
	return cmd
}
