package cli

import "github.com/spf13/cobra"

func newSchemaCmd(a *app) *cobra.Command {
	cmd := a.group("schema", "Check schemas and what a change of them breaks, register them, generate code", `omnibus schema lint schemas/events
omnibus schema check --against git:main
omnibus schema diff omninode.codegen.request.validate.v1
omnibus schema plan
omnibus schema gen --check`,
		newSchemaListCmd(a),
		newSchemaShowCmd(a),
		newSchemaLintCmd(a),
		newSchemaCheckCmd(a),
		newSchemaDiffCmd(a),
		newSchemaPlanCmd(a),
		newSchemaApplyCmd(a),
		newSchemaRegisterCmd(a),
		newSchemaPullCmd(a),
		newSchemaGenCmd(a),
		newSchemaUsageCmd(a),
	)
	cmd.Aliases = []string{"schemas"}
	return cmd
}
