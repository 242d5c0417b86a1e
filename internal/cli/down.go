package cli

import (
	"context"
	"errors"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

type downDoc struct {
	Schema  string `json:"schema"`
	Stopped bool   `json:"stopped"`
	PID     int    `json:"pid,omitzero"`
}

func newDownCmd(a *app) *cobra.Command {
	cmd := prints(&cobra.Command{
		Use:   "down",
		Short: "Stop what \"omnibus up\" started, and wait until it has stopped",
		Example: `omnibus down
omnibus down --data ./data`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDown(cmd.Context(), a) },
	}, formatTable, formatJSON)
	dataFlag(cmd.Flags())
	return cmd
}

func runDown(ctx context.Context, a *app) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	s, running, err := readState(dir)
	if err != nil {
		return cannotRead(lockPath(dir), err)
	}
	doc := downDoc{Schema: schemaOf("down")}
	if !running {
		return a.print(doc, func() error {
			a.hint("nothing runs with data directory %s", dir)
			return nil
		})
	}
	if s.PID <= 0 {
		return fail(codeNotRunning, "Omnibus is just starting").at("data", "%s", dir).because("it has not said yet which process it is").fix("try again in a second")
	}
	if err := syscall.Kill(s.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fail(codeAuth, "cannot stop process %d", s.PID).because("%s", err.Error()).fix("run it as the user who started it")
	}
	// Draining may take up to 30 s, and closing the broker a little more.
	waiting, cancel := context.WithTimeout(ctx, max(a.flags.timeout, drainTime))
	defer cancel()
	if err := awaitEnd(waiting, dir); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fail(codeTimeout, "process %d has not stopped within %s", s.PID, max(a.flags.timeout, drainTime)).because("it still finishes what it had begun").
			fix("omnibus status").fix("omnibus down again, with a longer --timeout")
	}
	doc.Stopped, doc.PID = true, s.PID
	return a.print(doc, func() error { return a.printFields(field{"stopped", "process " + strconv.Itoa(s.PID)}) })
}
