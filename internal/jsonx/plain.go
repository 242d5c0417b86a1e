package jsonx

import (
	stdjson "encoding/json"
	"reflect"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Marshalers cost a look-up for every value that is written, and most payloads hold nothing that needs one.

var plainTypes sync.Map // reflect.Type → bool

// options is how a v is written: the house's way, or the same without the look-ups where v's type cannot hold a time or a
// number as digits.
func options(v any) json.Options {
	t := reflect.TypeOf(v)
	if t == nil {
		return house
	}
	known, ok := plainTypes.Load(t)
	if !ok {
		known = plain(t, map[reflect.Type]bool{})
		plainTypes.Store(t, known)
	}
	if known == true {
		return unlooked
	}
	return house
}

var unlooked = json.Deterministic(true)

var special = map[reflect.Type]bool{reflect.TypeFor[time.Time](): true, reflect.TypeFor[stdjson.Number](): true}

// plain reports whether no value that a t can hold is special. seen are the types being looked at, which a recursive type
// comes back to.
func plain(t reflect.Type, seen map[reflect.Type]bool) bool {
	if special[t] || t.Kind() == reflect.Interface {
		return false
	}
	if seen[t] {
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return plain(t.Elem(), seen)
	case reflect.Map:
		return plain(t.Key(), seen) && plain(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if !plain(f.Type, seen) {
				return false
			}
		}
	default:
	}
	return true
}
