package event_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/event"
)

func TestParseID(t *testing.T) {
	const text = "5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d"
	for _, in := range []string{text, strings.ToUpper(text)} {
		got, err := event.ParseID(in)
		if err != nil || got.String() != text {
			t.Errorf("ParseID(%q) = %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "7", strings.ReplaceAll(text, "-", ""), "{" + text + "}", "urn:uuid:" + text, text[:35] + "g", text[:35] + "é"} {
		if got, err := event.ParseID(in); err == nil {
			t.Errorf("ParseID(%q) = %s", in, got)
		}
	}
}

func TestIDIsTextInJSON(t *testing.T) {
	want := map[string]event.ID{"id": id(t, "5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d")}
	b, err := json.Marshal(want)
	if err != nil || string(b) != `{"id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d"}` {
		t.Fatalf("%s, %v", b, err)
	}
	var got map[string]event.ID
	if err := json.Unmarshal(b, &got); err != nil || got["id"] != want["id"] {
		t.Errorf("%v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"7"}`), &got); err == nil {
		t.Error("7 is read as an id")
	}
}

func TestCorrelationIDValid(t *testing.T) {
	for in, want := range map[string]bool{
		"abc-123": true, "a b": true, "ü": true, strings.Repeat("ü", 128): true,
		"": false, strings.Repeat("ü", 129): false, "a\n": false, "a\x00": false, "\u200b": false, "\xff": false,
	} {
		if got := event.CorrelationID(in).Valid(); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}
