package event

import (
	"bytes"
	"testing"
)

func FuzzMentions(f *testing.F) {
	for _, b := range []string{`{"event_type":1}`, `{"xevent_type":1}`, `"event_type`, `event_type"`, `{"event":"event_type"}`, `"_"`, ``, `""`, `"zz"`} {
		f.Add([]byte(b), "event_type")
		f.Add([]byte(b), "_")
		f.Add([]byte(b), "")
		f.Add([]byte(b), "z")
		f.Add([]byte(b), "zz")
	}
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if got, want := mentions(b, name), bytes.Contains(b, []byte(`"`+name+`"`)); got != want {
			t.Errorf("mentions(%q, %q) = %v", b, name, got)
		}
	})
}
