package cli

import (
	"context"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
)

func newDLQCmd(a *app) *cobra.Command {
	return a.group("dlq", "Dead letters: what failed, why, and how to send it again", `omnibus dlq list
omnibus dlq groups
omnibus dlq show 7k2m9qx4t0
omnibus dlq retry 3f9a1c2b77d0 --group bridge`,
		newDLQListCmd(a), newDLQGroupsCmd(a), newDLQShowCmd(a), newDLQEditCmd(a), newDLQRetryCmd(a), newDLQResolveCmd(a), newDLQPurgeCmd(a),
		newDLQRestoreCmd(a), newDLQParkedCmd(a), newDLQReleaseCmd(a), newDLQExportCmd(a), newDLQImportCmd(a))
}

// withDesk runs fn with the desk of whoever runs this command.
func (a *app) withDesk(ctx context.Context, fn func(ctx context.Context, d *deadletter.Desk) error) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return fn(ctx, deadletter.Open(b, "").Transforming(transformOf))
	})
}

// tellProblems notes records of decisions that could not be read.
func (a *app) tellProblems(problems []deadletter.Problem) {
	for _, p := range problems {
		a.hint("note: a record about dead letters cannot be read: %s", p)
	}
}

// stillOpen tells whether a dead letter waits for somebody.
func stillOpen(s deadletter.State) bool {
	return s == deadletter.Pending || s == deadletter.Drafted || s == deadletter.Quarantined
}

// commandLine is a command as it can be pasted: with the flags of this run that say which cluster it is about.
func (a *app) commandLine(words ...string) string {
	line := []string{"omnibus"}
	for _, w := range words {
		line = append(line, shellWord(w))
	}
	for _, f := range []struct{ name, value string }{{"-b", a.flags.bootstrap}, {"--catalog", a.flags.catalog}} {
		if f.value != "" {
			line = append(line, f.name, shellWord(f.value))
		}
	}
	return strings.Join(line, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@,=+-]+$`)

// shellWord quotes s where a shell would read something else into it.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return shellQuote(s)
}
