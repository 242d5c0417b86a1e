package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestStepsStopAtTheFirstFailure(t *testing.T) {
	broken := errors.New("broken")
	var ran []string
	say := func(name string, err error) step {
		return step{name: name, alone: "make " + name, run: func(context.Context, io.Writer) error {
			ran = append(ran, name)
			return err
		}}
	}
	steps := []step{say("a", nil), say("b", broken), say("c", nil)}

	var out strings.Builder
	err := runSteps(t.Context(), &out, steps, nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "to run it alone: make b") {
		t.Errorf("err = %v", err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, ran); diff != "" {
		t.Errorf("steps that ran (-want +got):\n%s", diff)
	}
	for _, want := range []string{"== a passed in 0s", "== b failed after 0s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &out)
		}
	}

	ran = nil
	if err := runSteps(t.Context(), &out, steps, []string{"c"}); err != nil || !cmp.Equal(ran, []string{"c"}) {
		t.Errorf("c alone: ran %q, err = %v", ran, err)
	}
	if err := runSteps(t.Context(), &out, steps, []string{"d"}); err == nil {
		t.Error("no error for a step that does not exist")
	}
}

func TestATestThatIsNotThereFails(t *testing.T) {
	t.Chdir("../..")
	err := goCommand("test", "-run=^TestNobodyWroteThis$", "./internal/arch").testing(t.Context(), io.Discard)
	if err == nil || err.Error() != "no test ran" {
		t.Errorf("err = %v", err)
	}
}

func TestWhatMustBeSilentFailsWhenItIsNot(t *testing.T) {
	if err := goCommand("version").silent(t.Context(), io.Discard); err == nil {
		t.Error("no error")
	}
	if err := (command{args: []string{"true"}}).silent(t.Context(), io.Discard); err != nil {
		t.Error(err)
	}
}

func TestCommandReadsAsAShellLine(t *testing.T) {
	c := command{args: []string{"go", "test", "-run=^TestSuite", "./bus"}, env: []string{"GOOS=darwin"}, dir: "interop"}
	if got, want := c.String(), "cd interop && GOOS=darwin go test '-run=^TestSuite' ./bus"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestChangedFilesLeadToTheirPackage(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.CopyFS(".", fstest.MapFS{
		"go.mod":                    {},
		"bus/bus.go":                {},
		"bus/testdata/gen/x.go":     {},
		"bus/testdata/gen/want.txt": {},
		"schemas/schemas.go":        {},
		"schemas/events/a/b.json":   {},
		"interop/go.mod":            {},
		"interop/deep/x.go":         {},
		"docs/x.md":                 {},
	}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"bus/bus.go":                "bus",
		"bus/gone.go":               "bus",
		"bus/testdata/gen/x.go":     "bus",
		"bus/testdata/gen/want.txt": "bus",
		"schemas/events/a/b.json":   "schemas",
		"interop/deep/x.go":         "",
		"docs/x.md":                 "",
		"go.mod":                    "",
		"gone/gone.go":              "",
	} {
		if got, ok := packageOf(file); got != want || ok != (want != "") {
			t.Errorf("packageOf(%s) = %q, %t, want %q", file, got, ok, want)
		}
	}
}

func TestFuzzTargetsAreFound(t *testing.T) {
	target := []byte("package x\n\nfunc FuzzDecode(f *testing.F) {}\n\nfunc FuzzParse(f *testing.F) {}\n")
	steps, err := fuzzTargets(fstest.MapFS{
		"event/decode_test.go":    {Data: target},
		"event/decode.go":         {Data: target},
		".cache/x_test.go":        {Data: target},
		"a/testdata/some_test.go": {Data: target},
	}, "3s")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, s.alone)
	}
	want := []string{
		"go test '-run=^$' '-fuzz=^FuzzDecode$' -fuzztime=3s ./event",
		"go test '-run=^$' '-fuzz=^FuzzParse$' -fuzztime=3s ./event",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}
