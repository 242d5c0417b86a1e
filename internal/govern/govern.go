// Package govern decides what a change of schema files means: whom it breaks, which version the file has to say, and which
// findings somebody has waived. It reads nothing and asks no clock.
package govern

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// File is a schema file as it is now.
type File struct {
	Name string // its path, as people are told it
	Text []byte
}

// Past is what a schema was before.
type Past struct {
	Name     string    // where its file is, or was
	Topic    string    // of its events; "": what the newest release says
	Whole    bool      // the releases are schemas of whole events, as registries keep them
	Gone     bool      // it was removed before the state that is compared with
	Releases []Release // the newest first
}

// Release is one state that a schema had.
type Release struct {
	Where string // "git:main", or the commit
	Text  []byte
}

// Options say how to judge. The zero Level and Policy are those of schema.
type Options struct {
	Level   schema.Level
	Policy  schema.Policy
	Waivers []Waiver
	Lint    []schema.Finding // of all files: what they say about versions that follow each other counts where the file changed
	Today   time.Time
}

// Severity is how much a finding matters.
type Severity string

// The severities, the worst first.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Waived  Severity = "waived"
	OK      Severity = "ok"
)

// Finding is one thing that a change does.
type Finding struct {
	File           string
	Line, Column   int // from 1
	Severity       Severity
	Rule           string // the type of the difference, or one of the rules of this package
	Path           string // "#/properties/x"
	Direction      string // who cannot read whom: "backward", "forward" or ""
	Against        string // the version that it breaks with, and where that was
	Message        string
	Breaks         string // who is broken
	CounterExample []byte // a document that shows it
	Refusal        string // what the reader says to that document
	Fix            string
	Waiver         *Waiver

	subject string
}

// Rules of this package, beside the types of differences.
const (
	RuleAdded   = "FILE_ADDED"
	RuleRemoved = "FILE_REMOVED"
	RuleRenamed = "PROPERTY_RENAMED"
	RuleSame    = "ANNOTATIONS_CHANGED"
	RuleKey     = "KEY_CHANGED"
	RuleVersion = "VERSION"
	RuleOther   = "CHANGED"
	RuleUnread  = "UNREADABLE"
	RuleWaiver  = "WAIVER"
)

// Report is what became of all files.
type Report struct {
	Findings []Finding // in the order of files and lines
	Files    int       // that are there now
	Changed  int       // of them, and those that were removed
	Versions int       // how many earlier versions the changed ones were held against
	Breaking bool      // whether somebody is broken and nobody waived it
	Untidy   bool      // whether something else is an error
}

// Review holds files as they are now against what they were.
func Review(now []File, before []Past, o Options) Report {
	o.Level = cmp.Or(o.Level, schema.FullTransitive)
	r := reviewer{Options: o, report: Report{Files: len(now)}}
	past := map[string]*Past{}
	for i := range before {
		past[before[i].id()] = &before[i]
	}
	there := map[string]bool{}
	for _, f := range now {
		id := Identity(f.Name, f.Text)
		there[id] = true
		r.file(f, past[id], past)
	}
	for i := range before {
		if p := &before[i]; !p.Gone && !there[p.id()] && len(p.Releases) > 0 {
			r.removed(p)
		}
	}
	r.succession()
	r.waive()
	slices.SortStableFunc(r.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule))
	})
	for _, f := range r.report.Findings {
		if f.Severity == Error {
			breaks := f.Breaks != ""
			r.report.Breaking, r.report.Untidy = r.report.Breaking || breaks, r.report.Untidy || !breaks
		}
	}
	return r.report
}

// succession takes over what the lint rules say about the versions of a schema that changed.
func (r *reviewer) succession() {
	subjects := map[string]string{} // changed file → its topic
	for _, f := range r.report.Findings {
		if f.Rule != RuleRemoved {
			subjects[f.File] = f.subject
		}
	}
	for _, f := range r.Lint {
		subject, changed := subjects[f.File]
		if !changed || !slices.Contains([]string{"supersedes", "deprecated", "dual_publish"}, f.Rule) {
			continue
		}
		severity := Error
		if f.Warning {
			severity = Warning
		}
		r.report.Findings = append(r.report.Findings, Finding{
			File: f.File, Line: f.Line, Column: f.Column, Severity: severity, Rule: f.Rule, Message: f.Message, Fix: f.Fix, subject: subject,
		})
	}
}

// id is what its states have in common.
func (p *Past) id() string {
	if p.Topic != "" || len(p.Releases) == 0 {
		return cmp.Or(p.Topic, p.Name)
	}
	return Identity(p.Name, p.Releases[0].Text)
}

// Identity is what the states of a schema have in common, wherever its file lies: its topic, or else the name of the file.
func Identity(name string, text []byte) string { return cmp.Or(describe(text).topic, name) }

type reviewer struct {
	Options
	report Report
}

// about is what a schema says of itself.
type about struct {
	topic, version, sunset string
	producers, consumers   []string
	aliases                map[string]string
	key                    string
}

func describe(text []byte) about {
	var doc struct {
		Version    string `json:"x-version"`
		Deprecated struct {
			Sunset string `json:"sunset"`
		} `json:"x-deprecated"`
		Omnibus struct {
			Topic     string            `json:"topic"`
			Key       string            `json:"key"`
			Producers []string          `json:"producers"`
			Consumers []string          `json:"consumers"`
			Aliases   map[string]string `json:"aliases"`
		} `json:"x-omnibus"`
	}
	if jsonx.Unmarshal(text, &doc) != nil {
		return about{} // who reads the file as a schema says why
	}
	x := doc.Omnibus
	return about{x.Topic, doc.Version, doc.Deprecated.Sunset, x.Producers, x.Consumers, x.Aliases, x.Key}
}

// review is one file that differs from what it was.
type review struct {
	*reviewer
	file     File
	next     []byte // what is compared: the text of the file, or the schema of the whole event where the past is one of those
	places   schema.Places
	now, was about
	past     *Past
	breaks   int // waived or not
}

func (r *reviewer) file(f File, p *Past, all map[string]*Past) {
	v := review{reviewer: r, file: f, next: f.Text, places: schema.PlacesOf(f.Text), now: describe(f.Text), past: p}
	if p == nil || len(p.Releases) == 0 {
		r.report.Changed++
		v.add(Finding{Severity: OK, Rule: RuleAdded, Message: "a new schema" + v.successor(all)}, "")
		return
	}
	head := p.Releases[0]
	if p.Whole {
		var err error
		if v.next, err = schema.Registrable(f.Text); err != nil {
			r.report.Changed++
			v.unreadable(err, head)
			return
		}
	}
	if string(head.Text) == string(v.next) && !p.Gone {
		return
	}
	r.report.Changed++
	v.was = describe(head.Text)
	if p.Whole {
		v.was.producers = v.now.producers // a registry does not know them
	}
	found := len(r.report.Findings)
	if v.differences(head) && !p.Whole { // what a file has to say is not registered
		v.renames(head)
		v.version(head)
	}
	if len(r.report.Findings) == found {
		v.add(Finding{Severity: OK, Rule: RuleOther, Message: "nothing changed that compatibility depends on"}, "")
	}
}

// successor says what a new file takes the place of, if it says so.
func (v *review) successor(all map[string]*Past) string {
	var doc struct {
		Supersedes string `json:"x-supersedes"`
	}
	if jsonx.Unmarshal(v.file.Text, &doc) != nil || doc.Supersedes == "" {
		return ""
	}
	if all[doc.Supersedes] == nil {
		return "; it says that it supersedes " + doc.Supersedes
	}
	return ", free to break with " + doc.Supersedes + ", which it supersedes"
}

func (v *review) add(f Finding, pointer string) {
	f.File, f.subject = v.file.Name, v.now.topic
	f.Line, f.Column = v.places.At(pointer)
	v.report.Findings = append(v.report.Findings, f)
}

// differences adds what the change does to readers and writers of the versions before, and reports whether it could be told.
func (v *review) differences(head Release) bool {
	changes, err := schema.Compare(head.Text, v.next, v.Policy)
	if err != nil {
		v.unreadable(err, head)
		return false
	}
	known := map[difference]bool{} // what is told already
	older := v.older()
	v.report.Versions += len(older)
	for i, version := range older {
		verdict, err := schema.Check(v.next, []schema.Version{version}, v.Level, v.Policy)
		if err != nil { // an old version that is no schema binds nobody
			v.add(Finding{
				Severity: Warning, Rule: RuleUnread, Against: v.label(version.Number), Message: "the version " + v.label(version.Number) + " cannot be compared with: " + err.Error(),
				Fix: "nothing can be done about history; compare by hand what was written then",
			}, "")
			continue
		}
		var accepted map[difference]bool
		if i > 0 {
			accepted = v.accepted(head, version)
		}
		for _, d := range verdict.Differences {
			k := differenceOf(d)
			if !d.Breaking || known[k] || accepted[k] {
				continue
			}
			known[k] = true
			v.breaks++
			v.breaking(v.ofFile(d), version)
		}
	}
	v.harmless(changes, known)
	return true
}

// harmless tells of the changes that break nobody, once for both directions.
func (v *review) harmless(changes []schema.Difference, known map[difference]bool) {
	told := map[string]int{} // path → its finding
	for d := range known {
		told[v.path(d.path)] = -1
	}
	for _, d := range changes {
		d = v.ofFile(d)
		at := strings.TrimPrefix(d.Path, "#")
		i, ok := told[d.Path]
		switch {
		case d.Type == schema.RenameSuspected: // told with what to do about it
		case !ok:
			told[d.Path] = len(v.report.Findings)
			v.add(Finding{Severity: OK, Rule: d.Type, Path: d.Path, Message: d.Message}, strings.TrimSuffix(at, "/"))
		case i >= 0 && v.report.Findings[i].Message != d.Message:
			v.report.Findings[i].Message += "; " + d.Message
		}
	}
}

// path is where in the file a path of what is compared is.
func (v *review) path(path string) string {
	rest, ok := strings.CutPrefix(path, "#/properties/payload")
	if !v.past.Whole || !ok {
		return path
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return "#" + rest
}

func (v *review) ofFile(d schema.Difference) schema.Difference {
	d.Path = v.path(d.Path)
	return d
}

// older are the versions that the level asks for, the newest first.
func (v *review) older() []schema.Version {
	releases := v.past.Releases
	if !strings.HasSuffix(string(v.Level), "_TRANSITIVE") {
		releases = releases[:1]
	}
	versions := make([]schema.Version, len(releases))
	for i, r := range releases {
		versions[i] = schema.Version{Number: len(v.past.Releases) - i, Schema: r.Text}
	}
	return versions
}

// accepted are the differences between the present state and an older one: who let them in has answered for them.
func (v *review) accepted(head Release, older schema.Version) map[difference]bool {
	verdict, err := schema.Check(head.Text, []schema.Version{older}, v.Level, v.Policy)
	if err != nil {
		return nil
	}
	out := map[difference]bool{}
	for _, d := range verdict.Differences {
		if d.Breaking {
			out[differenceOf(d)] = true
		}
	}
	return out
}

// difference is what makes two differences the same one.
type difference struct {
	kind, path string
	direction  schema.Direction
}

func differenceOf(d schema.Difference) difference { return difference{d.Type, d.Path, d.Direction} }

func (v *review) unreadable(err error, head Release) {
	if _, before := schema.Compare(head.Text, head.Text, v.Policy); before != nil {
		v.add(Finding{
			Severity: Warning, Rule: RuleUnread, Against: head.Where, Message: "what the file was in " + head.Where + " cannot be compared with: " + before.Error(),
			Fix: "see to it that the file is right from now on: omnibus schema lint " + v.file.Name,
		}, "")
		return
	}
	f := Finding{Severity: Error, Rule: RuleUnread, Message: err.Error(), Fix: "omnibus schema lint " + v.file.Name}
	at := ""
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		at, f.Message = strings.TrimPrefix(invalid.Pointer, "/properties/payload"), invalid.Error()
	}
	v.add(f, at)
}

// label names a version by number: what it says of itself, and where it is from.
func (v *review) label(number int) string {
	r := v.past.Releases[len(v.past.Releases)-number]
	return cmp.Or(describe(r.Text).version, "the version") + " of " + r.Where
}

// breaking adds a difference that breaks somebody.
func (v *review) breaking(d schema.Difference, version schema.Version) {
	older, next := v.label(version.Number), cmp.Or(v.now.version, "the new version")
	if describe(version.Schema).version == v.now.version {
		next = "this change"
	}
	f := Finding{
		Severity: Error, Rule: d.Type, Path: d.Path, Against: older, Message: d.Message, CounterExample: d.CounterExample, Fix: v.advice(d),
	}
	consumers, producers := people(v.now.consumers, "consumers"), people(v.was.producers, "producers")
	reader := v.next
	if d.Direction == schema.ForwardDirection {
		f.Direction, reader = "forward", version.Schema
		f.Breaks = fmt.Sprintf("%s still at %s refuse what %s write with %s", consumers, older, people(v.now.producers, "producers"), next)
	} else {
		f.Direction = "backward"
		f.Breaks = fmt.Sprintf("%s with %s refuse what %s wrote with %s", consumers, next, producers, older)
	}
	if len(d.CounterExample) > 0 && !v.past.Whole {
		f.Refusal = refusal(reader, d.CounterExample)
	}
	v.add(f, strings.TrimSuffix(strings.TrimPrefix(d.Path, "#"), "/"))
}

// people are those who declare that they read or write an event.
func people(names []string, what string) string {
	switch {
	case len(names) == 0 || slices.Contains(names, "*"):
		return "any " + what
	case len(names) == 1:
		return what + " (" + names[0] + ")"
	}
	return what + " (" + strings.Join(names, ", ") + ")"
}

// refusal is what a consumer with that schema says to a payload.
func refusal(reader, payload []byte) string {
	doc, err := schema.Compose(reader, schema.Consumer)
	if err != nil {
		return ""
	}
	s, err := schema.Parse(doc)
	if err != nil {
		return ""
	}
	if invalid, ok := errors.AsType[*schema.Invalid](s.ScanPayload(payload)); ok {
		return strings.TrimPrefix(invalid.Error(), "/payload")
	}
	return ""
}

// removed is a file that is not there any more.
func (r *reviewer) removed(p *Past) {
	r.report.Changed++
	head := p.Releases[0]
	was := describe(head.Text)
	f := Finding{
		File: p.Name, Line: 1, Column: 1, Rule: RuleRemoved, Against: cmp.Or(was.version, "the version") + " of " + head.Where, subject: was.topic,
	}
	sunset, err := time.Parse(time.DateOnly, was.sunset)
	switch {
	case err == nil && !r.Today.Before(sunset.AddDate(0, 0, 1)):
		f.Severity, f.Message = OK, "the schema is gone; its sunset was on "+was.sunset
	case err == nil:
		f.Severity, f.Message = Error, "the schema is gone before its sunset on "+was.sunset
		f.Fix = "put the file back until that day is over"
	default:
		f.Severity, f.Message = Error, "the schema is gone"
		f.Fix = `put the file back, declare "x-deprecated" in it, and remove it after its sunset`
	}
	if f.Severity == Error {
		f.Breaks = people(was.producers, "producers") + " and " + people(was.consumers, "consumers") + " of " + cmp.Or(was.topic, p.Name)
	}
	r.report.Findings = append(r.report.Findings, f)
}
