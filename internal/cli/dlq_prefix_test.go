package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// TestEditKeepsTheSchemaIDBeforeTheEvent: what is edited is the JSON, and the id of its schema goes before it again.
func TestEditKeepsTheSchemaIDBeforeTheEvent(t *testing.T) {
	c := newClinic(t)
	value := append(event.AppendSchemaID(nil, 38), `{"event_type":"`+assessed+`","payload":{"entity_id":"d","quality_score":0.5}}`...)
	if _, err := c.b.Append(t.Context(), bus.Record{Topic: assessed, Key: []byte("d"), Value: value}); err != nil {
		t.Fatal(err)
	}
	_, stop := c.consume("picky", broken)
	c.dead(1)
	stop()
	id := c.letters()[0].ID
	out := c.must(t, `{"event_type":"`+assessed+`","payload":{"entity_id":"d","quality_score":0.75}}`, "dlq", "edit", id)
	if !strings.Contains(out, "-       \"quality_score\": 0.5\n") || !strings.Contains(out, "+       \"quality_score\": 0.75\n") {
		t.Errorf("the diff is\n%s", out)
	}
	healed, _ := c.consume("picky", fine)
	c.must(t, "", c.planned(t, "dlq", "retry", id)...)
	healed.await(t, 1)
	var line struct {
		SchemaID int `json:"schema_id"`
		Value    json.RawMessage
	}
	if err := json.Unmarshal([]byte(c.must(t, "", "consume", assessed, "--last", "1", "-o", "ndjson")), &line); err != nil {
		t.Fatal(err)
	}
	if line.SchemaID != 38 || !strings.Contains(string(line.Value), `"quality_score":0.75`) {
		t.Errorf("sent again: %d, %s", line.SchemaID, line.Value)
	}
}
