// Package schema validates JSON against JSON Schema: strict JSON first, then the rules. It composes the schema of a whole
// event from that of its payload, and lints schema files. It does no I/O and knows neither Kafka nor HTTP.
package schema

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Schema is a compiled JSON Schema. It is safe for concurrent use.
type Schema struct {
	whole, payload oracle
	slow           []string

	accepted, slowly, refused atomic.Uint64
}

// oracle is one compiled schema twice: as the program, which may only say yes, and as the library's, which decides and explains
// where the program does not say yes.
type oracle struct {
	program *node
	exact   *jsonschema.Schema // nil: no rules
	nodes   map[*jsonschema.Schema]*node
}

// maxDepth is how deep a value may nest.
const maxDepth = 64

// documentURL is where a schema is taken to be from: with a path, so that a relative reference is one to elsewhere.
const documentURL = "omnibus://schema/this"

// Parse compiles the JSON Schema b (2020-12 unless it says otherwise). Formats are asserted, patterns are RE2, and a
// reference that leaves the document is an error.
func Parse(b []byte) (s *Schema, err error) {
	defer recovered("parse schema", &err)
	doc, err := readSchema(b)
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	if err := c.AddResource(documentURL, doc); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	s = new(Schema)
	exact, err := c.Compile(documentURL)
	var invalid *jsonschema.SchemaValidationError
	var ve *jsonschema.ValidationError
	var elsewhere *jsonschema.LoadURLError
	switch {
	case errors.As(err, &invalid) && errors.As(invalid.Err, &ve):
		return nil, fmt.Errorf("parse schema: %w", violations(ve, ""))
	case errors.As(err, &elsewhere):
		return nil, fmt.Errorf("parse schema: %w", elsewhere.Err)
	case err != nil:
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	if err := affordable(exact); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	programs := compiler{nodes: map[*jsonschema.Schema]*node{}}
	s.whole = oracle{program: programs.compile(exact), exact: exact, nodes: programs.nodes}
	s.payload = oracle{program: anything}
	if p := exact.Properties["payload"]; p != nil {
		s.payload = oracle{program: programs.compile(p), exact: p, nodes: programs.nodes}
	}
	slices.Sort(programs.slow)
	s.slow = slices.Compact(programs.slow)
	return s, nil
}

var errOutside = errors.New("refers to outside the document; schemas are not loaded from elsewhere")

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%w: %s", errOutside, url)
}

// View is what [Schema.Scan] found in a value: its members as they stand in the bytes, a string with its quotes, nil where the
// event has none.
type View struct {
	Value         []byte
	EventID       []byte
	EventType     []byte
	CorrelationID []byte
	CausationID   []byte
	Timestamp     []byte
	Version       []byte
	Source        []byte
	Metadata      []byte
	Payload       []byte
}

// field notes a top-level member.
func (v *View) field(name, value []byte) {
	switch string(name) {
	case "event_id":
		v.EventID = value
	case "event_type":
		v.EventType = value
	case "correlation_id":
		v.CorrelationID = value
	case "causation_id":
		v.CausationID = value
	case "timestamp":
		v.Timestamp = value
	case "version":
		v.Version = value
	case "source":
		v.Source = value
	case "metadata":
		v.Metadata = value
	case "payload":
		v.Payload = value
	}
}

// Scan checks that value is strict JSON and follows the schema. An error about the content is an *[Invalid].
func (s *Schema) Scan(value []byte) (View, error) {
	if v, ok := s.whole.program.accepts(value, 0); ok {
		s.accepted.Add(1)
		return v, nil
	}
	if err := s.decided(s.whole.exactly(value, 0, "")); err != nil {
		return View{}, err
	}
	return viewOf(value), nil
}

// ScanPayload checks payload alone against what the schema says of /payload, as [Schema.Scan] would within the event.
func (s *Schema) ScanPayload(payload []byte) error {
	if _, ok := s.payload.program.accepts(payload, 1); ok {
		s.accepted.Add(1)
		return nil
	}
	return s.decided(s.payload.exactly(payload, 1, "/payload"))
}

// Look finds the members of an event in strict JSON that no schema is asked about, without decoding and without allocating. Not ok
// is not an error: then only a decoder can tell.
func Look(value []byte) (v View, ok bool) { return anything.accepts(value, 0) }

// Counts says how many values were decided, and by what.
type Counts struct {
	Program uint64 // accepted by the compiled program
	Slow    uint64 // accepted by the library, as the program could not
	Refused uint64 // by the library, which alone refuses
}

// Counts is what [Schema.Scan] and [Schema.ScanPayload] did so far.
func (s *Schema) Counts() Counts {
	return Counts{Program: s.accepted.Load(), Slow: s.slowly.Load(), Refused: s.refused.Load()}
}

// Slow are pointers to the rules that the compiled program leaves to the library, which takes about twenty times as long. It is
// empty for most schemas.
func (s *Schema) Slow() []string { return slices.Clone(s.slow) }

func (s *Schema) decided(err error) error {
	if err == nil {
		s.slowly.Add(1)
	} else {
		s.refused.Add(1)
	}
	return err
}

// exactly lets the library decide about a value that lies depth deep in its event.
func (o oracle) exactly(value []byte, depth int, prefix string) (err error) {
	defer recovered("validate", &err)
	tree, err := jsonx.Tree(value, jsonx.Limits{Depth: maxDepth - depth})
	if err != nil {
		return notJSON(err, prefix)
	}
	if o.exact == nil {
		return nil
	}
	if err := o.bearable(tree, prefix); err != nil {
		return err
	}
	err = o.exact.Validate(tree)
	if ve, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return violations(ve, prefix)
	}
	return err
}

// viewOf finds the top-level members of a value that has been read before.
func viewOf(value []byte) View {
	v := View{Value: value}
	err := jsonx.Each(value, func(name []byte, from, to int) { v.field(name, value[from:to]) })
	_ = err // not an object, then, and without members
	return v
}

// recovered turns a panic of the schema library into an error that is not an *Invalid: the content is not to blame.
func recovered(doing string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: the schema library panicked: %v", doing, r)
	}
}
