package registry

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// The kinds of schemas. Only JSON is registered here; the others are kept where a log brings them.
const (
	typeJSON = "JSON"
	typeAvro = "AVRO"
)

// content is what an id names.
type content struct {
	id       int
	guid     [16]byte
	typ      string
	text     string
	refs     []schema.Reference
	metadata *schema.Metadata
	rules    *schema.RuleSet
	uses     int // versions that have it
}

// same tells whether o is the same content.
func (c *content) same(o *content) bool {
	return c.guid == o.guid && c.typ == o.typ && c.text == o.text && slices.Equal(c.refs, o.refs) &&
		reflect.DeepEqual(c.metadata, o.metadata) && reflect.DeepEqual(c.rules, o.rules)
}

// version is one version of a subject.
type version struct {
	subject string
	number  int
	*content
	deleted bool
	written int64 // ms
}

// state is what the log says. Records are applied in its order; nothing else changes it.
type state struct {
	subjects map[string][]*version // by number; those that are deleted softly too
	ids      map[int]*content
	guids    map[[16]byte][]*content
	configs  map[string]Config // "": of all subjects
	modes    map[string]string // as above
	maxID    int               // the highest that was ever given
}

func newState() *state {
	return &state{
		subjects: map[string][]*version{}, ids: map[int]*content{}, guids: map[[16]byte][]*content{},
		configs: map[string]Config{}, modes: map[string]string{},
	}
}

// apply takes one record. What it cannot use it leaves out and says so; a log may hold the records of other registries.
func (s *state) apply(offset, written int64, r record) (note string) {
	k, err := readKey(r.key)
	switch {
	case err != nil:
		return err.Error()
	case k.Seq != nil && *k.Seq != offset:
		return fmt.Sprintf("its writer meant to be at offset %d: another was faster", *k.Seq)
	}
	switch k.Type {
	case keySchema:
		return s.applySchema(k, written, r.value)
	case keyDeleteSubject:
		return s.applyDelete(k, r.value)
	case keyConfig:
		if r.value == nil {
			delete(s.configs, k.Subject)
			return ""
		}
		c, err := readConfig(r.value)
		if err != nil {
			return "not a config: " + err.Error()
		}
		s.configs[k.Subject] = c
	case keyMode:
		return s.applyMode(k, r.value)
	case keyNoop:
		var v noopValue
		if r.value != nil && jsonx.Unmarshal(r.value, &v) == nil {
			s.maxID = max(s.maxID, v.MaxID)
		}
	}
	return ""
}

func (s *state) applyMode(k recordKey, value []byte) (note string) {
	if value == nil {
		delete(s.modes, k.Subject)
		return ""
	}
	var v modeValue
	if err := jsonx.Unmarshal(value, &v); err != nil {
		return "not a mode: " + err.Error()
	}
	s.modes[k.Subject] = v.Mode
	return ""
}

func (s *state) applySchema(k recordKey, written int64, value []byte) (note string) {
	if k.Subject == "" || k.Version < 1 {
		return "the key names no version"
	}
	if value == nil {
		s.drop(k.Subject, k.Version)
		return ""
	}
	var v schemaValue
	if err := jsonx.Unmarshal(value, &v); err != nil {
		return "not a schema: " + err.Error()
	}
	if v.ID < 1 {
		return "the schema has no id"
	}
	c := newContent(cmp.Or(v.Type, typeAvro), v.Schema, v.References, v.Metadata, v.RuleSet)
	c.id = v.ID
	if known := s.ids[c.id]; known != nil {
		if !known.same(c) {
			return fmt.Sprintf("id %d is that of another schema: left out", c.id)
		}
		c = known
	}
	s.drop(k.Subject, k.Version)
	s.ids[c.id] = c
	if c.uses++; !slices.Contains(s.guids[c.guid], c) {
		s.guids[c.guid] = append(s.guids[c.guid], c)
	}
	s.maxID = max(s.maxID, c.id)
	list := s.subjects[k.Subject]
	at, _ := slices.BinarySearchFunc(list, k.Version, func(v *version, n int) int { return cmp.Compare(v.number, n) })
	s.subjects[k.Subject] = slices.Insert(list, at, &version{k.Subject, k.Version, c, v.Deleted, written})
	return ""
}

// drop forgets a version for good, and its content where no other has it.
func (s *state) drop(subject string, number int) {
	list := s.subjects[subject]
	at := slices.IndexFunc(list, func(v *version) bool { return v.number == number })
	if at < 0 {
		return
	}
	c := list[at].content
	if c.uses--; c.uses == 0 {
		delete(s.ids, c.id)
		s.guids[c.guid] = slices.DeleteFunc(s.guids[c.guid], func(x *content) bool { return x == c })
		if len(s.guids[c.guid]) == 0 {
			delete(s.guids, c.guid)
		}
	}
	if len(list) == 1 {
		delete(s.subjects, subject)
		return
	}
	s.subjects[subject] = slices.Delete(list, at, at+1)
}

func (s *state) applyDelete(k recordKey, value []byte) (note string) {
	if value == nil {
		return ""
	}
	var v deleteSubjectValue
	if err := jsonx.Unmarshal(value, &v); err != nil {
		return "not the deletion of a subject: " + err.Error()
	}
	for _, has := range s.subjects[k.Subject] {
		if v.Version == 0 || has.number <= v.Version { // Redpanda does not say up to which
			has.deleted = true
		}
	}
	return ""
}

// newContent is content that has no id yet.
func newContent(typ, text string, refs []schema.Reference, m *schema.Metadata, r *schema.RuleSet) *content {
	if len(refs) == 0 {
		refs = nil
	}
	return &content{guid: schema.GUID(text, refs, m, r), typ: typ, text: text, refs: refs, metadata: m, rules: r}
}

// which says whether deleted versions are meant.
type which int

const (
	live which = iota
	all
	deletedOnly
)

func (w which) has(v *version) bool { return w == all || v.deleted == (w == deletedOnly) }

// versions are those of a subject, by number.
func (s *state) versions(subject string, w which) []*version {
	var out []*version
	for _, v := range s.subjects[subject] {
		if w.has(v) {
			out = append(out, v)
		}
	}
	return out
}

// latest is the last version of a subject, nil where it has none.
func (s *state) latest(subject string, w which) *version {
	for _, v := range slices.Backward(s.subjects[subject]) {
		if w.has(v) {
			return v
		}
	}
	return nil
}

// version is one version of a subject, whatever became of it.
func (s *state) version(subject string, number int) *version {
	for _, v := range s.subjects[subject] {
		if v.number == number {
			return v
		}
	}
	return nil
}

// names are the subjects that begin with prefix and have a version, in order.
func (s *state) names(prefix string, w which) []string {
	var out []string
	for name := range s.subjects {
		if strings.HasPrefix(name, prefix) && s.latest(name, w) != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// uses are the versions that have the content of an id, in order.
func (s *state) uses(id int, w which) []*version {
	var out []*version
	for _, name := range slices.Sorted(maps.Keys(s.subjects)) {
		for _, v := range s.subjects[name] {
			if v.id == id && w.has(v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// referrers are the ids of the versions that refer to one, in order.
func (s *state) referrers(subject string, number int, w which) []int {
	ids := map[int]bool{}
	for _, list := range s.subjects {
		for _, v := range list {
			if w.has(v) && slices.ContainsFunc(v.refs, func(r schema.Reference) bool { return r.Subject == subject && r.Version == number }) {
				ids[v.id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// config is what holds for a subject.
func (s *state) config(subject string) Config {
	all := s.configs[""].over(defaults)
	if subject == "" {
		return all
	}
	return s.configs[subject].over(all)
}

// mode is what holds for a subject.
func (s *state) mode(subject string) string {
	return cmp.Or(s.modes[subject], s.modes[""], modeReadWrite)
}

// records are such that a state which takes them in their order is s.
func (s *state) records() ([]record, error) {
	var ch change
	err := ch.add(noopRecord(s.maxID))
	for _, name := range slices.Sorted(maps.Keys(s.subjects)) {
		for _, v := range s.subjects[name] {
			err = errors.Join(err, ch.add(versionRecord(name, v.number, v.content, v.deleted)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.configs)) {
		err = errors.Join(err, ch.add(configRecord(name, new(s.configs[name]))))
	}
	for _, name := range slices.Sorted(maps.Keys(s.modes)) {
		err = errors.Join(err, ch.add(modeRecord(name, s.modes[name])))
	}
	return ch.records, err
}

// copy is a state that changes on its own.
func (s *state) copy() (*state, error) {
	records, err := s.records()
	out := newState()
	for _, r := range records {
		out.apply(0, 0, r)
	}
	return out, err
}
