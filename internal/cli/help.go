package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// help prints what cmd does: examples first, as they say most.
func (a *app) help(cmd *cobra.Command, _ []string) {
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n", cmd.Short)
	if cmd.Long != "" {
		fmt.Fprintf(&s, "\n%s\n", strings.TrimSpace(cmd.Long))
	}
	if cmd.Example != "" {
		fmt.Fprintf(&s, "\nExamples:\n  %s\n", strings.ReplaceAll(strings.TrimSpace(cmd.Example), "\n", "\n  "))
	}
	use := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		use = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(&s, "\nUsage:\n  %s\n", use)
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&s, "\nAlso: %s\n", strings.Join(cmd.Aliases, ", "))
	}
	for _, g := range cmd.Groups() {
		helpCommands(&s, cmd, g.Title, g.ID)
	}
	helpCommands(&s, cmd, "Commands", "")
	if flags := cmd.LocalNonPersistentFlags(); cmd.HasParent() && flags.HasAvailableFlags() {
		fmt.Fprintf(&s, "\nFlags:\n%s", flags.FlagUsages())
	}
	if formats := formatsOf(cmd); len(formats) > 0 {
		fmt.Fprintf(&s, "\nOutput (-o): %s\n", strings.Join(formats, ", "))
	}
	if cmd.HasParent() {
		fmt.Fprintf(&s, "\nGlobal flags: omnibus --help\n")
	} else {
		fmt.Fprintf(&s, "\nGlobal flags:\n%s", cmd.PersistentFlags().FlagUsages())
		s.WriteString("\nExit codes: 0 ok, 1 internal, 2 usage, 3 not found, 4 unreachable, 5 not authorized, 6 timeout,\n" +
			"7 invalid content, 8 partly failed, 9 refused, 10 over a threshold, 130 interrupted\n")
	}
	_, _ = a.out.Write([]byte(s.String())) // the error is latched
}

func helpCommands(s *strings.Builder, cmd *cobra.Command, title, id string) {
	headed, width := false, 11
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			width = max(width, len(sub.Name()))
		}
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() || sub.GroupID != id {
			continue
		}
		if !headed {
			fmt.Fprintf(s, "\n%s:\n", title)
			headed = true
		}
		fmt.Fprintf(s, "  %-*s  %s\n", width, sub.Name(), sub.Short)
	}
}
