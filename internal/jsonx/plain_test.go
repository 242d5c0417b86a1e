package jsonx_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

type list struct {
	Name string `json:"name"`
	Next *list  `json:"next,omitzero"`
}

type dated struct {
	Lists []map[string]*struct{ At time.Time } `json:"lists"`
}

// Whatever the type, times and numbers are written the house's way, also where they hide.
func TestMarshalFindsTimesAndNumbersWhereverTheyHide(t *testing.T) {
	at := time.Date(2026, 11, 24, 6, 0, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		v    any
		want string
	}{
		{list{"a", &list{Name: "b"}}, `{"name":"a","next":{"name":"b"}}`},
		{dated{[]map[string]*struct{ At time.Time }{{"x": {at}}}}, `{"lists":[{"x":{"At":"2026-11-24T05:00:00.000Z"}}]}`},
		{map[string]any{"at": at, "n": json.Number("1.10")}, `{"at":"2026-11-24T05:00:00.000Z","n":1.10}`},
		{[]json.Number{"1e2"}, `[1e2]`},
		{&at, `"2026-11-24T05:00:00.000Z"`},
		{map[string]int{"b": 1, "a": 2}, `{"a":2,"b":1}`},
		{nil, `null`},
	} {
		got, err := jsonx.Marshal(c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("Marshal(%v) = %s, %v, want %s", c.v, got, err, c.want)
		}
	}
}
