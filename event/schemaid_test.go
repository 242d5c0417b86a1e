package event_test

import (
	"errors"
	"testing"

	"github.com/omninode-ai/omnibus/event"
)

func TestSchemaIDBeforeAnEvent(t *testing.T) {
	const body = `{"event_type":"omninode.a.event.b.v1","payload":{"x":1}}`
	value := append(event.AppendSchemaID(nil, 0x01020304), body...)
	if string(value[:5]) != "\x00\x01\x02\x03\x04" {
		t.Errorf("prefix: %x", value[:5])
	}
	got, id, ok := event.CutSchemaID(value)
	if string(got) != body || id != 0x01020304 || !ok {
		t.Errorf("cut: %q, %d, %v", got, id, ok)
	}
	e, err := event.Decode(value)
	if err != nil || e.Type != "omninode.a.event.b.v1" || string(e.Payload) != `{"x":1}` {
		t.Errorf("decoded: %+v, %v", e, err)
	}
	for _, value := range []string{"", "\x00", "\x00\x00\x00\x00", body, " " + body} {
		if got, id, ok := event.CutSchemaID([]byte(value)); string(got) != value || id != 0 || ok {
			t.Errorf("%q: %q, %d, %v", value, got, id, ok)
		}
	}
	for _, value := range []string{"\x00\x00\x00\x00\x01", "\x00\x00\x00\x00\x01\x02\x03", "\x00\x00{}", "\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01" + body} {
		if _, err := event.Decode([]byte(value)); !errors.Is(err, event.ErrNotEvent) {
			t.Errorf("%q: %v", value, err)
		}
	}
}
