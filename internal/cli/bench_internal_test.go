package cli

import (
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/targets"
)

func TestBenchNamesEveryTargetThatIsMissed(t *testing.T) {
	doc := benchDoc{Rate: 10_000, Targets: []benchItem{{Metric: "A", Held: true}}}
	if err := doc.judge(); err != nil {
		t.Errorf("all met: %v", err)
	}
	doc.Targets = append(doc.Targets, benchItem{Metric: "B", Current: "9/s", Target: ">10/s"}, benchItem{Metric: "C", Current: "1s", Target: "<5ms"})
	f, ok := asFailure(doc.judge())
	if !ok || f.code.String() != "OMB-1004" || f.code.exit() != 10 || len(f.details) != 2 || !strings.Contains(f.details[1].value, "C is 1s") || len(f.fixes) == 0 {
		t.Errorf("two missed: %+v", f)
	}
}

func TestBenchReadsRatesAndSizes(t *testing.T) {
	for _, c := range []struct {
		rate, size string
		want       float64
		bytes      int
	}{{"10k/s", "1KiB", 10_000, 1024}, {"600/m", "500", 10, 500}, {"2.5K", "2k", 2500, 2048}, {"50", "100B", 50, 100}} {
		o := benchOptions{rate: c.rate, size: c.size, duration: 1e9, partitions: 1}
		cfg, err := o.config(targets.All)
		if err != nil || cfg.Rate != c.want || cfg.Size != c.bytes {
			t.Errorf("%s and %s: %v, %v (%v)", c.rate, c.size, cfg.Rate, cfg.Size, err)
		}
	}
}
