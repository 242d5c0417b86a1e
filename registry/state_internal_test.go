package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// written is a record as it lies in a log.
type written struct {
	offset int64
	record
}

// compacted is what compaction may leave of a log: the newest record of each key, tombstones too or not any more.
func compacted(log []written, tombstones bool) []written {
	last := map[string]int64{}
	for _, w := range log {
		last[string(w.key)] = w.offset
	}
	return slices.DeleteFunc(slices.Clone(log), func(w written) bool {
		return last[string(w.key)] != w.offset || w.value == nil && !tombstones
	})
}

func replayed(log []written) *state {
	s := newState()
	for _, w := range log {
		s.apply(w.offset, 0, w.record)
	}
	return s
}

// told is everything that s answers with.
func told(s *state) string {
	plain := func(v any) string {
		b, err := jsonx.Marshal(v)
		return fmt.Sprint(string(b), err)
	}
	var out strings.Builder
	fmt.Fprintln(&out, "max", s.maxID, plain(s.configs), plain(s.modes))
	for _, name := range s.names("", all) {
		for _, v := range s.versions(name, all) {
			fmt.Fprintln(&out, name, v.number, v.id, v.deleted, v.text, plain(v.entity()), s.referrers(name, v.number, live), len(s.uses(v.id, all)) == v.uses)
		}
	}
	for guid, list := range s.guids {
		for _, c := range list {
			if s.ids[c.id] != c {
				fmt.Fprintln(&out, "lost", guid)
			}
		}
	}
	return out.String()
}

// A state comes from the log alone: who reads it from the start, before or after a compaction, has the same. No id is given twice,
// whatever was deleted meanwhile.
func TestTheStateIsWhatTheLogSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, log := newState(), []written(nil)
		ever := map[int]string{} // id → text
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			subject := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "subject")
			ch, err := command(t, s, subject)
			if err != nil && len(ch.records) > 0 {
				t.Fatalf("step %d refuses with %v, and writes", i, err)
			}
			for _, r := range ch.records {
				w := written{int64(len(log)), r}
				log = append(log, w)
				if note := s.apply(w.offset, 0, r); note != "" {
					t.Fatalf("our own record %s %s: %s", r.key, r.value, note)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				s = replayed(log)
			}
			if rapid.IntRange(0, 9).Draw(t, "compact") == 0 {
				log = compacted(log, rapid.Bool().Draw(t, "tombstones"))
				for at := range log { // the offsets stay as they are in a real one; here they are numbers in order
					log[at].offset = int64(at)
				}
			}
			for id, c := range s.ids {
				if was, ok := ever[id]; ok && was != c.text {
					t.Fatalf("id %d was given to %s and then to %s", id, was, c.text)
				}
				ever[id] = c.text
			}
		}
		want := told(s)
		for name, got := range map[string]string{
			"from the start": told(replayed(log)), "compacted": told(replayed(compacted(log, true))), "without tombstones": told(replayed(compacted(log, false))),
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-writer +reader):\n%s", name, diff)
			}
		}
		copied, err := s.copy()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, told(copied)); diff != "" {
			t.Fatalf("copied (-state +copy):\n%s", diff)
		}
	})
}

// command draws a change.
func command(t *rapid.T, s *state, subject string) (change, error) {
	permanent := rapid.Bool().Draw(t, "permanent")
	switch rapid.IntRange(0, 9).Draw(t, "command") {
	case 0:
		ch, _, err := s.deleteSubject(subject, permanent)
		return ch, err
	case 1, 2:
		return s.deleteVersion(subject, rapid.IntRange(1, 4).Draw(t, "version"), permanent)
	case 3:
		return s.setConfig(rapid.SampledFrom([]string{"", subject}).Draw(t, "scope"), Config{Level: rapid.SampledFrom([]string{"NONE", "FULL"}).Draw(t, "level")})
	case 4:
		ch, _, err := s.resetConfig(rapid.SampledFrom([]string{"", subject}).Draw(t, "scope"))
		return ch, err
	case 5:
		return s.setMode(rapid.SampledFrom([]string{"", subject}).Draw(t, "scope"), rapid.SampledFrom([]string{modeImport, modeReadOnly, modeReadWrite}).Draw(t, "mode"), true)
	case 6:
		ch, _, err := s.resetMode("", true)
		return ch, err
	default:
		r := registration{Type: typeJSON, Schema: fmt.Sprintf(`{"title":"%d"}`, rapid.IntRange(0, 4).Draw(t, "schema"))}
		if last := s.latest("a", live); last != nil && subject != "a" && rapid.Bool().Draw(t, "refers") {
			r.References = []schema.Reference{{Name: "a", Subject: "a", Version: last.number}}
		}
		if s.mode(subject) == modeImport {
			r.ID = s.maxID + rapid.IntRange(1, 5).Draw(t, "id") // an import names ids itself, also those of what is gone
		}
		ch, _, err := s.register(subject, r, false)
		return ch, err
	}
}

func TestRecordsOfOtherRegistriesAreRead(t *testing.T) {
	const value = `{"subject":"a","version":1,"id":7,"schema":"{}","deleted":false,"schemaType":"JSON","new":1}`
	for _, tc := range []struct {
		name       string
		records    []string // key and value, one after the other; the value "" is null
		want, note string
	}{
		{"Confluent", []string{`{"keytype":"NOOP","magic":0}`, ``, `{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value}, "a 1 7", ""},
		{"Karapace", []string{`{"magic": 1, "version": 1, "subject": "a", "keytype": "SCHEMA"}`, value}, "a 1 7", ""},
		{"magic 0", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":0}`, value}, "a 1 7", ""},
		{"Redpanda", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1,"seq":0,"node":2}`, value}, "a 1 7", ""},
		{"Redpanda, too late", []string{`{"keytype":"NOOP","magic":0}`, ``, `{"keytype":"SCHEMA","subject":"a","version":1,"magic":1,"seq":0,"node":2}`, value}, "", "its writer meant to be at offset 0: another was faster"},
		{"Redpanda deletes without a version", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value, `{"keytype":"DELETE_SUBJECT","subject":"a","magic":0,"seq":1,"node":1}`, `{"subject":"a"}`}, "a 1 7 deleted", ""},
		{"Karapace deletes", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value, `{"keytype":"DELETE_SUBJECT","subject":"a","magic":0}`, `{"subject":"a","version":1}`}, "a 1 7 deleted", ""},
		{"a later kind of key", []string{`{"keytype":"CONTEXT","tenant":"default","context":".","magic":0}`, `{}`, `{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value}, "a 1 7", ""},
		{"Avro", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, `{"subject":"a","version":1,"id":7,"schema":"\"string\"","deleted":false}`}, "a 1 7 AVRO", ""},
		{"an id twice", []string{
			`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value,
			`{"keytype":"SCHEMA","subject":"b","version":1,"magic":1}`, `{"subject":"b","version":1,"id":7,"schema":"true","schemaType":"JSON"}`,
		}, "a 1 7", "id 7 is that of another schema: left out"},
		{"the same twice", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value, `{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value}, "a 1 7", ""},
		{"gone", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, value, `{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, ``}, "", ""},
		{"nothing that is one", []string{`hello`, value}, "", "not a key of a registry"},
		{"no version", []string{`{"keytype":"SCHEMA","subject":"a","magic":1}`, value}, "", "the key names no version"},
		{"no id", []string{`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`, `{"schema":"{}"}`}, "", "the schema has no id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, note := newState(), ""
			for i := 0; i < len(tc.records); i += 2 {
				r := record{key: []byte(tc.records[i])}
				if tc.records[i+1] != "" {
					r.value = []byte(tc.records[i+1])
				}
				if n := s.apply(int64(i/2), 0, r); n != "" {
					note = n
				}
			}
			got := ""
			for _, name := range s.names("", all) {
				for _, v := range s.versions(name, all) {
					got = fmt.Sprint(name, " ", v.number, " ", v.id)
					if v.deleted {
						got += " deleted"
					}
					if v.typ != typeJSON {
						got += " " + v.typ
					}
				}
			}
			if got != tc.want || note != tc.note {
				t.Errorf("%q and %q, want %q and %q", got, note, tc.want, tc.note)
			}
		})
	}
}

func TestConfigsAndModesOfAllAreReadInBothForms(t *testing.T) {
	for _, key := range []string{`{"keytype":"CONFIG","subject":null,"magic":0}`, `{"keytype":"CONFIG","magic":0}`} {
		s := newState()
		s.apply(0, 0, record{[]byte(key), []byte(`{"compatibilityLevel":"FORWARD"}`)})
		if got := s.config("x").Level; got != "FORWARD" {
			t.Errorf("%s: %s", key, got)
		}
	}
}

// FuzzRecord: a log may hold anything. Whatever it is, the state takes it or leaves it out, and can be written down and read again.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`), []byte(`{"subject":"a","version":1,"id":7,"schema":"{}","schemaType":"JSON"}`))
	f.Add([]byte(`{"keytype":"DELETE_SUBJECT","subject":"a","magic":0,"seq":1,"node":1}`), []byte(`{"subject":"a"}`))
	f.Add([]byte(`{"keytype":"CONFIG","subject":null,"magic":0}`), []byte(`{"compatibilityLevel":"FULL","defaultMetadata":{"tags":{"x":["y"]}}}`))
	f.Add([]byte(`{"keytype":"MODE","magic":0}`), []byte(`{"mode":"IMPORT"}`))
	f.Add([]byte(`{"keytype":"NOOP","magic":0}`), []byte(`{"maxId":3}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		s := newState()
		s.apply(0, 0, record{[]byte(`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}`), []byte(`{"subject":"a","version":1,"id":7,"schema":"true","schemaType":"JSON"}`)})
		s.apply(1, 0, record{key, value})
		again, err := s.copy()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(told(s), told(again)); diff != "" {
			t.Errorf("(-state +copy):\n%s", diff)
		}
	})
}
