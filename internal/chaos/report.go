package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/histcheck"
	"github.com/omninode-ai/omnibus/internal/parts"
)

// report is a run for people.
type report struct {
	Title    string
	Rows     [][2]string
	Findings []string
}

// perform does what the profile is about and reports on it.
func (r *run) perform(ctx context.Context) (report, error) {
	if r.profile.trials {
		err := r.try(ctx)
		rep := r.head(ctx)
		rep.Rows = append(rep.Rows, r.outcomes...)
		return rep, err
	}
	res, err := r.play(ctx)
	if err != nil {
		return report{}, err
	}
	return r.report(ctx, res), nil
}

// head is how every report begins.
func (r *run) head(ctx context.Context) report {
	return report{
		Title: fmt.Sprintf("%s, seed %d", r.plan.Profile, r.plan.Seed), Findings: r.findings,
		Rows: [][2]string{
			{"date", time.Now().UTC().Format("2006-01-02 15:04 UTC")}, {"machine", machine(ctx)}, {"broker", r.brokerName()},
		},
	}
}

func (r *run) report(ctx context.Context, res result) report {
	rep := r.head(ctx)
	add := func(what, format string, args ...any) {
		rep.Rows = append(rep.Rows, [2]string{what, fmt.Sprintf(format, args...)})
	}
	h := res.history
	add("members", "%s", r.profile.cast)
	add("events", "%d by the producers, %d records in the topic", h.Events, h.Records)
	add("took", "%.0f s", res.took.Seconds())
	for _, what := range slices.Sorted(maps.Keys(r.counts)) {
		add(what, "%d", r.counts[what])
	}
	add("lost (H1)", "%d", h.Count[histcheck.H1])
	add("phantom or corrupt (H2)", "%d", h.Count[histcheck.H2])
	add("reordered within a key (H3, H5)", "%d", h.Count[histcheck.H3]+h.Count[histcheck.H5])
	add("overlapping (H6)", "%d; %d handlers of a member that had lost its partition ran beside the next one's", h.Count[histcheck.H6], h.Zombies)
	add("committed too early (H7)", "%d", h.Count[histcheck.H7])
	add("duplicates", "%d within the bound, at most %d after one kill or loss; beyond the bound (H4, H8): %d", h.Duplicates, h.Worst, h.Count[histcheck.H4]+h.Count[histcheck.H8])
	add("dead letters", "%d; wrong (H9): %d; quarantined: %d", h.DeadLetters, h.Count[histcheck.H9], res.quarantined)
	if res.resumed > 0 {
		add("end of the outage to work", "%.1f s in the slowest partition", res.resumed.Seconds())
	}
	add("last fault to lag 0", "%.1f s", res.caughtUp.Seconds())
	add("findings", "%d", len(r.findings))
	return rep
}

func (r *run) brokerName() string {
	if r.profile.kafka > 0 {
		return fmt.Sprintf("Apache Kafka %s, %d nodes", parts.KafkaVersion, r.profile.kafka)
	}
	return "embedded, in a process of its own"
}

func (c cast) String() string {
	all := []string{fmt.Sprintf("%d producers", c.producers)}
	for _, g := range c.groups {
		all = append(all, fmt.Sprintf("%d consumers in group %s", g.members, g.name))
	}
	return strings.Join(all, ", ")
}

// machine says what the run ran on, as far as the system tells.
func machine(ctx context.Context) string {
	s := fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if out, err := exec.CommandContext(ctx, "uname", "-sr").Output(); err == nil {
		s += ", " + strings.TrimSpace(string(out))
	}
	return s
}

func (r report) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, r.Title)
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "  %-32s %s\n", row[0], row[1])
	}
	for _, f := range r.Findings {
		fmt.Fprintln(&b, "FOUND", f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// appendTo adds the report to a file, in Markdown.
func (r report) appendTo(file string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n| | |\n| --- | --- |\n", r.Title)
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n**Found:** %s\n", f)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}
