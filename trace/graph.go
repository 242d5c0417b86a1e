package trace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// DOT is f in the language of Graphviz: an arrow from cause to effect, dashed where only the correlation says so. Text from records is
// quoted, and no payload is in it.
func (f *Flow) DOT() string {
	var s strings.Builder
	s.WriteString("digraph flow {\n  rankdir=LR\n  node [shape=box, fontname=\"sans-serif\"]\n")
	f.draw(graph{
		node: func(name string, kind shape, lines []string) {
			style := map[shape]string{present: "", absent: ", style=dashed", failure: ", color=red, fontcolor=red"}[kind]
			fmt.Fprintf(&s, "  %s [label=\"%s\"%s]\n", name, quoteAll(lines, quoteDOT, `\n`), style)
		},
		arrow: func(from, to string, solid bool) {
			style := ""
			if !solid {
				style = " [style=dashed]"
			}
			fmt.Fprintf(&s, "  %s -> %s%s\n", from, to, style)
		},
	})
	s.WriteString("}\n")
	return s.String()
}

// Mermaid is f as a Mermaid flowchart, see [Flow.DOT].
func (f *Flow) Mermaid() string {
	var s strings.Builder
	s.WriteString("flowchart LR\n")
	f.draw(graph{
		node: func(name string, kind shape, lines []string) {
			class := map[shape]string{present: "", absent: ":::absent", failure: ":::failure"}[kind]
			fmt.Fprintf(&s, "  %s[\"%s\"]%s\n", name, quoteAll(lines, quoteMermaid, "<br/>"), class)
		},
		arrow: func(from, to string, solid bool) {
			line := "-->"
			if !solid {
				line = "-.->"
			}
			fmt.Fprintf(&s, "  %s %s %s\n", from, line, to)
		},
	})
	s.WriteString("  classDef absent stroke-dasharray: 5 5\n  classDef failure stroke:#c00,color:#c00\n")
	return s.String()
}

// graph is what a language draws.
type graph struct {
	node  func(name string, kind shape, lines []string)
	arrow func(from, to string, solid bool)
}

type shape int

const (
	present shape = iota
	absent
	failure
)

// draw names every node after its place in the order of [Flow.All], so that nothing that a record says becomes a name.
func (f *Flow) draw(g graph) {
	names := map[*Node]string{}
	f.All(func(n, parent *Node, _ int) {
		name := "n" + strconv.Itoa(len(names))
		names[n] = name
		if n.Missing {
			g.node(name, absent, []string{timesText(n.ID.String(), n.Count), "not found"})
		} else {
			lines := []string{timesText(strings.TrimPrefix(string(n.Type), "omninode."), n.Count), n.Source.Service + ", " + n.Time.Sub(f.Began).Round(time.Millisecond).String()}
			if n.Hidden > 0 {
				lines = append(lines, strconv.Itoa(n.Hidden)+" more below")
			}
			kind := present
			if n.At == nil {
				kind = absent
			}
			g.node(name, kind, lines)
		}
		if parent != nil {
			g.arrow(names[parent], name, n.Link == ByCausation)
		}
		for i, d := range n.Dead {
			dead := name + "d" + strconv.Itoa(i)
			lines := []string{timesText("group "+d.Group, d.Count), d.Class + " at attempt " + strconv.Itoa(d.Retries+1), short(d.Message)}
			if d.Sent != nil {
				lines = append(lines, "sent again")
			}
			g.node(dead, failure, lines)
			g.arrow(name, dead, true)
		}
	})
}

func timesText(s string, count int) string {
	if count == 1 {
		return s
	}
	return s + " ×" + strconv.Itoa(count)
}

// short is s on one line of at most 60 characters.
func short(s string) string {
	const most = 60
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return string(r)
}

func quoteAll(lines []string, quote func(string) string, between string) string {
	quoted := make([]string, len(lines))
	for i, l := range lines {
		quoted[i] = quote(l)
	}
	return strings.Join(quoted, between)
}

// quoteDOT makes s text within double quotes. Labels know escapes that begin with a backslash, and the entities of HTML.
func quoteDOT(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;").Replace(s)
}

// quoteMermaid makes s text within double quotes. Labels may hold HTML, Markdown and keywords: only letters, digits and some
// punctuation go as they are, and anything else by its number.
func quoteMermaid(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune(" ._,/@+-×…", r):
			out.WriteRune(r)
		case !unicode.IsPrint(r):
			out.WriteRune(unicode.ReplacementChar)
		default:
			fmt.Fprintf(&out, "#%d;", r)
		}
	}
	return out.String()
}
