package catalogue

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Example is one example of a schema file, alone and as the whole event that it would be.
type Example struct {
	Payload json.RawMessage // on one line
	Event   json.RawMessage // on one line
}

// examplesOf makes whole events of the examples of s. Ids come from the topic, and the time is always the same, so that nothing
// changes where the schema does not. A response has the correlation of the request's example, as it would.
func examplesOf(s event.Spec, answers []event.Topic) ([]Example, error) {
	var all []Example
	for i, payload := range s.Examples {
		payload, err := jsonx.Compact(payload)
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", i+1, err)
		}
		flow := s.Topic
		e := event.Envelope{
			ID: exampleID(s.Topic, i, "event"), Type: s.Topic, Version: s.Version, Payload: payload, Time: exampleTime, Source: exampleSource(s),
		}
		if len(answers) > 0 {
			flow = answers[0]
			e.CausationID = exampleID(flow, i, "event")
			e.Time = e.Time.Add(time.Second)
		}
		e.CorrelationID = event.CorrelationID(exampleID(flow, i, "flow").String())
		whole, err := e.AppendJSON(nil)
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", i+1, err)
		}
		all = append(all, Example{payload, whole})
	}
	return all, nil
}

var exampleTime = time.Date(2026, time.January, 31, 10, 0, 0, 0, time.UTC)

func exampleID(t event.Topic, i int, what string) event.ID {
	return event.DeriveID(event.ID{}, fmt.Sprintf("example %s %d %s", t, i, what))
}

func exampleSource(s event.Spec) event.Source {
	name := "your_service"
	for _, p := range s.Producers {
		if p != Any {
			name = p
			break
		}
	}
	return event.Source{Service: name, Instance: name + "-1"}
}
