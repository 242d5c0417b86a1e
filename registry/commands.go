package registry

import (
	"slices"
	"strings"
	"unicode"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// The modes of a subject.
const (
	modeReadWrite = "READWRITE"
	modeReadOnly  = "READONLY"
	modeImport    = "IMPORT"
)

// registration is what is to be registered, or looked for. Id and version are for the mode IMPORT; below 1 is none.
type registration struct {
	Schema     string             `json:"schema"`
	Type       string             `json:"schemaType"`
	References []schema.Reference `json:"references"`
	Metadata   *schema.Metadata   `json:"metadata"`
	RuleSet    *schema.RuleSet    `json:"ruleSet"`
	ID         int                `json:"id"`
	Version    int                `json:"version"`
}

// content reads what r is, its text as it is kept: without blanks, and where it is to be normalized with its members in order.
func (r registration) content(normalize bool) (*content, error) {
	switch {
	case r.Type != typeJSON && r.Type != "" && r.Type != typeAvro && r.Type != "PROTOBUF":
		return nil, invalidSchema("type %s is unknown; this registry takes JSON", clip(r.Type))
	case r.Type != typeJSON:
		named := "AVRO, as where schemaType is left out,"
		if r.Type != "" {
			named = r.Type
		}
		return nil, invalidSchema("type %s is not taken by this registry; for a JSON Schema say \"schemaType\": \"JSON\"", named)
	case strings.TrimSpace(r.Schema) == "":
		return nil, invalidSchema("it is empty")
	case len(r.Schema) > maxSchema:
		return nil, tooLarge(maxSchema)
	}
	text, err := schema.Canonical([]byte(r.Schema)) // strict in both cases
	if err == nil && !normalize {
		text, err = jsonx.Compact([]byte(r.Schema))
	}
	if err != nil {
		return nil, invalidSchema("details: %v", err)
	}
	for _, ref := range r.References {
		if ref.Name == "" || ref.Subject == "" || ref.Version < 1 && ref.Version != -1 {
			return nil, invalidSchema("a reference needs a name, a subject and a version")
		}
	}
	metadata, rules := tidy(r.Metadata), tidy(r.RuleSet)
	return newContent(typeJSON, string(text), r.References, metadata, rules), nil
}

// maxSchema is how large a schema may be.
const maxSchema = 512 << 10

// tidy is v as it comes out of the log again.
func tidy[T any](v *T) *T {
	if v == nil {
		return nil
	}
	b, err := jsonx.Marshal(v)
	out := new(T)
	if err != nil || jsonx.Unmarshal(b, out) != nil {
		return v
	}
	return out
}

// change is what a command does: records for the log, or none where all is as it should be already.
type change struct{ records []record }

func (c *change) add(r record, err error) error {
	c.records = append(c.records, r)
	return err
}

// validSubject refuses names that could not be told from others.
func validSubject(name string) error {
	if name == "" || name == "__GLOBAL" || name == "__EMPTY" || len(name) > 1024 || strings.ContainsFunc(name, unicode.IsControl) || strings.HasPrefix(name, ":.") {
		return invalidSubject(clip(name))
	}
	return nil
}

// clip makes a name short enough for an answer.
func clip(s string) string {
	if len(s) > 256 {
		return strings.ToValidUTF8(s[:256], "") + "…"
	}
	return s
}

// find is the newest version of subject with the content of c, nil where there is none. Metadata and rules count where c has some.
func (s *state) find(subject string, c *content, w which) *version {
	for _, v := range slices.Backward(s.subjects[subject]) {
		if !w.has(v) || v.typ != c.typ || v.text != c.text || !slices.Equal(v.refs, c.refs) {
			continue
		}
		alike := *c
		if c.metadata == nil {
			alike.metadata = v.metadata
		}
		if c.rules == nil {
			alike.rules = v.rules
		}
		if alike.guid = v.guid; v.same(&alike) {
			return v
		}
	}
	return nil
}

// exactly is as find, and counts metadata and rules in any case.
func (s *state) exactly(subject string, c *content) *version {
	for _, v := range slices.Backward(s.versions(subject, live)) {
		if v.same(c) {
			return v
		}
	}
	return nil
}

// register adds a version, or finds that it is there.
func (s *state) register(subject string, r registration, normalize bool) (change, *version, error) {
	var ch change
	cfg := s.config(subject)
	c, err := r.content(normalize || cfg.Normalize != nil && *cfg.Normalize)
	if err != nil {
		return ch, nil, err
	}
	if c.refs, err = s.fixed(c.refs); err != nil {
		return ch, nil, err
	}
	c = newContent(c.typ, c.text, c.refs, c.metadata, c.rules)
	if v := s.exactly(subject, c); v != nil && (r.ID < 1 || r.ID == v.id) && (r.Version < 1 || r.Version == v.number) {
		return ch, v, nil
	}
	if err := s.mayRegister(subject, r); err != nil {
		return ch, nil, err
	}
	if err := s.sound(c); err != nil {
		return ch, nil, err
	}
	v := &version{subject: subject, number: 1, content: c}
	if last := s.latest(subject, all); last != nil {
		v.number = last.number + 1
	}
	if r.ID > 0 {
		err = s.imported(v, r)
	} else {
		c.id = s.idFor(c)
		err = s.fits(subject, c, cfg)
	}
	if err != nil {
		return ch, nil, err
	}
	err = ch.add(versionRecord(subject, v.number, c, false))
	return ch, v, err
}

// idFor is the id of c: the one that it has under another subject, or a new one.
func (s *state) idFor(c *content) int {
	for _, known := range s.guids[c.guid] {
		if known.same(c) {
			return known.id
		}
	}
	return s.maxID + 1
}

// mayRegister holds the request against the mode.
func (s *state) mayRegister(subject string, r registration) error {
	mode := s.mode(subject)
	switch {
	case mode == modeReadOnly:
		return notPermitted("Subject %s is in read-only mode", subject)
	case r.ID > 0 && mode != modeImport:
		return notPermitted("Subject %s is not in import mode", subject)
	case r.ID < 1 && mode != modeReadWrite:
		return notPermitted("Subject %s is not in read-write mode", subject)
	}
	return nil
}

// imported gives v the id and the number that it had in another registry.
func (s *state) imported(v *version, r registration) error {
	if known := s.ids[r.ID]; known != nil && !known.same(v.content) {
		return notPermitted("Overwrite new schema with id %d is not permitted.", r.ID)
	}
	if has := s.exactly(v.subject, v.content); has != nil && has.id != r.ID {
		return idDoesNotMatch(has.id, r.ID)
	}
	v.id = r.ID
	if r.Version > 0 {
		v.number = r.Version
	}
	if has := s.version(v.subject, v.number); has != nil && !has.same(v.content) {
		return notPermitted("Subject %s has another schema as version %d", v.subject, v.number)
	}
	return nil
}

// writable refuses changes where the mode does.
func (s *state) writable(subject string) error {
	if s.mode(subject) == modeReadOnly {
		return notPermitted("Subject %s is in read-only mode", subject)
	}
	return nil
}

// deleteVersion deletes one version, softly or for good.
func (s *state) deleteVersion(subject string, number int, permanent bool) (ch change, err error) {
	v := s.version(subject, number)
	switch {
	case v == nil:
		return ch, versionNotFound(number)
	case s.writable(subject) != nil:
		return ch, s.writable(subject)
	case !permanent && v.deleted:
		return ch, versionSoftDeleted(subject, number)
	case permanent && !v.deleted:
		return ch, versionNotSoftDeleted(subject, number)
	}
	if err := s.unreferenced(v, permanent); err != nil {
		return ch, err
	}
	if permanent {
		return ch, s.remove(&ch, v)
	}
	if err := ch.add(versionRecord(subject, number, v.content, true)); err != nil {
		return ch, err
	}
	if len(s.versions(subject, live)) == 1 { // it was the last
		return ch, s.unset(&ch, subject)
	}
	return ch, nil
}

// deleteSubject deletes all versions of a subject, softly or for good, and returns which.
func (s *state) deleteSubject(subject string, permanent bool) (ch change, numbers []int, err error) {
	w := live
	if permanent {
		w = all
	}
	versions := s.versions(subject, w)
	switch {
	case len(s.subjects[subject]) == 0:
		return ch, nil, subjectNotFound(subject)
	case s.writable(subject) != nil:
		return ch, nil, s.writable(subject)
	case !permanent && len(versions) == 0:
		return ch, nil, subjectSoftDeleted(subject)
	case permanent && s.latest(subject, live) != nil:
		return ch, nil, subjectNotSoftDeleted(subject)
	}
	for _, v := range versions {
		if err := s.unreferenced(v, permanent); err != nil {
			return ch, nil, err
		}
		numbers = append(numbers, v.number)
	}
	if !permanent {
		if err := ch.add(deleteSubjectRecord(subject, numbers[len(numbers)-1])); err != nil {
			return ch, nil, err
		}
		return ch, numbers, s.unset(&ch, subject)
	}
	return ch, numbers, s.remove(&ch, versions...)
}

// unreferenced refuses to delete what others refer to. What is deleted softly can still be read, and so needs what it refers to.
func (s *state) unreferenced(v *version, permanent bool) error {
	w := live
	if permanent {
		w = all
	}
	if len(s.referrers(v.subject, v.number, w)) > 0 {
		return referenced(v.subject, v.number)
	}
	return nil
}

// remove takes versions out for good. Their ids are never given again: the highest that was given is kept.
func (s *state) remove(ch *change, versions ...*version) error {
	if err := ch.add(noopRecord(s.maxID)); err != nil {
		return err
	}
	for _, v := range versions {
		if err := ch.add(noVersion(v.subject, v.number)); err != nil {
			return err
		}
	}
	return nil
}

// unset takes back what is configured for a subject.
func (s *state) unset(ch *change, subject string) error {
	if _, ok := s.modes[subject]; ok {
		if err := ch.add(modeRecord(subject, "")); err != nil {
			return err
		}
	}
	if _, ok := s.configs[subject]; ok {
		return ch.add(configRecord(subject, nil))
	}
	return nil
}

// setMode sets the mode of a subject, or of all. IMPORT wants to begin with nothing, unless it is forced.
func (s *state) setMode(subject, mode string, force bool) (ch change, err error) {
	mode = strings.ToUpper(mode)
	switch {
	case mode != modeReadWrite && mode != modeReadOnly && mode != modeImport:
		return ch, invalidMode()
	case mode == modeImport && !force && subject == "" && len(s.names("", live)) > 0:
		return ch, notPermitted("Cannot import since found existing subjects")
	case mode == modeImport && !force && subject != "" && s.latest(subject, live) != nil:
		return ch, notPermitted("Cannot import since found existing schemas under subject %s", subject)
	case s.modes[subject] == mode:
		return ch, nil
	}
	return ch, ch.add(modeRecord(subject, mode))
}

// resetMode takes back the mode of a subject, or of all, and returns what it was; recursive of all subjects too.
func (s *state) resetMode(subject string, recursive bool) (ch change, was string, err error) {
	was, ok := s.modes[subject]
	if subject != "" && !ok {
		return ch, "", subjectNotFound(subject)
	}
	if ok {
		err = ch.add(modeRecord(subject, ""))
	} else {
		was = s.mode("")
	}
	if recursive && subject == "" {
		for name := range s.modes {
			if name != "" && err == nil {
				err = ch.add(modeRecord(name, ""))
			}
		}
	}
	return ch, was, err
}

// setConfig changes what c says of the config of a subject, or of all, and leaves the rest.
func (s *state) setConfig(subject string, c Config) (ch change, err error) {
	if err := s.writable(subject); err != nil {
		return ch, err
	}
	next := c.over(s.configs[subject])
	return ch, ch.add(configRecord(subject, &next))
}

// resetConfig takes back the config of a subject, or of all, and returns what it was.
func (s *state) resetConfig(subject string) (ch change, was Config, err error) {
	was, ok := s.configs[subject]
	switch {
	case s.writable(subject) != nil:
		return ch, was, s.writable(subject)
	case subject != "" && !ok:
		return ch, was, subjectNotFound(subject)
	case !ok:
		return ch, s.config(""), nil
	}
	return ch, was, ch.add(configRecord(subject, nil))
}
