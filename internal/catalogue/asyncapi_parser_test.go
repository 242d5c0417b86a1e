//go:build parts

package catalogue_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/internal/parts"
)

const (
	nodePackages = "../../interop/node"
	cache        = "../../.cache"
)

type diagnostic struct {
	Severity int    `json:"severity"` // 0 error, 1 warning, 2 information, 3 hint
	Code     string `json:"code"`
	Message  string `json:"message"`
	Path     string `json:"path"`
}

type verdict struct {
	Found      []diagnostic `json:"found"`
	Operations []struct {
		ID    string `json:"id"`
		Reply string `json:"reply"`
	} `json:"operations"`
}

// parsed is what @asyncapi/parser says of documents.
func parsed(t *testing.T, documents ...[]byte) []verdict {
	t.Helper()
	if err := parts.InstallNode(t.Context(), cache, nodePackages); err != nil {
		t.Fatal(err)
	}
	modules, err := parts.NodeModules(cache, nodePackages)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(nodePackages, "asyncapi.js"))
	for i, d := range documents {
		file := filepath.Join(dir, strconv.Itoa(i)+".json")
		if err := os.WriteFile(file, d, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Args = append(cmd.Args, file)
	}
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var verdicts []verdict
	if err := json.Unmarshal(out, &verdicts); err != nil || len(verdicts) != len(documents) {
		t.Fatalf("%d verdicts, %v\n%s", len(verdicts), err, out)
	}
	return verdicts
}

// The one thing that the parser may remark is that 3.1.0 is out: tools that know 3.0.0 only are more.
func TestAsyncAPIPassesTheParser(t *testing.T) {
	catalogues := [][]catalogue.Entry{builtIn(t), read(t, house)}
	for i, v := range parsed(t, asyncAPI(t, catalogues[0]), asyncAPI(t, catalogues[1])) {
		for _, d := range v.Found {
			if d.Severity != 2 || d.Code != "asyncapi-latest-version" {
				t.Errorf("severity %d at %s: %s (%s)", d.Severity, d.Path, d.Message, d.Code)
			}
		}
		want, got := map[string]string{}, map[string]string{}
		for _, e := range catalogues[i] {
			for _, p := range e.Producers {
				want[strings.Replace(p, "*", "any", 1)+".send."+e.Short()] = string(e.Replies)
			}
			for _, c := range e.Consumers {
				want[strings.Replace(c, "*", "any", 1)+".receive."+e.Short()] = string(e.Replies)
			}
		}
		for _, o := range v.Operations {
			got[o.ID] = o.Reply
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("operations and where they are answered (-want +got):\n%s", diff)
		}
	}
}

// The parser reads the document as closely as the test above believes.
func TestTheParserSeesWhatIsWrong(t *testing.T) {
	whole := asyncAPI(t, read(t, house))
	changes := [][2]string{
		{`"#/components/schemas/omninode.shop.request.order.v1"`, `"#/components/schemas/nothing"`},
		{`order.v1/$defs/line"`, `order.v1/$defs/lime"`},
		{`"partitions": 3`, `"partitions": "three"`},
		{`$message.payload#/correlation_id`, `payload.correlation_id`},
		{`"action": "send"`, `"action": "sing"`},
	}
	var broken [][]byte
	for _, change := range changes {
		b := bytes.Replace(whole, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(b, whole) {
			t.Fatalf("the document has no %s", change[0])
		}
		broken = append(broken, b)
	}
	for i, v := range parsed(t, broken...) {
		if !slices.ContainsFunc(v.Found, func(d diagnostic) bool { return d.Severity == 0 }) {
			t.Errorf("%s in place of %s: the parser finds no error", changes[i][1], changes[i][0])
		}
	}
}
