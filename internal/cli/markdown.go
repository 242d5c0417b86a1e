package cli

import "strings"

// printPage prints a page for a terminal: headings stand out, code is indented, nothing else is changed.
func (a *app) printPage(p page) error {
	return a.printf("%s\n\n%s\n", a.paint(bold, p.title), a.terminalText(p.text))
}

// terminalText is Markdown without its marks for headings, fences and strong words. Code keeps its backquotes where there is no
// colour to tell it.
func (a *app) terminalText(text string) string {
	var s strings.Builder
	code := false
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
			continue
		case code && strings.HasPrefix(line, "$ "):
			s.WriteString("    " + a.paint(cyan, line))
		case code && line != "":
			s.WriteString("    " + line)
		case strings.HasPrefix(line, "## "):
			s.WriteString(a.paint(bold, line[len("## "):]))
		default:
			s.WriteString(a.inline(strings.ReplaceAll(line, "**", "")))
		}
		s.WriteByte('\n')
	}
	return strings.TrimRight(s.String(), "\n")
}

// inline paints what stands between backquotes.
func (a *app) inline(line string) string {
	parts := strings.Split(line, "`")
	if !a.color || len(parts)%2 == 0 {
		return line
	}
	for i := 1; i < len(parts); i += 2 {
		parts[i] = a.paint(cyan, parts[i])
	}
	return strings.Join(parts, "")
}
