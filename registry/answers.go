package registry

import (
	"github.com/omninode-ai/omnibus/schema"
)

// entity is a version as it is answered.
type entity struct {
	Subject    string             `json:"subject,omitempty"`
	Version    int                `json:"version,omitzero"`
	ID         int                `json:"id,omitzero"`
	GUID       string             `json:"guid,omitempty"`
	Type       string             `json:"schemaType,omitempty"` // left out for AVRO
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitzero"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitzero"`
	Schema     string             `json:"schema,omitempty"`
	Written    int64              `json:"ts,omitzero"`
	Deleted    bool               `json:"deleted,omitzero"`
	MaxID      int                `json:"maxId,omitzero"`
}

// entity is c without a subject.
func (c *content) entity() entity {
	e := entity{GUID: schema.GUIDText(c.guid), Type: c.typ, References: c.refs, Metadata: c.metadata, RuleSet: c.rules, Schema: c.text}
	if e.Type == typeAvro {
		e.Type = ""
	}
	return e
}

func (v *version) entity() entity {
	e := v.content.entity()
	e.Subject, e.Version, e.ID, e.Written, e.Deleted = v.subject, v.number, v.id, v.written, v.deleted
	return e
}

type modeAnswer struct {
	Mode string `json:"mode"`
}

type compatAnswer struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages,omitempty"`
}

type useAnswer struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type contextID struct {
	Context string `json:"context"`
	ID      int    `json:"id"`
}

// text is an answer that is given as it is.
type text string

func numbers(versions []*version) []int {
	out := make([]int, len(versions))
	for i, v := range versions {
		out[i] = v.number
	}
	return out
}
