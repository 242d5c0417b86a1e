package cli

import "github.com/spf13/cobra"

// Commands are the paths of every command, without the program's name: "topics list". Runnable are those that do something.
func Commands() (all, runnable []string) {
	var walk func(*cobra.Command, string)
	walk = func(cmd *cobra.Command, path string) {
		all = append(all, path)
		if len(formatsOf(cmd)) > 0 {
			runnable = append(runnable, path)
		}
		for _, sub := range cmd.Commands() {
			if !sub.IsAvailableCommand() {
				continue
			}
			next := sub.Name()
			if path != "" {
				next = path + " " + next
			}
			walk(sub, next)
		}
	}
	walk(newRootCmd(&app{}), "")
	return all, runnable
}
