package arch_test

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/arch"
)

func TestTreeKeepsToTheLayers(t *testing.T) {
	found, err := arch.Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

func TestCheckFindsWhatBreaksTheLayers(t *testing.T) {
	const ours = "github.com/omninode-ai/omnibus/"
	for _, tc := range []struct {
		name, file, imports string
		want                []string
	}{
		{"down is allowed", "bus/publish.go", ours + "event", nil},
		{"up", "event/envelope.go", ours + "bus", []string{
			"event/envelope.go imports bus; event may import only these of our own: internal/jsonx",
		}},
		{"from a package that may import none", "spi/spi.go", ours + "event", []string{
			"spi/spi.go imports event; spi may import only these of our own: none",
		}},
		{"sideways", "services/search/search.go", ours + "services/bridge", []string{
			"services/search/search.go imports services/bridge; services/search may import only these of our own: " +
				"bus contracts contracts/* event internal/jsonx",
		}},
		{"a package below one that is allowed", "bus/bus.go", ours + "event/private", []string{
			"bus/bus.go imports event/private; bus may import only these of our own: event schema spi internal/defect internal/jsonx internal/near",
		}},
		{"contracts of any domain", "services/bridge/bridge.go", ours + "contracts/bridge", nil},
		{"everything", "stack/stack.go", ours + "services/bridge", nil},
		{"unknown package", "helpers/helpers.go", "fmt", []string{
			"helpers/helpers.go: package helpers has no line in the table; see internal/arch/layers.go",
		}},
		{"a stranger's dependency", "stack/stack.go", "github.com/twmb/franz-go/pkg/kgo", []string{
			"stack/stack.go imports github.com/twmb/franz-go/pkg/kgo; only these may: bus internal/chaos",
		}},
		{"below a stranger's dependency", "bus/bus.go", "github.com/go-json-experiment/json/jsontext", []string{
			"bus/bus.go imports github.com/go-json-experiment/json/jsontext; only these may: internal/jsonx",
		}},
		{"its own dependency", "broker/broker.go", "github.com/twmb/franz-go/pkg/kfake", nil},
		{"tests wire what they like", "event/event_test.go", ours + "bus", nil},
		{"test data is not ours", "schema/testdata/x.go", ours + "bus", nil},
		{"nor is what is hidden", ".cache/x.go", ours + "bus", nil},
		{"nor is another module", "interop/deep/x.go", ours + "bus", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := arch.Check(fstest.MapFS{
				"go.mod":         {},
				"interop/go.mod": {},
				tc.file:          {Data: []byte("package p\n\nimport _ \"" + tc.imports + "\"\n")},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, found); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckReportsAFileThatDoesNotParse(t *testing.T) {
	if _, err := arch.Check(fstest.MapFS{"bus/bus.go": {Data: []byte("package")}}); err == nil {
		t.Error("no error for a file that is not Go")
	}
}
