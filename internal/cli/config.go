package cli

import "github.com/spf13/cobra"

// makesProfileKey is the annotation of a command that may name a profile which is not there yet.
const makesProfileKey = "makes-profile"

func newConfigCmd(a *app) *cobra.Command {
	return a.group("config", "Show and change what is configured, and by what", `omnibus config show --origin
omnibus config set --profile staging bootstrap=kafka.staging:9092
omnibus config use staging`,
		newConfigShowCmd(a), newConfigSetCmd(a), newConfigUseCmd(a), newConfigListCmd(a), newConfigValidateCmd(a), newConfigPathCmd(a))
}
