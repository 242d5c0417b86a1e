package cli_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tab is what a shell would offer at the end of a line.
func (s shell) tab(t *testing.T, line ...string) []string {
	t.Helper()
	r := s.run(t.Context(), "", append([]string{"__complete"}, line...)...)
	if r.code != 0 || strings.Contains(r.stderr, "error[") {
		t.Errorf("TAB after %q: exit %d\n%s", strings.Join(line, " "), r.code, r.stderr)
	}
	words := strings.Split(strings.TrimSpace(r.out), "\n")
	words = words[:len(words)-1] // the last line is for the shell
	for i, w := range words {
		words[i], _, _ = strings.Cut(w, "\t") // and a word's meaning for the eyes
	}
	return words
}

func TestCompletionKnowsWhatIsThere(t *testing.T) {
	s := filled(t)
	plan := s.planned(t, "dlq", "retry", assessed)
	s.must(t, "", "config", "set", "--profile", "staging", "tz=utc")
	for _, c := range []struct {
		line []string
		want string
	}{
		{[]string{"top"}, "topics"},
		{[]string{"topics", "show", "omninode.intelligence.event.quality"}, assessed},
		{[]string{"topics", "show", "omninode.intelligence.event.quality"}, assessed + ".dlq"},
		{[]string{"consume", "omninode.audit.quality_s"}, snapshot},
		{[]string{"publish", "omninode.codegen.request.v"}, validate},
		{[]string{"groups", "show", "re"}, "reader"},
		{[]string{"lag", "pi"}, "picky"},
		{[]string{"consume", snapshot, "--group", "re"}, "reader"},
		{[]string{"dlq", "retry", "omninode.intel"}, assessed},
		{[]string{"jobs", "show", ""}, plan[len(plan)-1]},
		{[]string{"dlq", "retry", "--plan", ""}, plan[len(plan)-1]},
		{[]string{"explain", "OMB-03"}, "OMB-0301"},
		{[]string{"explain", "envelope.cau"}, "envelope.causation_id"},
		{[]string{"config", "use", "st"}, "staging"},
		{[]string{"topics", "list", "--profile", "st"}, "staging"},
		{[]string{"config", "set", "boot"}, "bootstrap="},
		{[]string{"bench", "pub"}, "publish"},
		{[]string{"completion", "z"}, "zsh"},
		{[]string{"topics", "list", "-o", ""}, "json"},
		{[]string{"up", "--services", "b"}, "bridge"},
	} {
		if got := s.tab(t, c.line...); !slices.Contains(got, c.want) {
			t.Errorf("TAB after %q offers %q, want %s among them", strings.Join(c.line, " "), got, c.want)
		}
	}
	if got := s.tab(t, "consume", snapshot, snapshot); slices.Contains(got, snapshot) {
		t.Errorf("it offers what is on the line already: %q", got)
	}
	ids := s.tab(t, "dlq", "edit", "")
	if len(ids) != 1 || len(ids[0]) != 10 {
		t.Errorf("TAB after dlq edit offers %q, want the id of the dead letter", ids)
	}
}

// TestCompletionDoesWithoutTheBrokers: nobody listens, and somebody listens who says nothing.
func TestCompletionDoesWithoutTheBrokers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, addr := range []string{freeAddr(t), silent.Addr().String()} {
		s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
		began := time.Now()
		if got := s.tab(t, "consume", "omninode.codegen.request.val"); !slices.Contains(got, validate) {
			t.Errorf("the catalogue is not offered: %q", got)
		}
		if got := s.tab(t, "groups", "show", ""); len(got) != 0 {
			t.Errorf("it offers groups that nobody knows: %q", got)
		}
		if took := time.Since(began); took > 10*time.Second { // two of them, on a machine that may be busy
			t.Errorf("it took %v", took)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	s := newShell(t)
	for shell, mark := range map[string]string{"bash": "__start_omnibus", "zsh": "#compdef omnibus", "fish": "complete -c omnibus", "powershell": "Register-ArgumentCompleter"} {
		if out := s.must(t, "", "completion", shell); !strings.Contains(out, mark) {
			t.Errorf("the script for %s lacks %q", shell, mark)
		}
	}
	check(t, wrong{exit: 2, code: "OMB-0204", says: "no completion", advice: "did you mean fish?"}, s.run(t.Context(), "", "completion", "fihs"))
	bash, err := exec.LookPath("bash")
	if err != nil {
		return // what it would run was looked at above
	}
	file := filepath.Join(s.dir, "completion.bash")
	s.file(t, "completion.bash", s.must(t, "", "completion", "bash"))
	cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", `set -e
bash -n `+file+`
. `+file+`
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
compopt() { :; }
__ltrim_colon_completions() { :; }
COMP_WORDS=(omnibus explain OMB-030); COMP_CWORD=2; COMP_LINE='omnibus explain OMB-030'; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
set +e
__start_omnibus
printf '%s\n' "${COMPREPLY[@]}"`)
	cmd.Dir, cmd.Env = s.dir, append(slices.Clone(s.env), "PATH="+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "OMB-0301\n") {
		t.Errorf("bash offers %q (%v), want OMB-0301 among it", out, err)
	}
}
