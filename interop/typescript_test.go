package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/gen"
	"github.com/omninode-ai/omnibus/internal/parts"
)

// said are the keywords that the types of TypeScript speak of.
var said = []string{"type", "required", "enum", "const", "additionalProperties", "unevaluatedProperties", "anyOf"}

// TestTypeScript: the compiler takes every payload that publishers may send, and none that breaks a rule of which types speak.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	catalog := catalogue(t)
	files, err := gen.TypeScript(catalog)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := gen.Write(filepath.Join(dir, "events"), files); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("import { bridge, type AnyEvent, type EventOf, type Payloads, type Replies } from \"./events/index.js\";\n\n")
	right, wrong, examples := 0, 0, 0
	for _, j := range judgedPayloads(t) {
		says := slices.ContainsFunc(j.breaks, func(rule string) bool { return slices.Contains(said, rule) })
		switch {
		case strings.Contains(j.what, " for ") || strings.Contains(j.what, " and "): // an older name: the type has the newer alone
			continue
		case j.writes:
			right++
		case says && !strings.HasSuffix(j.what, " is 1.5"): // which is no integer, and a number all the same
			wrong++
			b.WriteString("// @ts-expect-error\n")
		default:
			continue
		}
		fmt.Fprintf(&b, "(%s) satisfies Payloads[%q]; // %s\n", j.payload, j.topic, j.what)
		if j.writes && !strings.Contains(j.what, ":") {
			examples++
			fmt.Fprintf(&b, "({ event_id: \"7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a11\", event_type: %q, correlation_id: \"c-1\", timestamp: \"2026-01-15T10:00:00.000Z\", "+
				"version: \"1.0.0\", source: { service: \"s\", instance_id: \"i\" }, later: [1], payload: %s }) satisfies EventOf<%q>;\n", j.topic, j.payload, j.topic)
		}
	}
	if right < 1000 || wrong < 1000 || examples < catalog.Len() {
		t.Errorf("%d right, %d wrong and %d whole events are too few to tell", right, wrong, examples)
	}
	b.WriteString(`
// What event_type says, the compiler knows.
export function hash(e: AnyEvent): string | undefined {
  switch (e.event_type) {
    case bridge.StampResponse.topic:
      return e.payload.blake3_hash;
    case "omninode.bridge.event.metadata_stamped.v1":
      // @ts-expect-error: no such member
      e.payload.blake3;
      return e.payload.namespace;
    default:
      return undefined;
  }
}
// @ts-expect-error: the type of another event
({} as EventOf<"omninode.bridge.request.stamp.v1">) satisfies EventOf<"omninode.bridge.response.stamp.v1">;
bridge.StampRequest.replies satisfies Replies["omninode.bridge.request.stamp.v1"];
`)
	for name, text := range map[string][]byte{"check.ts": b.Bytes(), "package.json": []byte(`{"type": "module"}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t.Context(), t, typeScript(t.Context(), t, dir, "--noEmit", "check.ts"), nil)
}

// typeScript is the compiler, as strict as it can be, in dir. Node 20 and browsers take what it makes.
func typeScript(ctx context.Context, t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	modules, err := parts.NodeModules("../.cache", "node")
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{
		filepath.Join(modules, "typescript", "bin", "tsc"), "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noUnusedLocals",
		"--verbatimModuleSyntax", "--isolatedModules", "--target", "es2022", "--module", "nodenext", "--pretty", "false",
	}, args...)
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = dir
	return cmd
}
