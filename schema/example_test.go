package schema_test

import (
	"fmt"

	"github.com/omninode-ai/omnibus/schema"
)

func Example() {
	payload := []byte(`{"type":"object","properties":{"score":{"type":"number","maximum":1}},"required":["score"]}`)
	value, err := schema.Compose(payload, schema.Producer)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := schema.Parse(value)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range []string{`{"score":0.9}`, `{"score":1.5}`, `{"score":0.9,"scroe":1}`, `{"score":0.9,`} {
		fmt.Println(s.ScanPayload([]byte(p)))
	}
	// Output:
	// <nil>
	// /payload/score: must be at most 1 (maximum)
	// /payload/scroe: is not declared in the schema (additionalProperties)
	// line 1, column 14: the text ends before its JSON value does (json)
}
