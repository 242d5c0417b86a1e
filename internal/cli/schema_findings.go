package cli

import (
	"encoding/xml"
	"strings"
)

// printedFinding is one thing about a file, as the commands that check files print it.
type printedFinding struct {
	lintFinding
	more []field // what stands below the line
}

// printFindings prints doc as JSON, or its findings as lines, as the report of a test run, or as notes for a pull request.
func (a *app) printFindings(doc any, suite string, all []printedFinding) error {
	switch a.format {
	case formatJUnit:
		return a.printJUnit(suite, all)
	case formatGitHub:
		return a.printGitHub(all)
	default:
		return a.print(doc, func() error { return a.printLines(all) })
	}
}

func (a *app) printLines(all []printedFinding) error {
	styles := map[string]string{"error": red, "warning": yellow, "waived": cyan, "ok": green}
	for _, f := range all {
		if err := a.printf("%s:%d:%d: %s: %s (%s)\n", f.File, f.Line, f.Column, a.paint(styles[f.Level], f.Level), f.Message, f.Rule); err != nil {
			return err
		}
		more := f.more
		if f.Level != "waived" {
			more = append(more, field{"fix", f.Fix})
		}
		if text := a.fieldsText(more...); text != "" {
			if err := a.printf("    %s\n", strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ")); err != nil {
				return err
			}
		}
	}
	return nil
}

// text is everything about a finding but its place.
func (f printedFinding) text() string {
	lines := []string{f.Message + " (" + f.Rule + ")"}
	for _, m := range append(f.more, field{"fix", f.Fix}) {
		if m.value != "" {
			lines = append(lines, m.name+": "+m.value)
		}
	}
	return strings.Join(lines, "\n")
}

// printGitHub writes the commands that a workflow turns into notes beside the lines of a pull request.
func (a *app) printGitHub(all []printedFinding) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, f := range all {
		level := map[string]string{"error": "error", "warning": "warning", "waived": "notice"}[f.Level]
		if level == "" {
			continue
		}
		err := a.printf("::%s file=%s,line=%d,col=%d,title=%s::%s\n", level, property.Replace(f.File), f.Line, f.Column, property.Replace(f.Rule), data.Replace(f.text()))
		if err != nil {
			return err
		}
	}
	return nil
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	File    string     `xml:"file,attr"`
	Line    int        `xml:"line,attr"`
	Failure *junitText `xml:"failure"`
	Skipped *junitText `xml:"skipped"`
	Output  string     `xml:"system-out,omitempty"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// printJUnit writes each finding as a test: an error failed, what is waived was skipped, a warning passed and said something.
func (a *app) printJUnit(suite string, all []printedFinding) error {
	s := junitSuite{Name: "omnibus " + suite}
	for _, f := range all {
		c := junitCase{Class: f.File, Name: f.Rule + " " + f.Message, File: f.File, Line: f.Line}
		switch f.Level {
		case "error":
			s.Failures++
			c.Failure = &junitText{Message: f.Message, Type: f.Rule, Text: f.text()}
		case "waived":
			s.Skipped++
			c.Skipped = &junitText{Message: f.text()}
		case "warning":
			c.Output = f.text()
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
	}
	b, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return a.printf("%s%s\n", xml.Header, b)
}
