package registry

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// The kinds of keys. Others are left alone.
const (
	keySchema        = "SCHEMA"
	keyDeleteSubject = "DELETE_SUBJECT"
	keyConfig        = "CONFIG"
	keyMode          = "MODE"
	keyNoop          = "NOOP"
)

// record is one record of the topic. A nil value is a tombstone.
type record struct{ key, value []byte }

// recordKey is a key as it is read: the order of its members does not matter, and Redpanda's has two more.
type recordKey struct {
	Type    string `json:"keytype"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
	Seq     *int64 `json:"seq"` // of Redpanda: at which offset its writer meant to be
}

// The keys as they are written. Compaction compares bytes: the order of the members is part of the format.
type (
	schemaKey struct {
		Type    string `json:"keytype"`
		Subject string `json:"subject"`
		Version int    `json:"version"`
		Magic   int    `json:"magic"`
	}
	subjectKey struct {
		Type    string  `json:"keytype"`
		Subject *string `json:"subject"` // nil: of all subjects
		Magic   int     `json:"magic"`
	}
	plainKey struct {
		Type  string `json:"keytype"`
		Magic int    `json:"magic"`
	}
)

type schemaValue struct {
	Subject    string             `json:"subject"`
	Version    int                `json:"version"`
	ID         int                `json:"id"`
	MD5        string             `json:"md5,omitempty"`
	Type       string             `json:"schemaType,omitempty"` // empty: AVRO
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitzero"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitzero"`
	Schema     string             `json:"schema"`
	Deleted    bool               `json:"deleted"`
}

type deleteSubjectValue struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type modeValue struct {
	Subject *string `json:"subject,omitzero"`
	Mode    string  `json:"mode"`
}

type configValue struct {
	Subject *string `json:"subject,omitzero"`
	Config
}

// noopValue keeps the highest id that was ever given, which schemas that are gone for good no longer tell.
type noopValue struct {
	MaxID int `json:"maxId,omitzero"`
}

var errNoKey = errors.New("not a key of a registry")

func readKey(b []byte) (recordKey, error) {
	var k recordKey
	if err := jsonx.Unmarshal(b, &k); err != nil || k.Type == "" {
		return k, errNoKey
	}
	return k, nil
}

// encode makes the record of key and value; value nil is a tombstone.
func encode(key, value any) (record, error) {
	k, err := jsonx.Marshal(key)
	if err != nil {
		return record{}, fmt.Errorf("encode key: %w", err)
	}
	if value == nil {
		return record{key: k}, nil
	}
	v, err := jsonx.Marshal(value)
	if err != nil {
		return record{}, fmt.Errorf("encode value: %w", err)
	}
	return record{k, v}, nil
}

// scope is the subject of a key of levels and modes; "" is all subjects.
func scope(subject string) *string {
	if subject == "" {
		return nil
	}
	return &subject
}

func versionRecord(subject string, number int, c *content, deleted bool) (record, error) {
	typ := c.typ
	if typ == typeAvro {
		typ = ""
	}
	return encode(schemaKey{keySchema, subject, number, 1}, schemaValue{
		Subject: subject, Version: number, ID: c.id, MD5: base64.StdEncoding.EncodeToString(c.guid[:]), Type: typ,
		References: c.refs, Metadata: c.metadata, RuleSet: c.rules, Schema: c.text, Deleted: deleted,
	})
}

func noVersion(subject string, number int) (record, error) {
	return encode(schemaKey{keySchema, subject, number, 1}, nil)
}

func deleteSubjectRecord(subject string, last int) (record, error) {
	return encode(subjectKey{keyDeleteSubject, &subject, 0}, deleteSubjectValue{subject, last})
}

// modeRecord sets the mode of a subject, "" all; mode "" takes it back.
func modeRecord(subject, mode string) (record, error) {
	var value any
	if mode != "" {
		value = modeValue{scope(subject), mode}
	}
	return encode(subjectKey{keyMode, scope(subject), 0}, value)
}

// configRecord sets the config of a subject, "" all; nil takes it back.
func configRecord(subject string, c *Config) (record, error) {
	var value any
	if c != nil {
		value = configValue{scope(subject), *c}
	}
	return encode(subjectKey{keyConfig, scope(subject), 0}, value)
}

func noopRecord(maxID int) (record, error) {
	return encode(plainKey{keyNoop, 0}, noopValue{maxID})
}
