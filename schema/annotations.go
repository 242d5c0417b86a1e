package schema

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// annotations are the keywords that say something to people and nothing to a validator.
var annotations = []string{
	"$id", "$schema", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType",
}

// SameRules reports whether two payload schemas say the same to every producer and consumer: they differ in annotations only. What an
// event may look like counts, and so do its aliases, defaults and key, which decide what is sent and in which order.
func SameRules(a, b []byte) (bool, error) {
	x, err := rules(a)
	if err != nil {
		return false, err
	}
	y, err := rules(b)
	if err != nil {
		return false, err
	}
	return reflect.DeepEqual(x, y), nil
}

// rules is a payload's schema without annotations.
func rules(src []byte) (object, error) {
	doc, err := jsonx.Tree(src, jsonx.Limits{Depth: maxDepth, Bytes: maxSchemaBytes})
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	root, ok := doc.(object)
	if !ok {
		return nil, errors.New("read schema: it is not an object")
	}
	bare := object{}
	if x, ok := root["x-omnibus"].(object); ok {
		for _, name := range []string{"aliases", "defaults", "key"} {
			if v, ok := x[name]; ok {
				bare[name] = v
			}
		}
	}
	return object{"schema": unannotated(root), "x-omnibus": bare}, nil
}

// unannotated is the schema v and those within, without annotations.
func unannotated(v any) any {
	s, ok := v.(object)
	if !ok {
		return v
	}
	out := object{}
	for name, v := range s {
		if slices.Contains(annotations, name) || strings.HasPrefix(name, "x-") && name != "x-extensible-enum" {
			continue
		}
		k := keywords[name]
		switch inner := v.(type) {
		case object:
			switch {
			case k.one:
				v = unannotated(inner)
			case k.many || name == "definitions":
				members := object{}
				for member, sub := range inner {
					members[member] = unannotated(sub)
				}
				v = members
			}
		case []any:
			if k.list {
				items := make([]any, len(inner))
				for i, item := range inner {
					items[i] = unannotated(item)
				}
				v = items
			}
		}
		if name == "required" {
			v = sortedNames(v)
		}
		out[name] = v
	}
	return out
}

// sortedNames is a list of names whose order says nothing.
func sortedNames(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	names := make([]string, len(list))
	for i, item := range list {
		if names[i], ok = item.(string); !ok {
			return v
		}
	}
	slices.Sort(names)
	return names
}
