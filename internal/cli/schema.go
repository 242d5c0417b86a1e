package cli

import "github.com/spf13/cobra"

func newSchemaCmd(a *app) *cobra.Command {
	cmd := a.group("schema", "Check schema files, generate code from them, see which versions are used", `omnibus schema lint schemas/events
omnibus schema gen --check
omnibus schema usage`, newSchemaLintCmd(a), newSchemaGenCmd(a), newSchemaUsageCmd(a))
	cmd.Aliases = []string{"schemas"}
	return cmd
}
