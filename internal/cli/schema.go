package cli

import "github.com/spf13/cobra"

func newSchemaCmd(a *app) *cobra.Command {
	cmd := a.group("schema", "Check schema files and what a change of them breaks, generate code, see which versions are used", `omnibus schema lint schemas/events
omnibus schema check --against git:main
omnibus schema gen --check
omnibus schema usage`,
		newSchemaLintCmd(a),
		newSchemaCheckCmd(a),
		newSchemaGenCmd(a),
		newSchemaUsageCmd(a),
	)
	cmd.Aliases = []string{"schemas"}
	return cmd
}
