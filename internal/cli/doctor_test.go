package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/internal/cli"
	"github.com/omninode-ai/omnibus/internal/doctor"
)

type diagnosis struct {
	Schema string `json:"schema"`
	Well   bool   `json:"well"`
	Checks []struct {
		Check    string        `json:"check"`
		Status   doctor.Status `json:"status"`
		Findings []struct {
			Status    doctor.Status `json:"status"`
			What, Fix string
		} `json:"findings"`
	} `json:"checks"`
}

// diagnose runs doctor with -o json.
func (s shell) diagnose(t *testing.T, exit int, args ...string) (diagnosis, result) {
	t.Helper()
	r := s.run(t.Context(), "", append([]string{"doctor", "-o", "json"}, args...)...)
	var d diagnosis
	if err := json.Unmarshal([]byte(r.out), &d); err != nil || r.code != exit {
		t.Fatalf("exit %d, want %d: %v\n%s%s", r.code, exit, err, r.out, r.stderr)
	}
	return d, r
}

// found is the status of a check and all that it says.
func (d diagnosis) found(check string) (status doctor.Status, text string) {
	for _, c := range d.Checks {
		if c.Check != check {
			continue
		}
		var s strings.Builder
		for _, f := range c.Findings {
			s.WriteString(f.What + " | " + f.Fix + "\n")
		}
		return c.Status, s.String()
	}
	return "", ""
}

// TestDoctorOfARunningStackFindsNothingAndOfAKilledOneNamesIt: everything is green on "up"; without its broker, what fails is named
// with the host.
func TestDoctorOfARunningStackFindsNothingAndOfAKilledOneNamesIt(t *testing.T) {
	s := newShell(t)
	var addr string
	s.whileUp(t, []string{"up", "--port-kafka", "0", "--port-console", "0", "--port-registry", "0"}, func(brokers string) {
		addr = brokers
		own := s
		own.env = append(own.env, "KAFKA_BOOTSTRAP_SERVERS="+addr)
		d, _ := own.diagnose(t, 0)
		skips := map[string]bool{"tls": true, "login": true, "registry": true}
		for _, c := range d.Checks {
			if c.Status != doctor.OK && (c.Status != doctor.Skip || !skips[c.Check]) {
				t.Errorf("%s: %s %+v", c.Check, c.Status, c.Findings)
			}
		}
		if !d.Well || len(d.Checks) != len(doctor.Checks()) || d.Schema != "omnibus.doctor/v1" {
			t.Errorf("well %t, %d checks, schema %s", d.Well, len(d.Checks), d.Schema)
		}
		if out := own.must(t, "", "doctor"); !strings.Contains(out, "\n✓ ok    roundtrip ") || !strings.Contains(out, " 0 fail, ") {
			t.Errorf("the table says\n%s", out)
		}
	})
	s.env = append(s.env, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	d, r := s.diagnose(t, 10)
	if status, text := d.found("tcp"); status != doctor.Fail || !strings.Contains(text, addr+": connection refused: nothing listens there") {
		t.Errorf("tcp: %s %s", status, text)
	}
	if status, text := d.found("roundtrip"); status != doctor.Skip || !strings.Contains(text, `because check "tcp" failed`) {
		t.Errorf("roundtrip: %s %s", status, text)
	}
	if !strings.Contains(r.stderr, "OMB-1003") || !strings.Contains(r.stderr, addr) {
		t.Errorf("standard error says\n%s", r.stderr)
	}
}

func TestDoctorReportsSettingsThatCannotBeUsedAndGoesOn(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr, "KAFKA_BOOTSTRAP_SERVER=x:1", "KAFKA_BROKERS=y:1", "OMNIBUS_TIMEOT=1s", "OMNIBUS_UNDECLARED=maybe", "OMNIBUS_PORT_KAFKA=many")
	d, _ := s.diagnose(t, 10, "environment", "settings", "roundtrip")
	if status, text := d.found("environment"); status != doctor.Warn || !strings.Contains(text, "did you mean OMNIBUS_TIMEOUT?") || !strings.Contains(text, "KAFKA_BROKERS are both set") {
		t.Errorf("environment: %s %s", status, text)
	}
	status, text := d.found("settings")
	for _, says := range []string{"KAFKA_BOOTSTRAP_SERVER: unknown variable; did you mean KAFKA_BOOTSTRAP_SERVERS?", "OMNIBUS_UNDECLARED", "OMNIBUS_PORT_KAFKA"} {
		if status != doctor.Fail || !strings.Contains(text, says) {
			t.Errorf("settings: %s %s; want %q", status, text, says)
		}
	}
	if status, text := d.found("roundtrip"); status != doctor.OK {
		t.Errorf("roundtrip: %s %s", status, text)
	}
	bad := newShell(t, "KAFKA_BOOTSTRAP_SERVERS=nonsense", "OMNIBUS_CATALOG=nowhere")
	d, _ = bad.diagnose(t, 10)
	if status, text := d.found("settings"); status != doctor.Fail || !strings.Contains(text, "nowhere") {
		t.Errorf("settings: %s %s", status, text)
	}
	if status, _ := d.found("dns"); status != doctor.Skip {
		t.Errorf("dns: %s", status)
	}
}

func TestDoctorFixesWhatIsMissingAndSaysSo(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	d, _ := s.diagnose(t, 10, "topics")
	if status, text := d.found("topics"); status != doctor.Fail || !strings.Contains(text, "120 topics are missing") {
		t.Errorf("topics: %s %s", status, text)
	}
	d, _ = s.diagnose(t, 0, "topics", "--fix")
	if status, text := d.found("topics"); status != doctor.OK || !strings.Contains(text, "created 120 missing topics") {
		t.Errorf("topics: %s %s", status, text)
	}
	if d, _ = s.diagnose(t, 0, "topics"); !d.Well {
		t.Errorf("after the fix: %+v", d)
	}
}

func TestDoctorRefusesWhatItCannotDo(t *testing.T) {
	s := newShell(t)
	check(t, wrong{exit: 2, code: "OMB-0204", says: `there is no check "topcis"`, advice: "did you mean topics?"}, s.run(t.Context(), "", "doctor", "topcis"))
	check(t, wrong{exit: 2, code: "OMB-0203", says: "--since must be more than 0", advice: "--since 1h"}, s.run(t.Context(), "", "doctor", "--since", "0s"))
}

func TestDoctorTellsOfAddressesThatCannotBeReached(t *testing.T) {
	listens, away := freeAddr(t), freeAddr(t)
	br, err := broker.Start(t.Context(), broker.Config{Addr: listens, Advertise: away})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	d, r := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+listens).diagnose(t, 10)
	status, text := d.found("advertised")
	for _, says := range []string{listens + " sends clients of broker 0 to " + away, "--advertise HOST:PORT", "advertised.listeners"} {
		if status != doctor.Fail || !strings.Contains(text, says) {
			t.Errorf("advertised: %s %s; want %q", status, text, says)
		}
	}
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+listens)
	check(t, wrong{exit: 4, code: "OMB-0403", says: "send their clients to " + away + ", which", advice: "omnibus doctor advertised"}, s.run(t.Context(), "", "groups", "list"))
	if !strings.Contains(r.stderr, `"OMB-1003"`) || !strings.Contains(r.stderr, "advertised") {
		t.Errorf("standard error says\n%s", r.stderr)
	}
}

// TestReferenceListsTheChecks: the page is made from the table.
func TestReferenceListsTheChecks(t *testing.T) {
	var s strings.Builder
	s.WriteString("| check | asks | needs |\n| --- | --- | --- |\n")
	for _, c := range doctor.Checks() {
		s.WriteString("| `" + c.Name + "` | " + c.About + " | ")
		for i, need := range c.Needs {
			if i > 0 {
				s.WriteString(", ")
			}
			s.WriteString("`" + need + "`")
		}
		s.WriteString(" |\n")
	}
	const begin, end = "<!-- checks: made by go test ./internal/cli -run TestReferenceListsTheChecks -update -->\n", "<!-- end -->"
	file := filepath.Join("..", "..", "docs", "reference", "doctor.md")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the list", file)
	}
	want := before + begin + s.String() + end + after
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date; run this test with -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorAdvisesCommandsThatThereAre: what it says to run can be run.
func TestDoctorAdvisesCommandsThatThereAre(t *testing.T) {
	all, _ := cli.Commands()
	files, err := filepath.Glob("../doctor/*.go")
	if err != nil {
		t.Fatal(err)
	}
	advised := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`[^\\]"[^"]*\bomnibus ([a-z]+)(?: ([a-z]+))?`).FindAllStringSubmatch(readText(t, file), -1) {
			advised++
			holds := slices.ContainsFunc(all, func(path string) bool { return strings.HasPrefix(path, m[1]+" ") })
			if holds && !slices.Contains(all, m[1]+" "+m[2]) || !slices.Contains(all, m[1]) {
				t.Errorf("%s advises omnibus %s %s, which is no command", file, m[1], m[2])
			}
		}
	}
	if advised < 20 {
		t.Errorf("found only %d commands in what the doctor says", advised)
	}
}

// TestDoctorPageIsRehearsed: what docs/how-to/doctor.md shows is in the script that does it.
func TestDoctorPageIsRehearsed(t *testing.T) {
	script := readText(t, "testdata/script/doctor.txtar")
	shown := 0
	for line := range strings.Lines(readText(t, "../../docs/how-to/doctor.md")) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if !ok {
			continue
		}
		shown++
		if !strings.Contains(script, command+"\n") {
			t.Errorf("nobody rehearses %q", command)
		}
	}
	if shown < 6 {
		t.Errorf("the page shows %d commands", shown)
	}
}
