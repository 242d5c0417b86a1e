package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

type dlqExportOptions struct {
	selectOptions
	out string
}

type dlqExportDoc struct {
	Schema      string `json:"schema"`
	DeadLetters int    `json:"dead_letters"`
	File        string `json:"file"`
}

func newDLQExportCmd(a *app) *cobra.Command {
	var o dlqExportOptions
	cmd := prints(&cobra.Command{
		Use:   "export [" + selectorUse + "…]",
		Short: "Write dead letters as lines of JSON, byte for byte, to standard output or a file",
		Example: `omnibus dlq export > dead-letters.ndjson
omnibus dlq export 3f9a1c2b77d0 --out dead-letters.ndjson
omnibus dlq export -b there:9092 | omnibus dlq import -b here:9092`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return runDLQExport(cmd.Context(), a, o)
		},
	}, formatNDJSON, formatJSON)
	o.flags(cmd.Flags())
	cmd.Flags().StringVar(&o.out, "out", "", "write to this `file`, which must not be there yet")
	return cmd
}

func runDLQExport(ctx context.Context, a *app, o dlqExportOptions) error {
	if a.format == formatJSON && o.out == "" {
		return fail(codeConflict, "-o json and the lines of an export both want standard output").fix("--out FILE").fix("leave -o json out")
	}
	return a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) (err error) {
		s, err := o.selector(ctx, a, d)
		if err != nil {
			return err
		}
		var out io.Writer = a.out
		if o.out != "" {
			file, err := os.OpenFile(filepath.Join(a.dir, o.out), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fail(codeFile, "cannot write %s", o.out).because("%s", plainPathError(err)).fix("--out with another name")
			}
			defer func() {
				if closed := file.Close(); err == nil {
					err = closed
				}
			}()
			out = file
		}
		n, err := d.Export(ctx, s, out)
		if err != nil {
			return a.notFound(ctx, d, o.selectOptions, err)
		}
		if a.format != formatJSON {
			a.hint("%s", count(n, "dead letter", "dead letters"))
			return nil
		}
		return a.print(dlqExportDoc{Schema: schemaOf("dlq.export"), DeadLetters: n, File: o.out}, nil)
	})
}

type dlqImportDoc struct {
	Schema  string `json:"schema"`
	Written int    `json:"written"`
	Known   int    `json:"known"` // were there already
}

func newDLQImportCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "import [FILE]",
		Short: "Write exported dead letters into their topics, byte for byte",
		Long:  "Without a FILE it reads standard input. What is there already is left out, so that it can be run again.",
		Example: `omnibus dlq import dead-letters.ndjson
omnibus dlq import < dead-letters.ndjson`,
		Args: a.wantArgs(0, 1, "a FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return runDLQImport(cmd.Context(), a, args) },
	}, formatTable, formatJSON)
}

func runDLQImport(ctx context.Context, a *app, args []string) error {
	in := a.in
	if len(args) == 1 && args[0] != "-" {
		path := args[0]
		if !filepath.IsAbs(path) {
			path = filepath.Join(a.dir, path)
		}
		file, err := os.Open(path)
		if err != nil {
			return cannotRead(args[0], err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		in = file
	}
	return a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		got, err := d.Import(ctx, bufio.NewReader(in))
		doc := dlqImportDoc{Schema: schemaOf("dlq.import"), Written: got.Written, Known: got.Known}
		if err != nil {
			return a.explainImport(err, doc)
		}
		return a.print(doc, func() error {
			return a.printFields(field{"written", strconv.Itoa(doc.Written)}, field{"there already", strconv.Itoa(doc.Known)})
		})
	})
}

// explainImport names the line that cannot be read, and what was written before it.
func (a *app) explainImport(err error, doc dlqImportDoc) error {
	line, ok := errors.AsType[*deadletter.LineError](err)
	if !ok {
		return err
	}
	return fail(codeEvent, "line %d is no exported dead letter", line.Line).at("written", "%d", doc.Written).because("%s", clip(oneline.Cause(line), 200)).
		fix("correct or remove line %d, and import again: what is there already is left out", line.Line)
}
