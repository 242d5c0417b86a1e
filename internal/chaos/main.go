// Command chaos runs producers, consumers and a broker as processes of their own, kills, freezes and cuts off all of them by a
// schedule that follows from a seed, and holds what they did against what the bus promises.
//
//	go run ./internal/chaos -profile short
//	go run ./internal/chaos -schedule FILE     the same faults at the same times as an earlier run
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "chaos:", err) // there is nowhere else to say it
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == actorCommand {
		return act(ctx, os.Stdin, os.Stdout)
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log every change
	s, err := settingsOf(args, os.Stderr)
	if err != nil {
		return err
	}
	return s.run(ctx, os.Stdout)
}

type settings struct {
	profile  string
	schedule string
	seed     uint64
	events   int
	lasts    float64
	dir      string
	report   string
}

func settingsOf(args []string, w io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(w)
	flags.StringVar(&s.profile, "profile", "short", "what to run: "+profileNames())
	flags.Uint64Var(&s.seed, "seed", 0, "what the faults and the load are drawn from; 0 draws one")
	flags.StringVar(&s.schedule, "schedule", "", "run the faults of this `file` again")
	flags.IntVar(&s.events, "events", 0, "how many events, in place of the profile's")
	flags.Float64Var(&s.lasts, "seconds", 0, "over how many seconds the load is spread, in place of the profile's")
	flags.StringVar(&s.dir, "dir", "", "keep data, ledgers and logs in this new `directory`; default: a temporary one, kept where something was found")
	flags.StringVar(&s.report, "report", "", "add the report to this `file`, in Markdown")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("there are no arguments, and %q is one", flags.Arg(0))
	}
	if s.seed == 0 {
		s.seed = 1 + rand.Uint64N(1_000_000) //nolint:gosec // it only has to differ
	}
	if s.schedule != "" && (s.events > 0 || s.lasts > 0) {
		return s, errors.New("-schedule says how many events and how long: leave -events and -seconds away")
	}
	return s, nil
}

// run plays a profile, prints its report, and fails where something was found.
func (s settings) run(ctx context.Context, out io.Writer) (err error) {
	p, prof, err := s.plan()
	if err != nil {
		return err
	}
	dir, err := s.directory(p)
	if err != nil {
		return err
	}
	r := &run{
		plan: p, profile: prof, dir: dir, out: out, victims: map[string]victim{}, counts: map[string]int{}, proxies: map[string][]*proxy{},
		work: work{Run: fmt.Sprintf("%s-%d", p.Profile, p.Seed), Topic: topic, Partitions: prof.partitions, Keys: prof.keys, Mix: prof.mix},
	}
	rep, err := r.perform(ctx)
	if err != nil {
		return fmt.Errorf("%s (seed %d): %w; ledgers, logs and the schedule are in %s", p.Profile, p.Seed, err, dir)
	}
	if err := rep.print(out); err != nil {
		return err
	}
	if s.report != "" {
		if err := rep.appendTo(s.report); err != nil {
			return err
		}
	}
	if n := len(rep.Findings); n > 0 {
		return fmt.Errorf("%s: %d findings; ledgers, logs and data are in %s; to run the same faults again: go run ./internal/chaos -schedule %s",
			p.Profile, n, dir, filepath.Join(dir, scheduleFile))
	}
	if s.dir == "" {
		return os.RemoveAll(dir)
	}
	return nil
}

const topic = "omninode.chaos.event.worked.v1"

// plan is drawn from the seed, or read from a file.
func (s settings) plan() (plan, profile, error) {
	var p plan
	name := s.profile
	if s.schedule != "" {
		f, err := os.Open(s.schedule)
		if err != nil {
			return p, profile{}, err
		}
		defer f.Close() //nolint:errcheck // it is only read
		if p, err = readPlan(f); err != nil {
			return p, profile{}, err
		}
		name = p.Profile
	}
	prof, ok := profiles()[name]
	if !ok {
		return p, prof, fmt.Errorf("there is no profile %q; there are %s", name, profileNames())
	}
	if s.schedule != "" {
		return p, prof, nil
	}
	if s.events > 0 {
		prof.events = s.events
	}
	if s.lasts > 0 {
		prof.lasts = time.Duration(s.lasts * float64(time.Second))
	}
	return plan{
		head:   head{Profile: name, Seed: s.seed, Events: prof.events, Lasts: inMillis(prof.lasts)},
		faults: draw(s.seed, prof.menu, prof.cast, prof.lasts),
	}, prof, nil
}

func (s settings) directory(p plan) (string, error) {
	if s.dir == "" {
		return os.MkdirTemp("", "omnibus-chaos-"+p.Profile+"-")
	}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return "", err
	}
	return filepath.Abs(s.dir)
}
