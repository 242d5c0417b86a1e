package schema_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/schema"
)

// TestJSONSchemaTestSuite runs the official suite for 2020-12 where it is at hand: the required tests, and those of the formats
// that the catalogue uses.
func TestJSONSchemaTestSuite(t *testing.T) {
	data := os.Getenv("OMNIBUS_CONFORMANCE_DATA")
	if data == "" {
		data = "../../shared/data"
	}
	var files []string
	for _, pattern := range []string{"*.json", "optional/format/uuid.json", "optional/format/date-time.json", "optional/bignum.json", "optional/float-overflow.json"} {
		found, err := filepath.Glob(filepath.Join(data, "JSON-Schema-Test-Suite/tests/draft2020-12", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Log("JSON-Schema-Test-Suite is not there (OMNIBUS_CONFORMANCE_DATA): nothing checked")
		return
	}
	run, outside := 0, 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Description string          `json:"description"`
			Schema      json.RawMessage `json:"schema"`
			Tests       []struct {
				Description string          `json:"description"`
				Data        json.RawMessage `json:"data"`
				Valid       bool            `json:"valid"`
			} `json:"tests"`
		}
		if err := json.Unmarshal(b, &groups); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		for _, g := range groups {
			s, err := schema.Parse(g.Schema)
			if err != nil && strings.Contains(err.Error(), "outside the document") {
				outside += len(g.Tests)
				continue
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, g.Description, err)
				continue
			}
			for _, tc := range g.Tests {
				if strings.HasSuffix(tc.Description, "is only an annotation by default") && !strings.HasPrefix(g.Description, "idn-") {
					tc.Valid = false // we assert formats, internationalised ones apart
				}
				_, err := s.Scan(tc.Data)
				run++
				if _, ok := errors.AsType[*schema.Invalid](err); (err == nil) != tc.Valid || err != nil && !ok {
					t.Errorf("%s: %s: %s: %v, want valid: %v", name, g.Description, tc.Description, err, tc.Valid)
				}
			}
		}
	}
	t.Logf("%d tests; %d refer to documents outside and are refused", run, outside)
}
