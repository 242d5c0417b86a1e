package site

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/catalogue"
)

// talk is what one service says to another: how many event types.
type talk struct {
	From, To string
	Events   []catalogue.Entry
}

// talksOf lists who talks to whom. Events for anybody are talk to "any service".
func talksOf(entries []catalogue.Entry) []talk {
	var all []talk
	for _, e := range entries {
		for _, from := range catalogue.Names(e.Producers) {
			for _, to := range catalogue.Names(e.Consumers) {
				i := slices.IndexFunc(all, func(t talk) bool { return t.From == from && t.To == to })
				if i < 0 {
					i, all = len(all), append(all, talk{From: from, To: to})
				}
				all[i].Events = append(all[i].Events, e)
			}
		}
	}
	slices.SortFunc(all, func(x, y talk) int { return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To)) })
	return all
}

// graph is boxes in three columns, from left to right: who publishes, what, who reads.
type graph struct {
	title   string
	heads   [3]string
	columns [3][]box
	edges   []edge
}

type box struct {
	id, text, href string
	strong         bool
}

// edge goes from the box from of a column to the box to of the next one.
type edge struct {
	column, from, to int
	weight           int
}

// box returns the number of the box of a column with this id, which it adds where it is new.
func (g *graph) box(column int, b box) int {
	i := slices.IndexFunc(g.columns[column], func(have box) bool { return have.id == b.id })
	if i < 0 {
		i = len(g.columns[column])
		g.columns[column] = append(g.columns[column], b)
	}
	return i
}

func (g *graph) edge(column, from, to int) {
	i := slices.IndexFunc(g.edges, func(e edge) bool { return e.column == column && e.from == from && e.to == to })
	if i < 0 {
		i = len(g.edges)
		g.edges = append(g.edges, edge{column: column, from: from, to: to})
	}
	g.edges[i].weight++
}

// serviceBox is the box of a service; root is how to come to the top from where the graph is shown.
func serviceBox(name, root string) box {
	b := box{id: name, text: catalogue.Names([]string{name})[0]}
	if name != catalogue.Any {
		b.href = root + servicePage(name)
	}
	return b
}

// siteGraph shows all services and, between them, the domains of events.
func siteGraph(entries []catalogue.Entry) template.HTML {
	g := &graph{title: "Who publishes and who reads the events of each domain", heads: [3]string{"publish", "events", "read"}}
	counts := map[string]int{}
	for _, e := range entries {
		counts[e.Domain]++
	}
	for _, e := range entries {
		d := g.box(1, box{id: e.Domain, text: fmt.Sprintf("%s (%d)", e.Domain, counts[e.Domain]), href: "index.html#" + domainID(e.Domain), strong: true})
		for _, p := range e.Producers {
			g.edge(0, g.box(0, serviceBox(p, "")), d)
		}
		for _, c := range e.Consumers {
			g.edge(1, d, g.box(2, serviceBox(c, "")))
		}
	}
	return g.svg()
}

// eventGraph shows one event type.
func eventGraph(e catalogue.Entry) template.HTML {
	g := &graph{title: "Who publishes and who reads " + e.Short(), heads: [3]string{"publish", "event", "read"}}
	middle := g.box(1, box{id: string(e.Topic), text: e.Short(), strong: true})
	for _, p := range e.Producers {
		g.edge(0, g.box(0, serviceBox(p, "../")), middle)
	}
	for _, c := range e.Consumers {
		g.edge(1, middle, g.box(2, serviceBox(c, "../")))
	}
	return g.svg()
}

// serviceGraph shows one service between those that it hears from and those that it talks to.
func serviceGraph(name string, sends, reads []catalogue.Entry) template.HTML {
	g := &graph{title: "Whom " + name + " hears from, and whom it talks to", heads: [3]string{"heard", "", "told"}}
	middle := g.box(1, box{id: name, text: name, strong: true})
	for _, e := range reads {
		for _, p := range e.Producers {
			g.edge(0, g.box(0, serviceBox(p, "../")), middle)
		}
	}
	for _, e := range sends {
		for _, c := range e.Consumers {
			g.edge(1, middle, g.box(2, serviceBox(c, "../")))
		}
	}
	return g.svg()
}

const (
	boxHeight  = 30
	boxGap     = 12
	columnGap  = 120
	letter     = 8 // a letter's width, with room to spare
	boxMargin  = 24
	headHeight = 26
)

// svg draws g. Boxes stand where their neighbours are on average, so that few edges cross.
func (g *graph) svg() template.HTML {
	g.order()
	var widths [3]int
	tallest := 0
	for i, column := range g.columns {
		for _, b := range column {
			widths[i] = max(widths[i], len(b.text)*letter+boxMargin)
		}
		tallest = max(tallest, len(column))
	}
	height := headHeight + tallest*(boxHeight+boxGap)
	var left [3]int
	for i := 1; i < 3; i++ {
		left[i] = left[i-1] + widths[i-1] + columnGap
	}
	width := left[2] + widths[2]
	top := func(column, i int) int {
		free := (tallest - len(g.columns[column])) * (boxHeight + boxGap)
		return headHeight + free/2 + i*(boxHeight+boxGap)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="graph" viewBox="-2 0 %d %d" width="%d" height="%d" role="group" aria-label="%s">`, width+4, height, width+4, height,
		template.HTMLEscapeString(g.title))
	for i, head := range g.heads {
		if head != "" && len(g.columns[i]) > 0 {
			fmt.Fprintf(&s, `<text class="head" x="%d" y="14">%s</text>`, left[i]+widths[i]/2, template.HTMLEscapeString(head))
		}
	}
	for _, e := range g.edges {
		x1, y1 := left[e.column]+widths[e.column], top(e.column, e.from)+boxHeight/2
		x2, y2 := left[e.column+1], top(e.column+1, e.to)+boxHeight/2
		bend := (x2 - x1) / 2
		fmt.Fprintf(&s, `<path d="M%d %dC%d %d %d %d %d %d" stroke-width="%d"><title>%s → %s: %d</title></path>`, x1, y1, x1+bend, y1, x2-bend, y2, x2, y2,
			min(1+e.weight/2, 6), template.HTMLEscapeString(g.columns[e.column][e.from].text), template.HTMLEscapeString(g.columns[e.column+1][e.to].text), e.weight)
	}
	for column, boxes := range g.columns {
		for i, b := range boxes {
			class := ""
			if b.strong {
				class = ` class="strong"`
			}
			drawn := fmt.Sprintf(`<g%s><rect x="%d" y="%d" width="%d" height="%d" rx="6"/><text x="%d" y="%d">%s</text></g>`, class,
				left[column], top(column, i), widths[column], boxHeight, left[column]+widths[column]/2, top(column, i)+boxHeight/2+5, template.HTMLEscapeString(b.text))
			if b.href != "" {
				drawn = fmt.Sprintf(`<a href="%s">%s</a>`, template.HTMLEscapeString(b.href), drawn)
			}
			s.WriteString(drawn)
		}
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // every text in it was escaped above
}

// order sorts the columns by name, and then each by where its neighbours stand.
func (g *graph) order() {
	for column := range g.columns {
		g.sort(column, func(i int) float64 { return 0 })
	}
	for range 4 {
		for _, column := range []int{1, 0, 2} {
			g.sort(column, func(i int) float64 { return g.mean(column, i) })
		}
	}
}

// sort sorts a column by place, then by name, and keeps the edges right.
func (g *graph) sort(column int, place func(i int) float64) {
	boxes := g.columns[column]
	at := make([]int, len(boxes))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(x, y int) int {
		return cmp.Or(cmp.Compare(place(x), place(y)), cmp.Compare(boxes[x].text, boxes[y].text))
	})
	sorted, to := make([]box, len(boxes)), make([]int, len(boxes))
	for i, from := range at {
		sorted[i], to[from] = boxes[from], i
	}
	for i := range g.edges {
		e := &g.edges[i]
		if e.column == column {
			e.from = to[e.from]
		}
		if e.column+1 == column {
			e.to = to[e.to]
		}
	}
	g.columns[column] = sorted
}

// mean is where the neighbours of a box stand on average, from 0 to 1.
func (g *graph) mean(column, i int) float64 {
	var sum, n float64
	for _, e := range g.edges {
		if e.column == column && e.from == i {
			sum, n = sum+float64(e.to+1)/float64(len(g.columns[column+1])+1), n+1
		}
		if e.column+1 == column && e.to == i {
			sum, n = sum+float64(e.from+1)/float64(len(g.columns[column-1])+1), n+1
		}
	}
	if n == 0 {
		return 1
	}
	return sum / n
}

func domainID(name string) string { return "domain-" + fileName(name) }
