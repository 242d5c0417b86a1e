package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// format is a way to print.
type format string

const (
	formatTable  format = "table"
	formatJSON   format = "json"
	formatPretty format = "pretty"
	formatLine   format = "line"
	formatNDJSON format = "ndjson"
	formatRaw    format = "raw"
	formatYAML   format = "yaml"
	formatTree   format = "tree"
	formatDOT    format = "dot"

	formatMermaid  format = "mermaid"
	formatTemplate format = "template" // --format says how

	formatText   format = "text"
	formatJUnit  format = "junit"
	formatGitHub format = "github"
)

// schemaOf is the name and version of a JSON output, "omnibus.topics.list/v1" say.
func schemaOf(command string) string { return "omnibus." + command + "/v1" }

// print writes doc as JSON, or what text makes of it.
func (a *app) print(doc any, text func() error) error {
	if a.format != formatJSON {
		return text()
	}
	b, err := jsonx.MarshalIndent(doc)
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(b, '\n'))
	return err
}

// printf writes to standard output.
func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format, args...)
	return err
}

// table is rows under a heading, in aligned columns. A column whose heading ends in '#' is aligned to the right.
type table struct {
	heads []string
	rows  [][]string
	width []int // at least, of each column
}

func newTable(heads ...string) *table { return &table{heads: heads} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// lines are the heading and the rows, in aligned columns.
func (t *table) lines() []string {
	width := make([]int, len(t.heads))
	copy(width, t.width)
	right := make([]bool, len(t.heads))
	heads := slices.Clone(t.heads)
	for i, h := range heads {
		heads[i], right[i] = strings.CutSuffix(h, "#")
		width[i] = max(width[i], utf8.RuneCountInString(heads[i]))
	}
	for _, row := range t.rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	t.width = width
	var lines []string
	for _, cells := range append([][]string{heads}, t.rows...) {
		var s strings.Builder
		for i, cell := range cells {
			if i > 0 {
				s.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if right[i] {
				s.WriteString(pad + cell)
			} else {
				s.WriteString(cell + pad)
			}
		}
		lines = append(lines, strings.TrimRight(s.String(), " "))
	}
	return lines
}

func (a *app) printTable(t *table) error {
	if err := t.choose(a.flags.columns); err != nil {
		return err
	}
	lines := t.lines()
	lines[0] = a.paint(bold, lines[0])
	if a.flags.noHeaders {
		lines = lines[1:]
	}
	if len(lines) == 0 {
		return nil
	}
	return a.printf("%s\n", strings.Join(lines, "\n"))
}

// choose keeps the columns with these names, in their order; without names it keeps all. Case does not matter.
func (t *table) choose(names []string) error {
	if len(names) == 0 {
		return nil
	}
	var at []int
	for _, name := range names {
		i := slices.IndexFunc(t.heads, func(h string) bool { return strings.EqualFold(strings.TrimSuffix(h, "#"), strings.TrimSpace(name)) })
		if i < 0 {
			var all []string
			for _, h := range t.heads {
				all = append(all, strings.ToLower(strings.TrimSuffix(h, "#")))
			}
			return fail(codeFlagValue, "%q is not a column of this table", clip(name, 60)).meant(strings.ToLower(name), all).
				fix("--columns %s", shellWord(strings.Join(all, ",")))
		}
		at = append(at, i)
	}
	pick := func(cells []string) []string {
		picked := make([]string, len(at))
		for i, from := range at {
			picked[i] = cells[from]
		}
		return picked
	}
	t.heads, t.width = pick(t.heads), nil
	for i, row := range t.rows {
		t.rows[i] = pick(row)
	}
	return nil
}

// field is one line of a description: a name and its value.
type field struct{ name, value string }

// printFields writes fields one a line, leaving out those without a value.
func (a *app) printFields(fields ...field) error {
	_, err := a.out.Write([]byte(a.fieldsText(fields...)))
	return err
}

func (a *app) fieldsText(fields ...field) string {
	width := 0
	for _, f := range fields {
		if f.value != "" {
			width = max(width, len(f.name))
		}
	}
	var s strings.Builder
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		pad := strings.Repeat(" ", width-len(f.name)+2)
		s.WriteString(a.paint(dim, f.name) + pad + strings.ReplaceAll(f.value, "\n", "\n"+strings.Repeat(" ", width+2)) + "\n")
	}
	return s.String()
}

// timeText is t in the chosen zone, and how long ago that is.
func (a *app) timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(a.zone).Format("2006-01-02T15:04:05.000Z07:00")
}

// ago is how long before now t is, in the two largest units.
func (a *app) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return durationText(a.now().Sub(t)) + " ago"
}

// durationText is d for people: two units at most.
func durationText(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// sizeText is n bytes for people.
func sizeText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, exp := float64(n)/unit, 0
	for v >= unit && exp < 3 {
		v /= unit
		exp++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[exp])
}

// count is n things in words.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// quoted lists words in single quotes, as a shell needs them.
func quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = shellQuote(clip(w, 120))
	}
	return strings.Join(out, " ")
}
