package govern

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/internal/near"
)

// Waiver lets a finding pass, for a reason.
type Waiver struct {
	Subject, File string // whose finding: one of the two
	Rule          string
	Path          string // "" is any
	Reason        string
	Approver      string
	Expires       time.Time // the last day; zero is never

	name string // of the file that it is in
	line int
	used bool
}

// WaiverError is the error about a file of waivers: what is wrong in which line.
type WaiverError struct {
	Line int
	Why  string
	Near []string // what may have been meant
}

func (e *WaiverError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Why) }

// ParseWaivers reads a mapping with the one key "waivers", a list of mappings. What is unknown is refused; every error is a
// *WaiverError.
func ParseWaivers(name string, text []byte) ([]Waiver, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		why := strings.TrimPrefix(err.Error(), "yaml: ")
		line := 1
		if rest, ok := strings.CutPrefix(why, "line "); ok {
			if n, _ := fmt.Sscanf(rest, "%d: ", &line); n == 1 {
				_, why, _ = strings.Cut(rest, ": ")
			}
		}
		return nil, &WaiverError{Line: line, Why: "it is not YAML: " + why}
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	top, err := mapping(doc.Content[0], "waivers")
	if err != nil {
		return nil, err
	}
	list := top["waivers"]
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil, wrong(doc.Content[0], "there is no list called waivers")
	}
	var all []Waiver
	for _, item := range list.Content {
		w, err := parseWaiver(item)
		if err != nil {
			return nil, err
		}
		w.name = name
		all = append(all, w)
	}
	return all, nil
}

func parseWaiver(n *yaml.Node) (Waiver, error) {
	w := Waiver{line: n.Line}
	m, err := mapping(n, "rule", "subject", "file", "path", "reason", "approver", "expires")
	if err != nil {
		return w, err
	}
	for key, into := range map[string]*string{
		"subject": &w.Subject, "file": &w.File, "rule": &w.Rule, "path": &w.Path, "reason": &w.Reason, "approver": &w.Approver,
	} {
		v := m[key]
		if v == nil {
			continue
		}
		if v.Kind != yaml.ScalarNode || strings.TrimSpace(v.Value) == "" || v.Tag == "!!null" {
			return w, wrong(v, "%s needs a text", key)
		}
		*into = v.Value
	}
	if v := m["expires"]; v != nil {
		if w.Expires, err = time.Parse(time.DateOnly, v.Value); err != nil {
			return w, wrong(v, "expires needs a date such as 2026-12-31")
		}
	}
	switch {
	case w.Rule == "":
		return w, wrong(n, "a waiver needs a rule: what it lets pass")
	case w.Reason == "":
		return w, wrong(n, "a waiver needs a reason")
	case (w.Subject == "") == (w.File == ""):
		return w, wrong(n, "a waiver needs a subject or a file, one of them")
	case w.Path != "" && !strings.HasPrefix(w.Path, "#"):
		return w, wrong(m["path"], "a path begins with #, as findings print it")
	}
	return w, nil
}

func wrong(at *yaml.Node, why string, args ...any) *WaiverError {
	return &WaiverError{Line: max(1, at.Line), Why: fmt.Sprintf(why, args...)}
}

func mapping(n *yaml.Node, keys ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, wrong(n, "here should be %q", keys[0]+": …")
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if !slices.Contains(keys, key) {
			err := wrong(n.Content[i], "unknown key %q", key)
			err.Near = near.Names(key, keys)
			return nil, err
		}
		if out[key] != nil {
			return nil, wrong(n.Content[i], "key %q is there twice", key)
		}
		out[key] = n.Content[i+1]
	}
	return out, nil
}

// waive marks the errors that a waiver lets pass, and reports waivers that let nothing pass.
func (r *reviewer) waive() {
	for i := range r.report.Findings {
		f := &r.report.Findings[i]
		if f.Severity != Error {
			continue
		}
		if at := r.waiverOf(f); at >= 0 {
			r.Waivers[at].used = true
			f.Severity, f.Waiver = Waived, &r.Waivers[at]
		}
	}
	for _, w := range r.Waivers {
		f := Finding{File: w.name, Line: w.line, Column: 1, Rule: RuleWaiver, Severity: Warning, Fix: "remove it"}
		switch {
		case w.used:
			continue
		case !w.expired(r.Today):
			f.Message = "the waiver of " + w.Rule + " lets nothing pass: it is not needed, or does not match"
		case slices.ContainsFunc(r.report.Findings, func(f Finding) bool { return f.Severity == Error && w.matches(&f) }):
			f.Severity, f.Message = Error, "the waiver of "+w.Rule+" ended with "+w.Expires.Format(time.DateOnly)
			f.Fix = "correct what it let pass, or agree on another date"
		default:
			f.Message = "the waiver of " + w.Rule + " ended with " + w.Expires.Format(time.DateOnly)
		}
		r.report.Findings = append(r.report.Findings, f)
	}
}

// waiverOf is the index of the waiver that lets f pass, or -1.
func (r *reviewer) waiverOf(f *Finding) int {
	return slices.IndexFunc(r.Waivers, func(w Waiver) bool { return !w.expired(r.Today) && w.matches(f) })
}

func (w Waiver) expired(today time.Time) bool {
	return !w.Expires.IsZero() && !today.Before(w.Expires.AddDate(0, 0, 1))
}

func (w Waiver) matches(f *Finding) bool {
	if w.Rule != f.Rule || w.Path != "" && w.Path != f.Path {
		return false
	}
	if w.File != "" {
		return w.File == f.File || strings.HasSuffix(f.File, "/"+w.File)
	}
	return f.subject != "" && strings.TrimSuffix(w.Subject, "-value") == f.subject
}
