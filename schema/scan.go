// Package schema validates JSON against JSON Schema: strict JSON first, then the rules. It composes the schema of a whole
// event from that of its payload, and lints schema files. It does no I/O and knows neither Kafka nor HTTP.
package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Schema is a compiled JSON Schema. It is safe for concurrent use.
type Schema struct {
	whole, payload oracle
}

// oracle is one compiled schema twice: as the fast program, which may only say yes, and as the library's, which decides
// and explains where the program does not say yes.
type oracle struct {
	quick *node // nil where a keyword is beyond the program
	exact *jsonschema.Schema
}

// What a schema itself may be.
const (
	maxSchemaBytes = 512 << 10
	maxDepth       = 64
)

// Parse compiles the JSON Schema b (2020-12 unless it says otherwise). Formats are asserted, patterns are RE2, and a
// reference that leaves the document is an error.
func Parse(b []byte) (s *Schema, err error) {
	defer recovered("parse schema", &err)
	doc, err := jsonx.Tree(b, jsonx.Limits{Depth: maxDepth, Bytes: maxSchemaBytes})
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	const url = "urn:omnibus:schema"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	s = new(Schema)
	s.whole.exact, err = c.Compile(url)
	var invalid *jsonschema.SchemaValidationError
	var ve *jsonschema.ValidationError
	switch {
	case errors.As(err, &invalid) && errors.As(invalid.Err, &ve):
		return nil, fmt.Errorf("parse schema: %w", violations(ve, ""))
	case err != nil:
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	s.whole.quick = program(s.whole.exact)
	if p := s.whole.exact.Properties["payload"]; p != nil {
		s.payload = oracle{quick: program(p), exact: p}
	}
	return s, nil
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside the document: schemas are not loaded from elsewhere", url)
}

// View is what [Schema.Scan] found in a value.
type View struct {
	Value   []byte
	Payload []byte // the value of the top-level member "payload", or nil
}

// Scan checks that value is strict JSON and follows the schema. An error about the content is an *[Invalid].
func (s *Schema) Scan(value []byte) (View, error) {
	if payload, ok := s.whole.quickly(value, maxDepth); ok {
		return View{Value: value, Payload: payload}, nil
	}
	if err := s.whole.exactly(value, maxDepth, ""); err != nil {
		return View{}, err
	}
	return View{Value: value, Payload: member(value, "payload")}, nil
}

// ScanPayload checks payload alone against what the schema says of /payload, as [Schema.Scan] would within the event.
func (s *Schema) ScanPayload(payload []byte) error {
	if _, ok := s.payload.quickly(payload, maxDepth-1); ok {
		return nil
	}
	return s.payload.exactly(payload, maxDepth-1, "/payload")
}

func (o oracle) quickly(value []byte, depth int) (payload []byte, ok bool) {
	if o.quick == nil {
		return nil, false
	}
	return o.quick.accepts(value, jsonx.Limits{Depth: depth})
}

func (o oracle) exactly(value []byte, depth int, prefix string) (err error) {
	defer recovered("validate", &err)
	tree, err := jsonx.Tree(value, jsonx.Limits{Depth: depth})
	if err != nil {
		return notJSON(err, prefix)
	}
	if o.exact == nil {
		return nil
	}
	err = o.exact.Validate(tree)
	if ve, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return violations(ve, prefix)
	}
	return err
}

// recovered turns a panic of the schema library into an error that is not an *Invalid: the content is not to blame.
func recovered(doing string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: the schema library panicked: %v", doing, r)
	}
}

// member finds the value of the top-level member name in an object that has been read before.
func member(object []byte, name string) []byte {
	r := jsonx.NewReader(object, jsonx.Limits{})
	defer r.Free()
	if piece, err := r.Next(); err != nil || piece[0] != '{' {
		return nil
	}
	for r.Peek() == '"' {
		piece, err := r.Next()
		if err != nil {
			return nil
		}
		found := jsonx.Text(piece) == name
		start := r.Offset()
		if r.Skip() != nil {
			return nil
		}
		if found {
			return []byte(strings.TrimLeft(string(object[start:r.Offset()]), " \t\r\n:"))
		}
	}
	return nil
}
