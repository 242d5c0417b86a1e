package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestBenchFillsInTheTable: whether the targets are met depends on the machine; that the exit code says what the table says does not.
func TestBenchFillsInTheTable(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	r := s.run(t.Context(), "", "bench", "--target", "500/s", "--duration", "600ms", "--size", "200", "-o", "json")
	var doc struct {
		Schema  string
		Held    bool
		Targets []struct {
			Metric, Target, Current string
			Held                    bool
			P95                     float64 `json:"p95_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatalf("exit %d: %v\n%s%s", r.code, err, r.out, r.stderr)
	}
	held := true
	for _, m := range doc.Targets {
		held = held && m.Held
		if m.Current == "" {
			t.Errorf("%+v", m)
		}
	}
	want := map[bool]int{true: 0, false: 10}[held]
	if len(doc.Targets) != 5 || doc.Held != held || r.code != want || strings.Contains(r.stderr, "OMB-1004") == held {
		t.Errorf("exit %d, want %d: %+v\n%s", r.code, want, doc, r.stderr)
	}
	if doc.Targets[0].P95 <= 0 || doc.Targets[0].Target != "<50ms" {
		t.Errorf("%+v", doc.Targets[0])
	}
	r = s.run(t.Context(), "", "bench", "consume", "--duration", "100ms", "--quiet")
	if !strings.Contains(r.out, "Event Throughput  >10,000/s") || !strings.Contains(r.out, "Dead Letter Rate  <0.1%") {
		t.Errorf("the table is\n%s%s", r.out, r.stderr)
	}
}

func TestBenchRefusesWhatCannotBeMeasured(t *testing.T) {
	s := newShell(t)
	for _, c := range []struct{ line, code, says, advice string }{
		{"bench publsh", "OMB-0204", "cannot be measured", "did you mean publish?"},
		{"bench --target fast", "OMB-0203", "not a rate", "--target 10k/s"},
		{"bench --target 0/s", "OMB-0203", "1/s to 1000k/s", "--target 10k/s"},
		{"bench --size large", "OMB-0203", "64 bytes", "--size 1KiB"},
		{"bench --size 2MiB", "OMB-0203", "900 KiB", "--size 1KiB"},
		{"bench --duration 1h", "OMB-0203", "100ms to 10m", "--duration 15s"},
		{"bench --partitions 0", "OMB-0203", "1 to 1000", "--partitions 6"},
		{"bench --replication -1", "OMB-0203", "0 to 100", "--replication 3"},
	} {
		check(t, wrong{exit: 2, code: c.code, says: c.says, advice: c.advice}, s.run(t.Context(), "", cmdline(c.line)...))
	}
}
