package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

type dlqEditOptions struct{ file, note string }

type dlqEditDoc struct {
	Schema  string   `json:"schema"`
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Changed bool     `json:"changed"`
	Diff    []string `json:"diff"` // lines that begin with "-" go, those with "+" come
	Next    string   `json:"next"`
}

func newDLQEditCmd(a *app) *cobra.Command {
	var o dlqEditOptions
	cmd := prints(&cobra.Command{
		Use:   "edit ID",
		Short: "Correct a dead letter; the next retry sends the edited event in place of the original",
		Long: "It opens $EDITOR on the event and its headers. Elsewhere than on a terminal, or with --file, it takes the edited event from there.\n" +
			"What you save is held against its schema and kept as a draft: nothing is sent, and the original stays as it is.\n" +
			"\"omnibus dlq restore ID\" drops the draft.",
		Example: `omnibus dlq edit 7k2m9qx4t0
omnibus dlq edit 7k2m9qx4t0 --file corrected.json --note "the score was in percent"
omnibus dlq export 7k2m9qx4t0 | sed 's/"contnt"/"content"/' | omnibus dlq edit 7k2m9qx4t0`,
		Args: a.wantArgs(1, 1, "an ID"),
		RunE: func(cmd *cobra.Command, args []string) error { return runDLQEdit(cmd.Context(), a, o, args[0]) },
	}, formatTable, formatJSON)
	cmd.Flags().StringVar(&o.file, "file", "", "take the edited event from this `file`; - is standard input")
	cmd.Flags().StringVar(&o.note, "note", "", "why, `text`")
	return cmd
}

// draftDoc is what is edited. A file may also hold the event alone, or a line of "dlq export", of which the value is taken.
type draftDoc struct {
	Schema  string          `json:"schema,omitzero"`
	Value   json.RawMessage `json:"value,omitzero"`
	Event   json.RawMessage `json:"event"`
	Headers []headerDoc     `json:"headers"` // those that are not Omnibus's own, which stay as they are
}

func runDLQEdit(ctx context.Context, a *app, o dlqEditOptions, id string) error {
	if err := checkNote(o.note); err != nil {
		return err
	}
	return a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		l, err := a.oneLetter(ctx, d, id)
		if err != nil {
			return err
		}
		if !stillOpen(l.State) {
			return wrongState(a, l)
		}
		before, value, headers := l.Value, l.Value, l.OriginalHeaders()
		if l.Draft != nil {
			value, headers = l.Draft.Value, l.Draft.Headers
		}
		before, _, _ = event.CutSchemaID(before)
		value, schemaID, prefixed := event.CutSchemaID(value) // what is edited is the JSON; the id goes before it again
		text, kept, err := a.editedText(ctx, o, l, value, headers)
		if err != nil {
			return err
		}
		edited, newHeaders, err := readDraft(text, headers)
		if err != nil {
			return a.keptIn(kept, l.ID, err)
		}
		doc := dlqEditDoc{Schema: schemaOf("dlq.edit"), ID: l.ID, State: string(l.State), Diff: []string{}, Next: a.commandLine("dlq", "retry", l.ID)}
		if !bytes.Equal(compacted(value), edited) || !sameHeaders(headers, newHeaders) {
			doc.Changed = true
			doc.Diff = append(doc.Diff, diffLines(editorText(before, l.OriginalHeaders()), editorText(edited, newHeaders))...)
			if prefixed {
				edited = append(event.AppendSchemaID(nil, schemaID), edited...)
			}
			if l, err = d.Edit(ctx, l.ID, edited, newHeaders, o.note); err != nil {
				if errors.Is(err, deadletter.ErrState) {
					return wrongState(a, l)
				}
				return a.keptIn(kept, doc.ID, err)
			}
			doc.State = string(l.State)
		}
		if kept != "" {
			_ = os.RemoveAll(filepath.Dir(kept)) // at worst a file is left in the directory for such files
		}
		return a.print(doc, func() error { return a.printDraft(doc) })
	})
}

func (a *app) printDraft(doc dlqEditDoc) error {
	if !doc.Changed {
		a.hint("nothing was changed")
		return nil
	}
	if err := a.printDiff(doc.Diff); err != nil {
		return err
	}
	return a.printFields(field{"draft of", doc.ID}, field{"state", doc.State}, field{"to send it", doc.Next})
}

// oneLetter is the dead letter that name means, with its bytes.
func (a *app) oneLetter(ctx context.Context, d *deadletter.Desk, name string) (deadletter.Letter, error) {
	o := selectOptions{args: []string{name}}
	snap, err := a.letters(ctx, d, o)
	if err != nil {
		return deadletter.Letter{}, err
	}
	switch n := len(snap.Letters); n {
	case 0:
		return deadletter.Letter{}, a.nothingFits(ctx, d, o)
	case 1:
		return d.Show(ctx, place(snap.Letters[0].Coordinates()))
	default:
		return deadletter.Letter{}, fail(codeArgs, "%s is %d dead letters; name one", clip(name, 120), n).because("one is edited at a time").
			fix("%s", a.commandLine("dlq", "edit", snap.Letters[n-1].ID)).fix("%s", a.commandLine("dlq", "show", name))
	}
}

func wrongState(a *app, l deadletter.Letter) error {
	return fail(codeState, "dead letter %s is %s: it cannot be edited", l.ID, l.State).because("only what is still open can").
		fix("%s", a.commandLine("dlq", "restore", l.ID))
}

// editedText is what somebody made of the event: from a file, from standard input, or from the editor, whose file is then kept
// until all is well.
func (a *app) editedText(ctx context.Context, o dlqEditOptions, l deadletter.Letter, value []byte, headers []bus.Header) (text []byte, kept string, err error) {
	switch {
	case o.file != "" && o.file != "-":
		path := o.file
		if !filepath.IsAbs(path) {
			path = filepath.Join(a.dir, path)
		}
		if text, err = os.ReadFile(path); err != nil {
			return nil, "", cannotRead(o.file, err)
		}
		return text, "", nil
	case o.file == "-", !isTerminal(a.in):
		if text, err = io.ReadAll(a.in); err != nil {
			return nil, "", err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			return nil, "", fail(codeArgs, "standard input is empty, and there is no terminal for an editor").
				fix("%s", a.commandLine("dlq", "edit", l.ID, "--file", "corrected.json"))
		}
		return text, "", nil
	}
	start := editorText(value, headers)
	if !utf8.ValidString(start) {
		return nil, "", fail(codeEvent, "the value of %s is not text", l.ID).because("no editor can show its bytes").
			fix("%s", a.commandLine("dlq", "edit", l.ID, "--file", "corrected.json"))
	}
	dir, err := os.MkdirTemp("", "omnibus-edit-")
	if err != nil {
		return nil, "", err
	}
	kept = filepath.Join(dir, l.ID+".json")
	if err := os.WriteFile(kept, []byte(start), 0o600); err != nil {
		return nil, "", err
	}
	if err := a.edit(ctx, kept); err != nil {
		return nil, "", err
	}
	text, err = os.ReadFile(kept)
	return text, kept, err
}

// edit runs the editor that the environment names, as git does: with a shell, so that it may have arguments.
func (a *app) edit(ctx context.Context, file string) error {
	editor := "vi"
	for _, name := range []string{"EDITOR", "VISUAL"} {
		if v, ok := a.env.lookup(name); ok && v != "" {
			editor = v
		}
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out.w, a.err
	if err := cmd.Run(); err != nil {
		return fail(codeFile, "the editor %s has failed", editor).because("%s", plainPathError(err)).at("file", "%s", file).fix("set EDITOR to another one").fix("--file with the edited event")
	}
	return nil
}

// keptIn adds where the edited text still is.
func (a *app) keptIn(file, id string, err error) error {
	f := a.explain(err)
	if file == "" {
		return f
	}
	return f.at("kept in", "%s", file).fix("correct it there, and run the last line").then(a.commandLine("dlq", "edit", id, "--file", file))
}

// editorText is what the editor opens: the event and its headers as indented JSON, or the value as it is where it is no JSON.
func editorText(value []byte, headers []bus.Header) string {
	if _, err := jsonx.Compact(value); err != nil || len(value) == 0 || bytes.TrimSpace(value)[0] != '{' {
		return string(value)
	}
	doc := draftDoc{Event: value, Headers: []headerDoc{}}
	for _, h := range headers {
		if !ownHeader(h.Name) {
			doc.Headers = append(doc.Headers, headerDocOf(h))
		}
	}
	b, err := jsonx.MarshalIndent(doc)
	if err != nil {
		return string(value)
	}
	return string(b) + "\n"
}

// ownHeader tells which headers follow from the event, and are not for editing.
func ownHeader(name string) bool {
	return strings.HasPrefix(name, "omnibus-") || name == "content-type" || name == "__value_schema_id"
}

// readDraft is the inverse of editorText. The headers that are not edited come from before.
func readDraft(text []byte, before []bus.Header) (value []byte, headers []bus.Header, err error) {
	if err := jsonx.Check(text, jsonx.Limits{}); err != nil {
		return nil, nil, err
	}
	var doc draftDoc
	if err := jsonx.Unmarshal(text, &doc); err != nil {
		return nil, nil, fail(codeEvent, "this is neither an event nor an object with event and headers").because("a member is of another type").
			fix("begin with what omnibus dlq edit opens in an editor, or with an event alone")
	}
	switch {
	case doc.Schema == schemaOf("deadletter") && doc.Value != nil:
		value, err = jsonx.Compact(doc.Value)
		return value, before, err
	case doc.Event == nil:
		value, err = jsonx.Compact(text)
		return value, before, err
	}
	if value, err = jsonx.Compact(doc.Event); err != nil {
		return nil, nil, err
	}
	if doc.Headers == nil {
		return value, before, nil
	}
	headers = []bus.Header{}
	for _, h := range before {
		if ownHeader(h.Name) {
			headers = append(headers, h)
		}
	}
	for _, d := range doc.Headers {
		h, member, err := d.header()
		if err != nil {
			return nil, nil, fail(codeEvent, "%s of header %s %s", member, clip(d.Name, 60), err).because("a header is text or standard base64").fix("correct it, or use %s", strings.TrimSuffix(member, "_b64"))
		}
		if ownHeader(h.Name) {
			return nil, nil, fail(codeEvent, "header %s cannot be edited", clip(h.Name, 60)).because("it follows from the event").fix("leave it out")
		}
		headers = append(headers, h)
	}
	return value, headers, nil
}

func compacted(value []byte) []byte {
	if b, err := jsonx.Compact(value); err == nil {
		return b
	}
	return value
}

// sameHeaders compares the headers that can be edited.
func sameHeaders(a, b []bus.Header) bool {
	free := func(hs []bus.Header) (out []bus.Header) {
		for _, h := range hs {
			if !ownHeader(h.Name) {
				out = append(out, h)
			}
		}
		return out
	}
	a, b = free(a), free(b)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !bytes.Equal(a[i].Value, b[i].Value) || (a[i].Value == nil) != (b[i].Value == nil) {
			return false
		}
	}
	return true
}
