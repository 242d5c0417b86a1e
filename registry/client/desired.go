package client

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// DesiredSubject is what a subject should be. What is left empty may be as it is.
type DesiredSubject struct {
	Subject string // "": the registry itself, for its rule
	Schema  Schema // without a text: only the rule counts
	Rule    Rule
}

// SubjectChange is one step from what a subject is to what it should be.
type SubjectChange struct {
	Subject string   `json:"subject"`          // empty: the registry itself
	Do      string   `json:"do"`               // register or level
	Have    string   `json:"have"`             // empty: nothing
	Want    string   `json:"want"`             // of level: the level, with the policy after a comma
	Schema  *Schema  `json:"schema,omitempty"` // of register
	Left    string   `json:"left,omitempty"`   // not empty: it is not done, and why
	Breaks  []string `json:"breaks,omitempty"` // of register: why the registry would refuse it
	Warning string   `json:"warning,omitempty"`
}

// What a step does.
const (
	stepRegister = "register"
	stepLevel    = "level"
)

// subjectState is what a registry says of a subject, as far as a plan depends on it.
type subjectState struct {
	version, id int  // of the latest; 0: the subject has none
	same        int  // the version that has the desired text; 0: none
	rule        Rule // the one that holds
	verdict     Verdict
}

// latest names the newest version.
func (s subjectState) latest() string {
	if s.version == 0 {
		return ""
	}
	return fmt.Sprintf("version %d, id %d", s.version, s.id)
}

// diffSubject says how to come from what is there to what is desired. What takes safety away is left, unless loosen says otherwise.
func diffSubject(d DesiredSubject, have subjectState, loosen bool) []SubjectChange {
	var changes []SubjectChange
	if want := (Rule{cmp.Or(d.Rule.Level, have.rule.Level), cmp.Or(d.Rule.Policy, have.rule.Policy)}); want != have.rule {
		c := SubjectChange{Subject: d.Subject, Do: stepLevel, Have: have.rule.String(), Want: want.String()}
		if lost := weaker(have.rule.Level, want.Level); lost != "" {
			c.Warning = lost
			if !loosen {
				c.Left, c.Warning = c.Warning, ""
			}
		}
		changes = append(changes, c)
	}
	if d.Schema.Text == "" || have.same == have.version && have.version > 0 {
		return changes
	}
	c := SubjectChange{Subject: d.Subject, Do: stepRegister, Have: have.latest(), Want: fmt.Sprintf("version %d", have.version+1), Schema: &d.Schema}
	switch {
	case have.same > 0:
		c.Want = fmt.Sprintf("version %d", have.same)
		c.Left = fmt.Sprintf("it is version %d already, and a later one follows it: registries do not register a text twice", have.same)
	case !have.verdict.Compatible:
		c.Left, c.Breaks = "the registry would refuse it", have.verdict.Messages
	}
	return append(changes, c)
}

// String is the level, and the policy after a comma where there is one.
func (r Rule) String() string {
	if r.Policy == "" {
		return r.Level
	}
	return r.Level + ", " + r.Policy
}

// ParseRule reads what [Rule.String] writes.
func ParseRule(text string) Rule {
	level, policy, _ := strings.Cut(text, ", ")
	return Rule{level, policy}
}

// weaker says what the level want does not protect any more that have does; "" where nothing is lost.
func weaker(have, want string) string {
	var lost []string
	is, will := guards(have), guards(want)
	for i, what := range []string{"new readers of old events", "old readers of new events", "versions before the latest"} {
		if is[i] && !will[i] {
			lost = append(lost, what)
		}
	}
	if lost == nil {
		return ""
	}
	return "it protects no more: " + strings.Join(lost, ", ")
}

// guards are what a level protects: backward, forward, and beyond the latest version.
func guards(level string) [3]bool {
	base, transitive := strings.CutSuffix(level, "_TRANSITIVE")
	return [3]bool{base == "BACKWARD" || base == "FULL", base == "FORWARD" || base == "FULL", transitive}
}

// inOrder sorts what is desired: the registry first, because its rule holds for the others.
func inOrder(desired []DesiredSubject) []DesiredSubject {
	return slices.SortedFunc(slices.Values(desired), func(x, y DesiredSubject) int { return strings.Compare(x.Subject, y.Subject) })
}
