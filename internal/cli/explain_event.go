package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// explainEventDoc is what an event type is, for somebody who has only seen its name.
type explainEventDoc struct {
	catalogItem
	Pattern          string          `json:"pattern,omitzero"` // request, response, event, audit
	Replies          event.Topic     `json:"replies,omitzero"`
	AliasOf          event.Topic     `json:"alias_of,omitzero"`
	RetentionSeconds float64         `json:"retention_seconds"`
	DeadLetters      event.Topic     `json:"dead_letters"`
	Fields           []explainField  `json:"fields"`
	Example          json.RawMessage `json:"example,omitzero"`
	Publish          string          `json:"publish,omitzero"` // a command to be pasted
}

// explainField is one member of a payload.
type explainField struct {
	EventType event.Topic     `json:"event_type"`
	Name      string          `json:"name"` // with dots below the first level
	Kind      string          `json:"kind"`
	Needed    bool            `json:"needed"`
	Doc       string          `json:"doc,omitzero"`
	Allowed   string          `json:"allowed,omitzero"`
	Default   json.RawMessage `json:"default,omitzero"`
	Aliases   []string        `json:"aliases,omitzero"` // other names that publishers may use
	Key       bool            `json:"key,omitzero"`     // the record key
	Example   json.RawMessage `json:"example,omitzero"`
}

// explainsEvent takes an event type as "catalog show" does, its dead-letter topic, and a field of it: TOPIC.field.
func (a *app) explainsEvent(subject string) (explainDoc, bool, error) {
	name := strings.TrimSuffix(subject, ".dlq")
	s, err := a.declared(name)
	if err == nil {
		e, err := explainEventOf(s)
		return explainDoc{Kind: "event type", Title: string(s.Topic), Event: &e}, true, err
	}
	for end := len(name); err != nil; {
		if f, ok := asFailure(err); !ok || f.code != codeEventType {
			return explainDoc{}, false, err
		}
		if end = strings.LastIndexByte(name[:end], '.'); end < 0 {
			return explainDoc{}, false, nil
		}
		s, err = a.declared(name[:end])
		if err == nil {
			name = name[end+1:]
		}
	}
	fields, err := fieldsOf(s)
	if err != nil {
		return explainDoc{}, false, err
	}
	name = strings.TrimPrefix(name, "payload.")
	var names []string
	for _, f := range fields {
		if f.Name == name || slices.Contains(f.Aliases, name) {
			return explainDoc{Kind: "payload field", Title: string(s.Topic) + "." + f.Name, Field: &f}, true, nil
		}
		names = append(names, f.Name)
	}
	return explainDoc{}, false, fail(codeSubject, "%s has no field %s", s.Topic, clip(name, 60)).because("its schema does not declare it").
		meant(name, names).fix("omnibus explain %s", s.Topic)
}

func explainEventOf(s event.Spec) (explainEventDoc, error) {
	fields, err := fieldsOf(s)
	if err != nil {
		return explainEventDoc{}, err
	}
	e := explainEventDoc{
		catalogItem: catalogItemOf(s), Pattern: string(s.Topic.Pattern()), Replies: s.Replies, AliasOf: s.AliasOf,
		RetentionSeconds: s.Retention.Seconds(), DeadLetters: s.Topic.DLQ(), Fields: fields,
	}
	if len(s.Examples) > 0 {
		e.Example = s.Examples[0]
		one, err := jsonx.Compact(e.Example)
		if err != nil {
			return e, err
		}
		e.Publish = "omnibus publish " + string(s.Topic) + " " + shellQuote(string(one))
	}
	return e, nil
}

var patternDocs = map[string]string{
	"request":  "a request: a service answers it with one response",
	"response": "a response: the answer to one request",
	"event":    "an event: something happened, and whoever wants to know reads it",
	"audit":    "an audit event: kept to be looked up later",
}

func (a *app) printEventPage(e explainEventDoc) error {
	key := "the payload's " + e.Key
	if e.Key == "" {
		key = "the correlation id"
	}
	err := a.printFields(
		field{"event type", string(e.Type)}, field{"what", e.Doc}, field{"kind", patternDocs[e.Pattern]},
		field{"owner", e.Owner}, field{"version", e.Version},
		field{"published by", strings.Join(e.Producers, ", ")}, field{"read by", strings.Join(e.Consumers, ", ")},
		field{"answered on", string(e.Replies)}, field{"alias of", string(e.AliasOf)},
		field{"key", key + "; events of one key stay in order"},
		field{"partitions", e.Tier + " tier, " + count(e.Partitions, "partition", "partitions")},
		field{"kept for", retentionText(&e.RetentionSeconds)},
		field{"dead letters", string(e.DeadLetters) + ", kept for 30 days"},
	)
	if err != nil {
		return err
	}
	t := newTable("FIELD", "TYPE", "NEEDED", "DEFAULT", "WHAT")
	for _, f := range e.Fields {
		if strings.Contains(f.Name, ".") {
			continue // "explain TYPE.field" has it
		}
		needed := ""
		if f.Needed {
			needed = "yes"
		}
		t.add(f.Name, f.Kind, needed, string(f.Default), f.Doc)
	}
	if len(t.rows) > 0 {
		if err := a.printf("\n"); err != nil {
			return err
		}
		if err := a.printTable(t); err != nil {
			return err
		}
	}
	if e.Example != nil {
		b, err := jsonx.MarshalIndent(e.Example)
		if err != nil {
			return err
		}
		if err := a.printf("\n%s\n%s\n\n%s\n%s\n", a.paint(bold, "EXAMPLE"), b, a.paint(bold, "PUBLISH IT"), a.paint(cyan, e.Publish)); err != nil {
			return err
		}
	}
	return a.printf("\n%s\n%s\n%s\n", a.paint(bold, "LOOK AT IT"),
		a.paint(cyan, "omnibus consume "+string(e.Type)+" --last 1"), a.paint(cyan, "omnibus dlq show "+string(e.Type)))
}

func (a *app) printPayloadField(f explainField) error {
	needed := "no"
	if f.Needed {
		needed = "yes"
	}
	key := ""
	if f.Key {
		key = "the record key: events of one value stay in order"
	}
	return a.printFields(
		field{"field", f.Name}, field{"of", string(f.EventType)}, field{"what", f.Doc}, field{"type", f.Kind}, field{"allowed", f.Allowed},
		field{"needed", needed}, field{"default", string(f.Default)}, field{"also", strings.Join(f.Aliases, ", ")}, field{"key", key},
		field{"example", string(f.Example)}, field{"more", "omnibus explain " + string(f.EventType)},
	)
}

// memberSchema is what is of interest in the schema of an object or of one of its members.
type memberSchema struct {
	payloadProperty
	Required   []string                   `json:"required"`
	Properties map[string]json.RawMessage `json:"properties"`
	Items      json.RawMessage            `json:"items"`
	Defs       map[string]json.RawMessage `json:"$defs"`
	Minimum    json.RawMessage            `json:"minimum"`
	Maximum    json.RawMessage            `json:"maximum"`
	MinLength  json.RawMessage            `json:"minLength"`
	MaxLength  json.RawMessage            `json:"maxLength"`
	MinItems   json.RawMessage            `json:"minItems"`
	MaxItems   json.RawMessage            `json:"maxItems"`
	Pattern    string                     `json:"pattern"`
}

// fieldsOf lists the members of a payload, those of objects in it with dots.
func fieldsOf(s event.Spec) ([]explainField, error) {
	var root memberSchema
	if err := jsonx.Unmarshal(s.Schema, &root); err != nil {
		return nil, err
	}
	var example map[string]json.RawMessage
	if len(s.Examples) > 0 {
		if err := jsonx.Unmarshal(s.Examples[0], &example); err != nil {
			return nil, err
		}
	}
	fields := []explainField{}
	var walk func(o memberSchema, prefix string, depth int) error
	walk = func(o memberSchema, prefix string, depth int) error {
		for name, b := range sorted(o.Properties) {
			m, err := root.member(b)
			if err != nil {
				return err
			}
			f := explainField{
				EventType: s.Topic, Name: prefix + name, Kind: m.kind(), Needed: slices.Contains(o.Required, name), Doc: m.Description, Allowed: m.allowed(),
			}
			if depth == 0 {
				f.Default, f.Key, f.Example = s.Defaults[name], s.Key == name, example[name]
				for from, to := range sorted(s.Aliases) {
					if to == name {
						f.Aliases = append(f.Aliases, from)
					}
				}
			}
			fields = append(fields, f)
			inner := m
			if m.Items != nil {
				if inner, err = root.member(m.Items); err != nil {
					return err
				}
			}
			if depth < 4 && len(inner.Properties) > 0 { // a schema may refer to itself
				if err := walk(inner, prefix+name+".", depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return fields, walk(root, "", 0)
}

// member reads the schema of a member, where it is a reference into $defs what that refers to.
func (m memberSchema) member(b []byte) (memberSchema, error) {
	var of memberSchema
	if err := jsonx.Unmarshal(b, &of); err != nil {
		return of, err
	}
	if def, ok := m.Defs[strings.TrimPrefix(of.Ref, "#/$defs/")]; ok && of.Ref != "" {
		doc := of.Description
		if err := jsonx.Unmarshal(def, &of); err != nil {
			return of, err
		}
		if doc != "" {
			of.Description = doc
		}
		of.Ref = ""
	}
	return of, nil
}

// allowed says which values the schema takes, in a line.
func (m memberSchema) allowed() string {
	var parts []string
	add := func(text string, v json.RawMessage) {
		if v != nil {
			parts = append(parts, text+" "+string(v))
		}
	}
	if len(m.Enum) > 0 {
		values := make([]string, len(m.Enum))
		for i, v := range m.Enum {
			values[i] = string(v)
		}
		parts = append(parts, strings.Join(values, ", "))
	}
	add("from", m.Minimum)
	add("up to", m.Maximum)
	add("at least, in characters:", m.MinLength)
	add("at most, in characters:", m.MaxLength)
	add("at least, in items:", m.MinItems)
	add("at most, in items:", m.MaxItems)
	if m.Pattern != "" {
		parts = append(parts, "matches "+m.Pattern)
	}
	return strings.Join(parts, "; ")
}
