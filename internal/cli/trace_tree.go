package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/trace"
)

// twig is one line of a tree: an event, or what happened to it.
type twig struct {
	at     time.Time
	when   string
	text   string
	right  string
	style  string
	effect *trace.Node // in place of all that: an event with lines of its own
}

// printTraceTree writes a flow as people read it.
func (a *app) printTraceTree(t traced, f *trace.Flow) error {
	summary := []string{
		"correlation " + plain(string(f.CorrelationID)), count(f.Events, "event", "events"), count(len(f.Services), "service", "services"),
		relative(f.Ended.Sub(f.Began)),
	}
	head := a.paint(bold, strings.Join(summary, " · "))
	if f.Failed > 0 {
		head += a.paint(bold, " · ") + a.paint(red, strconv.Itoa(f.Failed)+" FAILED")
	}
	if err := a.printf("%s %s\n\n", head, a.paint(dim, "· "+a.timeText(f.Began)+" ("+a.ago(f.Began)+")")); err != nil {
		return err
	}
	var lines []twig
	var grow func(n *trace.Node, lead, below string)
	grow = func(n *trace.Node, lead, below string) {
		line := eventTwig(n, f.Began)
		line.text = lead + line.text
		lines = append(lines, line)
		twigs := t.twigs(n, f.Began)
		for i, w := range twigs {
			first, rest := "├─ ", "│  "
			if i == len(twigs)-1 {
				first, rest = "└─ ", "   "
			}
			if w.effect != nil {
				grow(w.effect, below+first, below+rest)
				continue
			}
			w.text = below + first + w.text
			lines = append(lines, w)
		}
	}
	for _, r := range f.Roots {
		grow(r, "", "")
	}
	return a.printTwigs(lines)
}

// printTwigs aligns the times to the right, and what stands right of the tree as far as it is not too far away.
func (a *app) printTwigs(lines []twig) error {
	const furthest = 60
	when, text := 0, 0
	for _, l := range lines {
		when = max(when, utf8.RuneCountInString(l.when))
		if n := utf8.RuneCountInString(l.text); l.right != "" && n <= furthest {
			text = max(text, n)
		}
	}
	for _, l := range lines {
		pad := strings.Repeat(" ", when-utf8.RuneCountInString(l.when))
		out := "  " + a.paint(dim, pad+l.when) + "  "
		if l.right == "" {
			out += a.paint(l.style, l.text)
		} else {
			out += a.paint(l.style, l.text) + strings.Repeat(" ", max(0, text-utf8.RuneCountInString(l.text))) + "  " + a.paint(dim, l.right)
		}
		if err := a.printf("%s\n", strings.TrimRight(out, " ")); err != nil {
			return err
		}
	}
	return nil
}

// eventTwig is the line of an event itself.
func eventTwig(n *trace.Node, began time.Time) twig {
	if n.Missing {
		return twig{when: "?", text: times(n.ID.String(), n.Count), right: "not found; it caused what is below", style: yellow}
	}
	notes := []string{serviceAndPlace(n)}
	if n.Count > 1 {
		notes = append(notes, "until "+relative(n.Until.Sub(began)))
	}
	notes = append(notes, eventNotes(n)...)
	return twig{when: relative(n.Time.Sub(began)), text: times(shortType(n.Type), n.Count), right: strings.Join(notes, " · "), style: bold}
}

func serviceAndPlace(n *trace.Node) string {
	switch {
	case n.Count > 1:
		return plain(n.Source.Service)
	case n.At == nil:
		return plain(n.Source.Service) + " → no longer in its topic"
	}
	return plain(n.Source.Service) + " → " + placeIn(*n.At, n.Type)
}

// eventNotes are what is remarkable about an event, in words.
func eventNotes(n *trace.Node) []string {
	var notes []string
	if !n.Answers.IsZero() {
		notes = append(notes, "answer in "+relative(n.Took))
	}
	if n.Unanswered {
		notes = append(notes, "no answer")
	}
	if n.Link == trace.ByCorrelation {
		notes = append(notes, "names no cause: only the correlation fits")
	}
	if n.Ahead > 0 {
		notes = append(notes, relative(n.Ahead)+" before its cause: clocks differ")
	}
	if n.Cycle {
		notes = append(notes, "its causes lead back to itself")
	}
	if n.Unreadable {
		notes = append(notes, "not an event that can be read")
	}
	if n.Hidden > 0 {
		notes = append(notes, strconv.Itoa(n.Hidden)+" more below")
	}
	return notes
}

// twigs are what is below an event, in the order of time: its failures, its copies, and its effects.
func (t *traced) twigs(n *trace.Node, began time.Time) []twig {
	var all []twig
	for _, d := range n.Dead {
		all = append(all, t.deadTwig(d, began))
	}
	for _, c := range n.Copies {
		all = append(all, copyTwig(c, n.Type, began))
	}
	for _, c := range n.Children {
		all = append(all, twig{at: c.Time, effect: c})
	}
	slices.SortStableFunc(all, func(x, y twig) int { return x.at.Compare(y.at) })
	return all
}

func (t *traced) deadTwig(d trace.DeadLetter, began time.Time) twig {
	group := cmp.Or(plain(d.Group), "unknown")
	text := fmt.Sprintf("✗ group %s · attempt %d · %s", group, d.Retries+1, plain(d.Class))
	if d.Message != "" {
		text += ": " + plain(clip(oneline.Text(d.Message), 100))
	}
	line := twig{at: d.FailedAt, when: relative(d.FailedAt.Sub(began)), text: times(text, d.Count), style: red}
	if d.Count == 1 {
		line.right = "dead letter " + letterID(d)
	}
	if s := t.stateOf(d); s != "" {
		line.right = strings.TrimSpace(line.right + " (" + s + ")")
	}
	return line
}

func copyTwig(c trace.Copy, typ event.Topic, began time.Time) twig {
	line := twig{at: c.Time, when: relative(c.Time.Sub(began)), right: "→ " + placeIn(c.At, typ), style: yellow}
	switch {
	case c.Redrives == 0:
		line.text = "= published again under the same id"
	case c.Target != "":
		line.text = "↻ sent again to group " + plain(c.Target)
	default:
		line.text = "↻ sent again to all groups"
	}
	if c.Edited {
		line.text += ", edited"
	}
	return line
}

// placeIn is where a record lies, without the topic where the event type says it.
func placeIn(c bus.Coordinates, typ event.Topic) string {
	if c.Topic == typ {
		return fmt.Sprintf("p%d@%d", c.Partition, c.Offset)
	}
	return plain(c.String())
}

// shortType is an event type without what all of ours have in common.
func shortType(t event.Topic) string { return plain(strings.TrimPrefix(string(t), "omninode.")) }

func times(s string, n int) string {
	if n == 1 {
		return s
	}
	return s + " ×" + strconv.Itoa(n)
}

// relative is how long after the beginning of a flow something was.
func relative(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return durationText(d)
}

// plain is text of others that cannot move a terminal's cursor.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
