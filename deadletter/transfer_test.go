package deadletter_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

// stored is everything in a dead-letter topic, but for its place and time.
func (s *shop) stored(t event.Topic) []bus.Record {
	s.t.Helper()
	var out []bus.Record
	for _, d := range s.Dead(t) {
		out = append(out, bus.Record{Topic: d.Topic, Key: d.Key, Value: d.Value, Headers: d.Headers})
	}
	slices.SortFunc(out, func(a, b bus.Record) int { return strings.Compare(text(a), text(b)) })
	return out
}

func text(r bus.Record) string {
	b, _ := json.Marshal(r) // of bytes and strings, never fails
	return string(b)
}

func TestExportAndImportLoseNothing(t *testing.T) {
	var exported bytes.Buffer
	var want []bus.Record
	odd := []func(*bus.Record){
		func(r *bus.Record) { r.Key = nil },
		func(r *bus.Record) { r.Key = []byte{} },
		func(r *bus.Record) { r.Key = []byte{0xff, 0} },
		func(r *bus.Record) { r.Value = nil },
		func(r *bus.Record) { r.Value = []byte{} },
		func(r *bus.Record) { r.Value = []byte{0xc3, 0x28} },
		func(r *bus.Record) { r.Value = []byte(`{ "spaces": 1 }`) },
		func(r *bus.Record) { r.Value = []byte("{\"line\":\"\u2028\"}") },
		func(r *bus.Record) { r.Value = []byte("no JSON\nat all") },
		func(r *bus.Record) {
			r.Headers = append(r.Headers, bus.Header{Name: "twice", Value: nil}, bus.Header{Name: "twice", Value: []byte{}}, bus.Header{Name: "", Value: []byte{0x80}})
		},
		func(r *bus.Record) { r.Headers = []bus.Header{{Name: "not", Value: []byte("ours")}} },
	}
	bubble(t, func(t *testing.T, s *shop) {
		for i, change := range odd {
			s.bury(letter(i, change))
		}
		want = s.stored(orders)
		n, err := s.desk.Export(t.Context(), deadletter.Selector{}, &exported)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "exported", n, len(odd))
		again, err := s.desk.Import(t.Context(), bytes.NewReader(exported.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "into the same topic", again, deadletter.Imported{Known: len(odd)})
	})
	bubble(t, func(t *testing.T, s *shop) {
		for _, expect := range []deadletter.Imported{{Written: len(odd)}, {Known: len(odd)}} {
			got, err := s.desk.Import(t.Context(), bytes.NewReader(exported.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "imported", got, expect)
		}
		equal(t, "records", s.stored(orders), want)
	})
}

func TestImportTakesANewerCopyAndLeavesAnOlderOne(t *testing.T) {
	var older, newer bytes.Buffer
	for redrives, into := range []*bytes.Buffer{&older, &newer} {
		bubble(t, func(t *testing.T, s *shop) {
			s.bury(letter(1, redriven(redrives)))
			if _, err := s.desk.Export(t.Context(), deadletter.Selector{}, into); err != nil {
				t.Fatal(err)
			}
		})
	}
	bubble(t, func(t *testing.T, s *shop) {
		for _, step := range []struct {
			from   []byte
			expect deadletter.Imported
		}{{older.Bytes(), deadletter.Imported{Written: 1}}, {newer.Bytes(), deadletter.Imported{Written: 1}}, {older.Bytes(), deadletter.Imported{Known: 1}}} {
			got, err := s.desk.Import(t.Context(), bytes.NewReader(step.from))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "imported", got, step.expect)
		}
	})
}

func TestImportNamesTheLineThatItCannotRead(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1))
		var good bytes.Buffer
		if _, err := s.desk.Export(t.Context(), deadletter.Selector{}, &good); err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string]string{
			"no JSON":               `{"schema":`,
			"another schema":        `{"schema":"omnibus.deadletter/v9","topic":"a.dlq"}`,
			"no dead-letter topic":  `{"schema":"omnibus.deadletter/v1","topic":"a"}`,
			"no base64":             `{"schema":"omnibus.deadletter/v1","topic":"a.dlq","value_b64":"!"}`,
			"two values":            `{"schema":"omnibus.deadletter/v1","topic":"a.dlq","value":{},"value_text":""}`,
			"a header with no name": `{"schema":"omnibus.deadletter/v1","topic":"a.dlq","headers":[{"name":"","name_b64":"!"}]}`,
		} {
			_, err := s.desk.Import(t.Context(), strings.NewReader(good.String()+"\n"+bad+"\n"))
			if err == nil || !strings.Contains(err.Error(), "line 3") {
				t.Errorf("%s: %v, want an error that names line 3", name, err)
			}
		}
	})
}
