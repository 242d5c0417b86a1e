package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/broker"
)

type repairDoc struct {
	Schema   string `json:"schema"`
	Data     string `json:"data"`
	Executed bool   `json:"executed"`
	broker.RepairReport
}

func newRepairCmd(a *app) *cobra.Command {
	var execute bool
	cmd := prints(&cobra.Command{
		Use:   "repair",
		Short: "Keep what is whole of a data directory that \"omnibus up\" refuses",
		Long: "Says what is damaged, what can be kept and which records and positions are lost, and changes nothing. With --execute it is done:\n" +
			"every file that changes is copied to a directory below quarantine first.",
		Example: `omnibus repair
omnibus repair --data ./data --execute`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runRepair(cmd.Context(), a, execute) },
	}, formatTable, formatJSON)
	cmd.Flags().BoolVar(&execute, "execute", false, "do it")
	dataFlag(cmd.Flags())
	return cmd
}

func runRepair(ctx context.Context, a *app, execute bool) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(brokerDir(dir)); errors.Is(err, fs.ErrNotExist) {
		return a.print(repairDoc{Schema: schemaOf("repair"), Data: dir}, func() error { return a.printf("no broker's data is kept in %s\n", dir) })
	}
	held, err := a.holdDir(dir)
	if err != nil {
		return err
	}
	defer held.Close() //nolint:errcheck // it was only locked
	run := broker.PlanRepair
	if execute {
		run = broker.Repair
	}
	report, err := run(ctx, brokerDir(dir))
	if err != nil {
		return err
	}
	if report.Quarantine != "" {
		report.Quarantine = filepath.Join(brokerDir(dir), filepath.FromSlash(report.Quarantine))
	}
	doc := repairDoc{Schema: schemaOf("repair"), Data: dir, Executed: execute && len(report.Changes) > 0, RepairReport: report}
	return a.print(doc, func() error { return a.printRepair(doc) })
}

func (a *app) printRepair(doc repairDoc) error {
	if len(doc.Damage) == 0 {
		return a.printf("nothing is damaged in %s\n", doc.Data)
	}
	var damaged, changes, lost, positions []string
	for _, d := range doc.Damage {
		damaged = append(damaged, d.File+" at byte "+strconv.FormatInt(d.Offset, 10)+": "+d.Why)
	}
	for _, c := range doc.Changes {
		changes = append(changes, c.File+": "+c.What)
	}
	for _, l := range doc.Lost {
		lost = append(lost, l.String())
	}
	for _, p := range doc.Positions {
		positions = append(positions, p.String())
	}
	if len(lost) == 0 {
		lost = []string{"none"}
	}
	for _, part := range []struct {
		title string
		lines []string
	}{{"damaged", damaged}, {"files", changes}, {"lost records", lost}, {"positions that fall back, as far as they can be read", positions}, {"note", doc.Notes}} {
		if len(part.lines) == 0 {
			continue
		}
		if err := a.printf("%s\n", a.paint(bold, part.title)); err != nil {
			return err
		}
		for _, l := range part.lines {
			if err := a.printf("  %s\n", l); err != nil {
				return err
			}
		}
	}
	if doc.Executed {
		return a.printf("\nrepaired; the damaged files are in %s\n", doc.Quarantine)
	}
	return a.printf("\nnothing was changed; this does it:\n  omnibus repair --data %s --execute\n", shellQuote(doc.Data))
}
