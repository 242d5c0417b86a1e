package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Payload is a contract type: it knows which event it is the payload of. The generator writes the method.
type Payload interface{ EventTopic() Topic }

// Method pairs a request with its response.
type Method[Req, Res Payload] struct{ Name string }

// Spec declares one event type: what its schema file says.
type Spec struct {
	Topic      Topic
	Version    string // semantic version of the schema
	Doc        string
	Owner      string
	Producers  []string
	Consumers  []string
	Key        string                     // name of the payload member that is the record key; "" is the correlation id
	Tier       string                     // high, medium, low or default
	Partitions int                        // by tier: 6, 3, 1; default 3
	Retention  time.Duration              // default 7 days
	Aliases    map[string]string          // payload member as written → as declared
	Defaults   map[string]json.RawMessage // payload member → its value where it is missing
	Replies    Topic                      // of a request: where the response goes
	AliasOf    Topic                      // the canonical event that this one repeats
	Supersedes Topic                      // the older version that this one takes the place of
	DualUntil  time.Time                  // until then what is published as this is published as the older version too; zero: it is not
	Deprecated *Deprecation               // nil: it is not
	Strict     bool                       // refuse incomplete envelopes instead of completing them
	Wire       string                     // how events name their schema: none, header, prefix; "" is as the bus says
	Schema     []byte                     // the payload's JSON Schema
	Examples   []json.RawMessage
	File       string // where it was read from
}

// Catalog is a set of event types, in the order of their topics. It does not change once made.
type Catalog struct {
	specs  map[Topic]Spec
	sorted []Topic
}

// NewCatalog makes a catalogue. It is an error that names the topic if one is illegal or there twice.
func NewCatalog(specs ...Spec) (*Catalog, error) {
	c := &Catalog{specs: make(map[Topic]Spec, len(specs))}
	for _, s := range specs {
		if err := s.Topic.legal(); err != nil {
			return nil, err
		}
		if s.Topic.IsDLQ() {
			return nil, fmt.Errorf("topic %s: dead-letter topics come with their topic and are not declared", s.Topic)
		}
		if other, ok := c.specs[s.Topic]; ok {
			return nil, fmt.Errorf("topic %s: declared in %s and again in %s", s.Topic, other.File, s.File)
		}
		c.specs[s.Topic] = s.withDefaults()
	}
	c.sorted = slices.Sorted(maps.Keys(c.specs))
	return c, nil
}

func (s Spec) withDefaults() Spec {
	if s.Version == "" {
		s.Version = "1.0.0"
	}
	if s.Tier == "" {
		s.Tier = "default"
	}
	if s.Partitions == 0 {
		s.Partitions = map[string]int{"high": 6, "medium": 3, "low": 1, "default": 3}[s.Tier]
	}
	if s.Retention == 0 {
		s.Retention = 7 * 24 * time.Hour
	}
	return s
}

// Lookup finds the declaration of t, or of the topic whose dead letters t holds.
func (c *Catalog) Lookup(t Topic) (Spec, bool) {
	s, ok := c.specs[t.Source()]
	return s, ok
}

// All yields every declaration in the order of topic names.
func (c *Catalog) All() iter.Seq[Spec] {
	return func(yield func(Spec) bool) {
		for _, t := range c.sorted {
			if !yield(c.specs[t]) {
				return
			}
		}
	}
}

// Len is the number of declared event types.
func (c *Catalog) Len() int { return len(c.sorted) }

type schemaFile struct {
	ID          string            `json:"$id"`
	Description string            `json:"description"`
	Version     string            `json:"x-version"`
	Supersedes  Topic             `json:"x-supersedes"`
	Deprecated  json.RawMessage   `json:"x-deprecated"`
	Omnibus     *schemaOmnibus    `json:"x-omnibus"`
	Examples    []json.RawMessage `json:"examples"`
}

type schemaOmnibus struct {
	Topic     string                     `json:"topic"`
	Owner     string                     `json:"owner"`
	Producers []string                   `json:"producers"`
	Consumers []string                   `json:"consumers"`
	Key       string                     `json:"key"`
	Tier      string                     `json:"tier"`
	Retention string                     `json:"retention"`
	Aliases   map[string]string          `json:"aliases"`
	Defaults  map[string]json.RawMessage `json:"defaults"`
	Replies   Topic                      `json:"replies"`
	AliasOf   Topic                      `json:"alias_of"`
	Strict    bool                       `json:"strict_envelope"`
	Dual      *struct {
		Until string `json:"until"`
	} `json:"dual_publish"`
	Wire string `json:"wire"`
}

// ReadCatalog reads every *.json file below fsys, each the JSON Schema of one payload with an "x-omnibus" member. All
// errors are reported, each with its file.
func ReadCatalog(fsys fs.FS) (*Catalog, error) {
	var specs []Spec
	var errs []error
	err := fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".json") {
			return err
		}
		b, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		s, err := parseSpec(file, b)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
			return nil
		}
		specs = append(specs, s)
		return nil
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	if len(specs) == 0 {
		return nil, errors.New("read catalogue: no schema file (*.json) found")
	}
	return NewCatalog(specs...)
}

func parseSpec(file string, b []byte) (Spec, error) {
	var f schemaFile
	if err := jsonx.Unmarshal(b, &f); err != nil {
		return Spec{}, err
	}
	if f.Omnibus == nil {
		return Spec{}, errors.New(`no "x-omnibus" member`)
	}
	x := f.Omnibus
	s := Spec{
		Topic: Topic(x.Topic), Version: f.Version, Doc: f.Description, Owner: x.Owner, Producers: x.Producers, Consumers: x.Consumers,
		Key: strings.TrimPrefix(x.Key, "/"), Tier: x.Tier, Aliases: x.Aliases, Defaults: x.Defaults, Replies: x.Replies, AliasOf: x.AliasOf,
		Strict: x.Strict, Wire: x.Wire, Schema: b, Examples: f.Examples, File: file, Supersedes: f.Supersedes,
	}
	if err := s.versions(f); err != nil {
		return Spec{}, err
	}
	if x.Retention != "" {
		d, err := time.ParseDuration(x.Retention)
		if err != nil || d <= 0 {
			return Spec{}, fmt.Errorf("x-omnibus.retention %q: want a duration such as 168h", x.Retention)
		}
		s.Retention = d
	}
	switch x.Tier {
	case "", "high", "medium", "low", "default":
	default:
		return Spec{}, fmt.Errorf("x-omnibus.tier %q: want high, medium, low or default", x.Tier)
	}
	switch x.Wire {
	case "", "none", "header", "prefix":
	default:
		return Spec{}, fmt.Errorf("x-omnibus.wire %q: want none, header or prefix", x.Wire)
	}
	if err := s.Topic.legal(); err != nil {
		return Spec{}, err
	}
	return s, nil
}

// versions reads what a file says of its older and later versions.
func (s *Spec) versions(f schemaFile) error {
	if s.Supersedes != "" {
		if err := s.Supersedes.legal(); err != nil {
			return fmt.Errorf("x-supersedes: %w", err)
		}
	}
	var err error
	if s.Deprecated, err = parseDeprecation(f.Deprecated); err != nil || f.Omnibus.Dual == nil {
		return err
	}
	last, err := parseDay("x-omnibus.dual_publish.until", f.Omnibus.Dual.Until)
	switch {
	case err != nil:
		return err
	case last.IsZero():
		return errors.New(`x-omnibus.dual_publish: "until" is missing: name the last day`)
	case s.Supersedes == "":
		return errors.New(`x-omnibus.dual_publish: "x-supersedes" is missing: name the older version that is published too`)
	}
	s.DualUntil = last.AddDate(0, 0, 1)
	return nil
}

// Successor is the event type that says that it supersedes t, or "".
func (c *Catalog) Successor(t Topic) Topic {
	for _, later := range c.sorted {
		if c.specs[later].Supersedes == t {
			return later
		}
	}
	return ""
}
