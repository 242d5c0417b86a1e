// Package defects shows that the instrument bites: it plants one mistake after the other into the product, runs a short history
// with each, and the history checker has to name it. Without the build tag "defects" it runs the same histories without any
// mistake, and nothing may be named.
package defects

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/omninode-ai/omnibus/internal/defect"
	"github.com/omninode-ai/omnibus/internal/histcheck"
)

// TestNothingIsPlanted is the other half of every finding: the same histories without a defect are fine.
func TestNothingIsPlanted(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			if rep := s.run(t); !rep.OK() {
				t.Error(text(rep))
			}
		})
	}
}

// TestProgramHasNoDefects looks into the program for the name of the variable that would switch one on.
func TestProgramHasNoDefects(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "omnibus")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/omnibus").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("OMNIBUS_"+"DEFECT")) {
		t.Error("the program reads OMNIBUS_DEFECT: it was built with planted defects")
	}
	if !bytes.Contains(b, []byte("OMNIBUS_")) {
		t.Error("the program has none of its variables' names: this looks in the wrong place")
	}
}

// TestEveryDefectIsFound needs the build tag "defects"; make defects runs it.
func TestEveryDefectIsFound(t *testing.T) {
	if !defect.Planted {
		for _, name := range defect.All() {
			t.Setenv("OMNIBUS_DEFECT", string(name))
			if defect.On(name) {
				t.Errorf("%s can be switched on in a build without the tag", name)
			}
		}
		return
	}
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		_, _ = fmt.Fprintf(rows, "%s\t%s\t%s\t%s\n", cells...) // a builder takes everything
	}
	row("defect", "caught by", "event", "how")
	left := defect.All()
	for _, s := range scenarios() {
		for _, p := range s.plant {
			left = slices.DeleteFunc(left, func(n defect.Name) bool { return n == p.defect })
			t.Run(string(p.defect), func(t *testing.T) {
				t.Setenv("OMNIBUS_DEFECT", string(p.defect))
				rep := s.run(t)
				i := slices.IndexFunc(rep.Findings, func(f histcheck.Finding) bool { return f.Check == p.check })
				if i < 0 {
					row(p.defect, "NOTHING", "", s.name)
					t.Errorf("%q does not make %s find it:\n%s", s.name, p.check, text(rep))
					return
				}
				f := rep.Findings[i]
				row(p.defect, f.Check, f.Event, f.What)
				if len(f.History) == 0 {
					t.Errorf("%s: no history", f)
				}
			})
		}
	}
	for _, name := range left {
		row(name, "NOTHING", "", "no history is made for it")
		t.Errorf("%s: no history is made for it", name)
	}
	_ = rows.Flush() // a builder takes everything
	_, _ = os.Stdout.WriteString(table.String())
}

func text(rep *histcheck.Report) string {
	var b strings.Builder
	_ = rep.Write(&b) // a builder takes everything
	return b.String()
}
