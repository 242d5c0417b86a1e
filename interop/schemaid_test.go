package interop_test

import (
	"context"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
)

// TestFastStreamAndSchemaIDs is why the default is to name no schema (docs/decisions/0014): a service that is written as FastStream's manual
// says handles plain events, and none that has the header, which is not text. The others read it.
func TestFastStreamAndSchemaIDs(t *testing.T) {
	ctx, f := setUp(t)
	publish := func(b *bus.Bus, names ...string) {
		t.Helper()
		for _, n := range names {
			if _, err := b.Publish(ctx, probed{Name: n}, bus.WithKey("one")); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(f.bus, "a", "b")
	publish(f.with(ctx, t, bus.HeaderSchemaID), "c", "d")
	publish(f.bus, "last")

	handled := run(ctx, t, fastStreamAsInItsManual(ctx, t, f), nil)
	if got := strings.Fields(string(handled)); strings.Join(got, " ") != "a b last" {
		t.Errorf("FastStream handled %q: if it handles events with binary headers now, the decision can change", got)
	}
	for _, n := range neighbours() { // FastStream among them, with the parser of docs/how-to/python-services.md
		named := 0
		for _, r := range n.consume(ctx, t, f, "named-"+n.name, 5) {
			for _, h := range r.Headers {
				if h.Name == "__value_schema_id" && (n.text || len(h.Value) == 17 && hex.EncodeToString(h.Value[:1]) == "01") {
					named++
				}
			}
		}
		if named != 2 {
			t.Errorf("%s read %d headers, want 2", n.name, named)
		}
	}
}

func fastStreamAsInItsManual(ctx context.Context, t *testing.T, f fixture) *exec.Cmd {
	t.Helper()
	return pythonProgram(ctx, t, "faststream_plain.py", f.brokers, f.topic, "plain", "last")
}

// with is another bus on the same topic, whose events name their schema.
func (f fixture) with(ctx context.Context, t *testing.T, form bus.SchemaID) *bus.Bus {
	t.Helper()
	b, err := bus.Open(ctx, f.config(form))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
