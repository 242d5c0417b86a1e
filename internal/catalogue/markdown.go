package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Markdown describes entries in one document: a table of contents by domain, then a section for each event type.
func Markdown(entries []Entry, title string) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%d event types.\n", cell(title), len(entries))
	for domain, of := range byDomain(entries) {
		fmt.Fprintf(&b, "\n## %s\n\n| Event type | Kind | What it says |\n| --- | --- | --- |\n", domain)
		for _, e := range of {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", link(e.Topic), e.Topic.Pattern(), cell(e.Doc))
		}
	}
	for _, e := range entries {
		if err := e.section(&b); err != nil {
			return nil, fmt.Errorf("describe %s: %w", e.Topic, err)
		}
	}
	return []byte(b.String()), nil
}

// byDomain yields the entries of each domain; both are in order.
func byDomain(entries []Entry) func(yield func(string, []Entry) bool) {
	return func(yield func(string, []Entry) bool) {
		of := map[string][]Entry{}
		var names []string
		for _, e := range entries {
			if of[e.Domain] == nil {
				names = append(names, e.Domain)
			}
			of[e.Domain] = append(of[e.Domain], e)
		}
		slices.Sort(names)
		for _, name := range names {
			if !yield(name, of[name]) {
				return
			}
		}
	}
}

func (e Entry) section(b *strings.Builder) error {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", e.Topic, e.Doc)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "* %s: %s\n", name, value)
		}
	}
	line("Version", e.Version)
	for _, words := range e.Versions() {
		line("Note", words)
	}
	line("Owner", e.Owner)
	line("Published by", strings.Join(Names(e.Producers), ", "))
	line("Read by", strings.Join(Names(e.Consumers), ", "))
	if e.Replies != "" {
		line("Answered on", link(e.Replies))
	}
	line("Answers", links(e.Answers))
	if e.AliasOf != "" {
		line("The same fact as", link(e.AliasOf))
	}
	line("Other majors", links(e.Siblings))
	line("Key", e.KeyText())
	line("Partitions", strconv.Itoa(e.Partitions))
	line("Kept for", Duration(e.Retention))
	line("Dead letters", "`"+string(e.Topic.DLQ())+"`")
	line("Registry subject", "`"+e.Subject+"`")
	if len(e.Fields) > 0 {
		b.WriteString("\n| Field | Type | Needed | Limits | Meaning |\n| --- | --- | --- | --- | --- |\n")
		for _, f := range e.Fields {
			needed := ""
			if f.Required {
				needed = "yes"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", cell(f.Path), cell(f.Type), needed, cell(strings.Join(e.Notes(f), "; ")), cell(f.Doc))
		}
	}
	if len(e.Rules) > 0 {
		b.WriteString("\n")
		for _, rule := range e.Rules {
			fmt.Fprintf(b, "* %s\n", cell(rule))
		}
	}
	if len(e.Events) == 0 {
		return nil
	}
	whole, err := jsonx.Indent(e.Events[0].Event)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "\n```json\n%s\n```\n", whole)
	return nil
}

// Names are the names of services for people.
func Names(services []string) []string {
	names := slices.Clone(services)
	for i, name := range names {
		if name == Any {
			names[i] = "any service"
		}
	}
	return names
}

// Duration is d in the largest unit that it is a whole number of.
func Duration(d time.Duration) string {
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := d / unit.of; n > 0 && d%unit.of == 0 {
			if n > 1 {
				unit.name += "s"
			}
			return fmt.Sprintf("%d %s", n, unit.name)
		}
	}
	return d.String()
}

func link(t event.Topic) string { return "[" + short(t) + "](#" + slug(string(t)) + ")" }

func links(topics []event.Topic) string {
	var all []string
	for _, t := range topics {
		all = append(all, link(t))
	}
	return strings.Join(all, ", ")
}

// slug is the anchor that renderers of Markdown give a heading.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// cell is text that stays in its cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
