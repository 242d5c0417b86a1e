package cli

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// printOptions say what of a record is printed.
type printOptions struct {
	jq         string
	format     string
	fields     []string
	noEnvelope bool
}

func (o *printOptions) printing(f *pflag.FlagSet) {
	f.StringVar(&o.jq, "jq", "", "print what this jq `expression` makes of the record")
	f.StringVar(&o.format, "format", "", "print each record by this `text`: '%t[%p]@%o %v\\n', see docs/reference/consume.md")
	f.StringSliceVar(&o.fields, "fields", nil, "print only these members, `a,b.c`, as columns")
	f.BoolVar(&o.noEnvelope, "no-envelope", false, "print the payload alone")
}

// printer makes what prints as told.
func (o printOptions) printer(a *app) (*recordPrinter, error) {
	if err := o.conflicts(a); err != nil {
		return nil, err
	}
	p := &recordPrinter{a: a}
	switch {
	case o.jq != "":
		x, err := compileJQ("--jq", o.jq)
		if err != nil {
			return nil, err
		}
		p.texts = x.texts
	case o.format != "":
		f, err := parseFormat(o.format)
		if err != nil {
			return nil, err
		}
		p.plain = f.append
	case len(o.fields) > 0:
		columns, err := parseColumns(o.fields)
		if err != nil {
			return nil, err
		}
		p.texts = columns.texts
		switch {
		case a.format == formatPretty && a.terminal:
			p.texts, p.plain = nil, (&columnTable{a: a, columns: columns}).append
		case a.format == formatPretty, a.format == formatLine:
			p.texts, p.plain = nil, columns.append
		}
	case o.noEnvelope:
		switch a.format {
		case formatPretty:
			p.plain, p.apart = func(b []byte, v *view) ([]byte, error) { return appendValue(b, v.body()), nil }, true
		case formatLine:
			p.plain = a.appendLineBody
		case formatRaw:
			p.plain = a.appendRawBody
		default:
			p.texts = bodyTexts
		}
	default:
		switch a.format {
		case formatPretty:
			p.plain, p.apart = a.appendPretty, true
		case formatLine:
			p.plain = a.appendLine
		case formatRaw:
			p.plain = a.appendRaw
		case formatTemplate:
			return nil, fail(codeTemplate, "-o template needs --format").because("that says what to print").fix(`--format '%%t[%%p]@%%o %%v\n'`)
		default: // JSON is printed as it is
		}
	}
	return p, nil
}

// conflicts refuses flags that contradict each other.
func (o printOptions) conflicts(a *app) error {
	chosen := ""
	for _, f := range []struct {
		name string
		set  bool
	}{{"--jq", o.jq != ""}, {"--format", o.format != ""}, {"--fields", len(o.fields) > 0}, {"--no-envelope", o.noEnvelope}} {
		if !f.set {
			continue
		}
		if chosen != "" {
			return fail(codeConflict, "%s and %s exclude each other", chosen, f.name).because("both say what of a record is printed").
				fix("use one of them").fix("%%{payload} in --format is the payload alone")
		}
		chosen = f.name
	}
	how := format(a.flags.output) // only what was written on this line: a general wish gives way
	switch {
	case how == "" || chosen == "":
		return nil
	case (o.format != "") != (how == formatTemplate), len(o.fields) > 0 && how == formatRaw:
		return fail(codeConflict, "%s and -o %s exclude each other", chosen, how).because("both say how a record is printed").fix("use one of them")
	}
	return nil
}

// texts are the results of x as JSON.
func (x *expression) texts(ctx context.Context, v *view, each func([]byte) error) error {
	var failed error
	err := x.results(ctx, v.doc(), func(result any) bool {
		failed = each(jsonText(result))
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func (f recordFormat) append(b []byte, v *view) ([]byte, error) {
	for _, put := range f {
		b = put(b, v)
	}
	return b, nil
}

// columns are the members that --fields names.
type columns []struct {
	name string
	path memberPath
}

func parseColumns(names []string) (columns, error) {
	var c columns
	for _, name := range names {
		p, at, why := parsePath(name)
		if why != "" {
			return nil, badText(codePath, "--fields", name, at, why).fix("--fields key,offset,payload.quality_score")
		}
		c = append(c, struct {
			name string
			path memberPath
		}{name, p})
	}
	return c, nil
}

// texts is one object with the members in the order of the flag; null stands for one that is not there.
func (c columns) texts(_ context.Context, v *view, each func([]byte) error) error {
	b := []byte{'{'}
	for i, one := range c {
		if i > 0 {
			b = append(b, ',')
		}
		value, _ := one.path.in(v.doc())
		b = jsonx.AppendQuote(b, one.name)
		b = append(append(b, ':'), jsonText(value)...)
	}
	return each(append(b, '}'))
}

// append is one line, tabs between the columns.
func (c columns) append(b []byte, v *view) ([]byte, error) {
	for i, one := range c {
		if i > 0 {
			b = append(b, '\t')
		}
		b = appendCell(b, string(one.path.text(nil, v.doc())))
	}
	return append(b, '\n'), nil
}

// appendCell appends s so that it stays on its line and in its column.
func appendCell(b []byte, s string) []byte {
	return append(b, cellEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD"))...)
}

var cellEscapes = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x1b", `\e`)

// columnTable is columns for people. What comes later is not known: a column is as wide as its widest cell so far.
type columnTable struct {
	a       *app
	columns columns
	width   []int
}

func (t *columnTable) append(b []byte, v *view) ([]byte, error) {
	cells := make([]string, len(t.columns))
	for i, one := range t.columns {
		cells[i] = string(appendCell(nil, string(one.path.text(nil, v.doc()))))
	}
	first := t.width == nil
	if first {
		t.width = make([]int, len(cells))
		for i, one := range t.columns {
			t.width[i] = utf8.RuneCountInString(one.name)
		}
	}
	for i, cell := range cells {
		t.width[i] = max(t.width[i], utf8.RuneCountInString(cell))
	}
	if first {
		heads := make([]string, len(cells))
		for i, one := range t.columns {
			heads[i] = strings.ToUpper(one.name)
		}
		b = append(append(b, t.a.paint(bold, t.line(heads))...), '\n')
	}
	return append(append(b, t.line(cells)...), '\n'), nil
}

func (t *columnTable) line(cells []string) string {
	var s strings.Builder
	for i, cell := range cells {
		s.WriteString(cell)
		if i < len(cells)-1 {
			s.WriteString(strings.Repeat(" ", t.width[i]-utf8.RuneCountInString(cell)+2))
		}
	}
	return strings.TrimRight(s.String(), " ")
}
