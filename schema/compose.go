package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Role is the side that a schema is for.
type Role int

const (
	// Producer schemas are closed: an undeclared member of the payload is an error, and every envelope field is demanded.
	Producer Role = iota
	// Consumer schemas are open: undeclared members pass, and so does every envelope that the event package can complete.
	Consumer
)

const dialect = "https://json-schema.org/draft/2020-12/schema"

// composedDepth is how much deeper a payload's schema lies in that of the event.
const composedDepth = 2

type object = map[string]any

// Compose makes the schema of the record's value: the envelope's with the payload's at /payload, closed or opened for role.
// The envelope is open for both, so that fields of later versions survive. The same input gives the same bytes.
func Compose(payload []byte, role Role) ([]byte, error) {
	doc, err := jsonx.Tree(payload, jsonx.Limits{Depth: maxSchemaDepth - composedDepth, Bytes: maxSchemaBytes})
	if err != nil {
		return nil, fmt.Errorf("compose schema: %w", err)
	}
	p, ok := doc.(object)
	if !ok {
		return nil, errors.New("compose schema: the payload's schema is not an object")
	}
	c := composer{role: role, shared: map[string]bool{}}
	c.findShared(p)
	c.value(p)
	root := object{"$schema": dialect, "type": "object"}
	for _, name := range []string{"title", "description", "x-version"} {
		if v, ok := p[name]; ok {
			root[name] = v
		}
	}
	if defs, ok := p["$defs"]; ok {
		root["$defs"] = defs
	}
	for _, name := range []string{"$schema", "$id", "$defs", "title", "x-version", "x-omnibus"} {
		delete(p, name)
	}
	rebase(p)
	rebase(root["$defs"])
	if _, ok := p["type"]; !ok {
		p["type"] = "object"
	}
	properties := envelope(role)
	properties["payload"] = p
	root["properties"] = properties
	root["required"] = []any{"payload"}
	if role == Producer {
		root["required"] = []any{"event_id", "event_type", "correlation_id", "timestamp", "version", "source", "payload"}
	}
	return jsonx.Marshal(root)
}

// envelope is the schema of every envelope field but the payload.
func envelope(role Role) object {
	text := func(description string, rules ...any) object {
		o := object{"description": description}
		if role == Producer {
			o["type"] = "string"
			for i := 0; i < len(rules); i += 2 {
				o[rules[i].(string)] = rules[i+1] //nolint:forcetypeassert // the pairs stand below
			}
		}
		return o
	}
	group := func(description string, required []any, members object) object {
		o := object{"description": description, "properties": members}
		if role == Producer {
			o["type"] = "object"
			if len(required) > 0 {
				o["required"] = required
			}
		}
		return o
	}
	return object{
		"event_id":       text("Names this event for ever; the key for recognising a repetition.", "format", "uuid"),
		"event_type":     text("The full name of the topic.", "minLength", 1, "maxLength", 249),
		"correlation_id": text("Links the events of one flow; echoed unchanged.", "minLength", 1, "maxLength", 128),
		"causation_id":   text("The event_id of the event that caused this one.", "type", []any{"string", "null"}, "format", "uuid"),
		"timestamp":      text("When it happened: RFC 3339, UTC, milliseconds.", "format", "date-time"),
		"version":        text("The semantic version of the payload's schema.", "pattern", `^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$`),
		"source": group("The process that published the event.", []any{"service", "instance_id"}, object{
			"service":     text("Name of the service.", "minLength", 1),
			"instance_id": text("Which instance of it.", "minLength", 1),
			"hostname":    text("The host it runs on."),
		}),
		"metadata": group("What travels along without being part of the payload.", nil, object{
			"trace_id":  text("W3C trace id, 32 hexadecimal digits; a UUID is read too.", "type", []any{"string", "null"}),
			"span_id":   text("W3C span id, 16 hexadecimal digits.", "type", []any{"string", "null"}),
			"user_id":   text("The user on whose behalf it happened.", "type", []any{"string", "null"}),
			"tenant_id": text("The tenant it belongs to.", "type", []any{"string", "null"}),
			"extra":     text("Anything else.", "type", []any{"object", "null"}),
		}),
	}
}

type composer struct {
	role   Role
	shared map[string]bool // definitions that other rules add to: they cannot be closed where they stand
}

// Keywords by where their schemas apply: to members and items, or to the value itself.
var (
	below  = []string{"items", "contains", "additionalItems"}
	belows = []string{"properties", "patternProperties", "$defs", "definitions"}
	lists  = []string{"allOf", "anyOf", "oneOf"}
	beside = []string{"if", "then", "else", "not"}
)

// findShared notes the definitions that are only a part of a value's rules: those referred to from allOf, or beside properties.
func (c composer) findShared(v any) {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok && v["properties"] != nil {
			c.shared[ref] = true
		}
		all, _ := v["allOf"].([]any)
		for _, part := range all {
			if o, ok := part.(object); ok {
				if ref, ok := o["$ref"].(string); ok {
					c.shared[ref] = true
				}
			}
		}
		for _, member := range v {
			c.findShared(member)
		}
	case []any:
		for _, item := range v {
			c.findShared(item)
		}
	}
}

// value closes or opens the schema of a whole value and everything below.
func (c composer) value(v any) {
	s, ok := v.(object)
	if !ok {
		return
	}
	if c.role == Consumer {
		for _, closed := range []string{"additionalProperties", "unevaluatedProperties"} {
			if s[closed] == false {
				delete(s, closed)
			}
		}
		if _, values := s["x-extensible-enum"].([]any); values || s["x-extensible-enum"] == true {
			delete(s, "enum")
		}
	} else if _, declared := s["properties"]; declared {
		_, a := s["additionalProperties"]
		_, u := s["unevaluatedProperties"]
		switch {
		case a || u:
		case adds(s):
			s["unevaluatedProperties"] = false
		default:
			s["additionalProperties"] = false
		}
	}
	c.under(s)
	_, declares := s["properties"]
	for _, name := range lists {
		branches, _ := s[name].([]any)
		whole := name != "allOf" && !declares && (c.role == Producer || name == "anyOf" || apart(branches))
		for _, b := range branches {
			if whole {
				c.value(b)
			} else if o, ok := b.(object); ok {
				c.under(o)
			}
		}
	}
	for _, name := range beside {
		if o, ok := s[name].(object); ok && name != "not" && name != "if" {
			c.under(o)
		}
	}
}

// under goes on to the schemas of members and items.
func (c composer) under(s object) {
	for _, name := range below {
		c.value(s[name])
	}
	c.value(s["additionalProperties"])
	prefix, _ := s["prefixItems"].([]any)
	for _, item := range prefix {
		c.value(item)
	}
	for _, name := range belows {
		members, _ := s[name].(object)
		for _, key := range slices.Sorted(maps.Keys(members)) {
			if o, ok := members[key].(object); ok && c.shared["#/"+name+"/"+key] {
				c.under(o)
			} else {
				c.value(members[key])
			}
		}
	}
}

// adds reports whether s declares members in other places than its own "properties".
func adds(s object) bool {
	if _, ok := s["$ref"]; ok {
		return true
	}
	declares := func(v any) bool {
		o, ok := v.(object)
		if !ok {
			return false
		}
		_, p := o["properties"]
		return p || adds(o)
	}
	for _, name := range lists {
		branches, _ := s[name].([]any)
		if slices.ContainsFunc(branches, declares) {
			return true
		}
	}
	for _, name := range beside {
		if declares(s[name]) {
			return true
		}
	}
	_, ok := s["dependentSchemas"]
	return ok
}

// apart reports whether no value can fit two of the branches, because each names another type.
func apart(branches []any) bool {
	seen := map[string]bool{}
	for _, b := range branches {
		o, ok := b.(object)
		if !ok {
			return false
		}
		t, ok := o["type"].(string)
		if !ok || seen[t] {
			return false
		}
		seen[t] = true
	}
	return true
}

// rebase points local references to where the payload's schema now stands; $defs have moved to the root and keep theirs.
func rebase(v any) {
	switch v := v.(type) {
	case object:
		for _, name := range []string{"$ref", "$dynamicRef"} {
			if ref, ok := v[name].(string); ok && strings.HasPrefix(ref, "#") && !strings.HasPrefix(ref, "#/$defs/") {
				v[name] = "#/properties/payload" + strings.TrimPrefix(ref, "#")
			}
		}
		for _, member := range v {
			rebase(member)
		}
	case []any:
		for _, item := range v {
			rebase(item)
		}
	}
}
