package deadletter

import (
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// draftHeader holds, in JSON, who made a draft of what. The other headers of its record are those of the edited event.
const draftHeader = "omnibus-draft"

// Draft is an edited event that the next retry sends in place of the original, which stays as it is.
type Draft struct {
	By      string
	At      time.Time
	Note    string
	Value   []byte
	Headers []bus.Header // without those that say why the event is dead

	identity Identity
	edition  edition
}

type draftMeta struct {
	Identity Identity  `json:"identity"`
	Edition  edition   `json:"edition"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Note     string    `json:"note,omitzero"`
}

func parseDraft(rec bus.Record) (Draft, error) {
	var m draftMeta
	if err := jsonx.Unmarshal(rec.Header(draftHeader), &m); err != nil {
		return Draft{}, fmt.Errorf("read the draft: %w", err)
	}
	d := Draft{By: m.By, At: m.At, Note: m.Note, Value: rec.Value, identity: m.Identity, edition: m.Edition}
	for _, h := range rec.Headers {
		if h.Name != draftHeader {
			d.Headers = append(d.Headers, h)
		}
	}
	if got := draftKey + m.Identity.key(); got != string(rec.Key) {
		return Draft{}, fmt.Errorf("the draft is of %s, and its key is not", m.Identity.key())
	}
	return d, nil
}

func (d Draft) record() (bus.Record, error) {
	meta, err := jsonx.Marshal(draftMeta{Identity: d.identity, Edition: d.edition, By: d.By, At: d.At, Note: d.Note})
	if err != nil {
		return bus.Record{}, fmt.Errorf("encode the draft of %s: %w", d.identity.ID(), err)
	}
	headers := append([]bus.Header{{Name: draftHeader, Value: meta}}, d.Headers...)
	return bus.Record{Topic: stateTopic, Key: []byte(draftKey + d.identity.key()), Value: d.Value, Headers: headers}, nil
}
