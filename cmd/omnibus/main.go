// Command omnibus is the event bus: the embedded stack, and everything one does to a bus from a shell.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/omninode-ai/omnibus/internal/cli"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that went away is an error of Write, so that "| head" ends cleanly
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
