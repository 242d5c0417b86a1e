// Stampdir asks the bridge for a stamp on every regular file of a directory, and checks that each file was announced exactly
// once, with the right hash:
//
//	go run ./examples/stampdir DIR
//
// It needs a running bus with the bridge on it, such as "omnibus up". Stop it with Ctrl-C at any time and run it again: ids
// follow from path and content, so that nothing is counted twice.
//
// It exits with 0 if all is well, 1 if a stamp is missing, doubled or wrong, 2 if it was called wrongly, 4 if the bus is away,
// and 130 after Ctrl-C. Files that are too large for the bus are listed, and are no failure.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("stampdir", flag.ContinueOnError)
	flags.SetOutput(stderr)
	brokers := flags.String("b", cmp.Or(os.Getenv(envBrokers), "localhost:9092"), "`brokers`, host:port with commas between; or set "+envBrokers)
	patience := flags.Duration("wait", 30*time.Second, "how long to wait for a stamp while none comes")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: stampdir [flags] DIR")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return 2
	}
	result, err := stampDir(ctx, flags.Arg(0), *brokers, *patience, stderr)
	if result.files > 0 {
		result.print(stdout)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "Stopped. Go on with: go run ./examples/stampdir %s\n", strings.Join(args, " "))
		return 130
	case errors.Is(err, bus.ErrUnreachable):
		fmt.Fprintf(stderr, "stampdir: %v\nStart a bus with \"omnibus up\", or name another with -b; then run this again.\n", err)
		return 4
	case err != nil:
		fmt.Fprintf(stderr, "stampdir: %v\nRun this again to go on.\n", err)
		return 1
	case len(result.missing) > 0:
		fmt.Fprintf(stderr, "no stamp came for %v; is the bridge running? \"omnibus up\" starts it.\n", *patience)
		return 1
	case !result.ok():
		return 1
	}
	return 0
}

const envBrokers = "KAFKA_BOOTSTRAP_SERVERS"

func stampDir(ctx context.Context, dir, brokers string, patience time.Duration, stderr io.Writer) (_ summary, err error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return summary{}, err
	}
	if err := os.Setenv(envBrokers, brokers); err != nil { // the flag goes before the environment
		return summary{}, err
	}
	cfg, err := bus.ConfigFromEnv("stampdir", contracts.Catalog())
	if err != nil {
		return summary{}, err
	}
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		return summary{}, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	r := &run{bus: b, root: root, patience: patience, progress: &progress{w: stderr, terminal: isTerminal(stderr)}}
	return r.everyFile(ctx)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
