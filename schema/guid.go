package schema

import (
	"crypto/md5" //nolint:gosec // a name for content that every registry makes the same way, and no protection
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Reference is what a registered schema uses of another one: the name by which its text refers to it, and which it is.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Metadata is what is registered with a schema for people and programs. Registries keep it and do not act on it.
type Metadata struct {
	Tags       map[string][]string `json:"tags,omitempty"`       // path in the schema → tags
	Properties map[string]string   `json:"properties,omitempty"` // anything
	Sensitive  []string            `json:"sensitive,omitempty"`  // properties not to show
}

// RuleSet is rules for clients, registered with a schema. Registries keep them and do not run them.
type RuleSet struct {
	MigrationRules []Rule `json:"migrationRules,omitempty"`
	DomainRules    []Rule `json:"domainRules,omitempty"`
	EncodingRules  []Rule `json:"encodingRules,omitempty"`
	EnableAt       string `json:"enableAt,omitempty"`
}

// Rule is one rule of a [RuleSet].
type Rule struct {
	Name      string            `json:"name,omitempty"`
	Doc       string            `json:"doc,omitempty"`
	Kind      string            `json:"kind,omitempty"` // TRANSFORM, CONDITION
	Mode      string            `json:"mode,omitempty"` // WRITE, READ, UPGRADE, ...
	Type      string            `json:"type,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Expr      string            `json:"expr,omitempty"`
	OnSuccess string            `json:"onSuccess,omitempty"`
	OnFailure string            `json:"onFailure,omitempty"`
	Disabled  bool              `json:"disabled"`
}

// GUID names what is registered by its content alone, so that every registry gives it the same name. Nil metadata and nil rules
// are none, which is something else than empty ones.
func GUID(text string, refs []Reference, metadata *Metadata, rules *RuleSet) [16]byte {
	h := guidHash{md5.New()} //nolint:gosec // see above
	h.text(text)
	for _, r := range refs {
		h.text(r.Name, r.Subject)
		h.bytes(binary.BigEndian.AppendUint32(nil, uint32(r.Version))) //nolint:gosec // a version has 31 bits
	}
	if metadata != nil {
		h.bytes([]byte{1})
		for _, path := range slices.Sorted(maps.Keys(metadata.Tags)) {
			h.text(path)
			h.set(metadata.Tags[path])
		}
		h.pairs(metadata.Properties)
		h.set(metadata.Sensitive)
	}
	if rules != nil {
		h.bytes([]byte{1})
		for _, list := range [][]Rule{rules.MigrationRules, rules.DomainRules, rules.EncodingRules} {
			for _, r := range list {
				h.rule(r)
			}
		}
	}
	return [16]byte(h.Sum(nil))
}

// GUIDText writes id the way UUIDs are written.
func GUIDText(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// Canonical is text without blanks and with the members of its objects in the order of their names, so that every registry
// takes equal schemas for equal. Numbers keep their digits. Text must be strict JSON.
func Canonical(text []byte) ([]byte, error) {
	tree, err := jsonx.Tree(text, jsonx.Limits{Depth: maxDepth, Bytes: maxSchemaBytes})
	if err != nil {
		return nil, fmt.Errorf("canonical schema: %w", err)
	}
	return jsonx.Marshal(tree)
}

// Registrable is what a registry keeps for a topic whose payloads follow the schema payload: that of the whole event as its readers
// take it, in the form of [Canonical].
func Registrable(payload []byte) ([]byte, error) {
	text, err := Compose(payload, Consumer)
	if err != nil {
		return nil, err
	}
	return Canonical(text)
}

type guidHash struct{ hash.Hash }

func (h guidHash) bytes(b []byte) { _, _ = h.Write(b) } // a hash never fails

func (h guidHash) text(parts ...string) {
	for _, p := range parts {
		h.bytes([]byte(p))
	}
}

// set takes parts as a set: sorted, each once.
func (h guidHash) set(parts []string) {
	h.text(slices.Compact(slices.Sorted(slices.Values(parts)))...)
}

func (h guidHash) pairs(m map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		h.text(name, m[name])
	}
}

func (h guidHash) rule(r Rule) {
	h.text(r.Name, r.Doc, r.Kind, r.Mode, r.Type)
	h.set(r.Tags)
	h.pairs(r.Params)
	h.text(r.Expr, r.OnSuccess, r.OnFailure)
	if r.Disabled {
		h.bytes([]byte{1})
	}
}
