package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Level says which versions of a schema must get on with which. The zero value means the default, [FullTransitive].
type Level string

// The levels that registries have. Backward: a reader with the newer schema understands what was written with the older one.
// Forward: a reader with the older schema understands what is written with the newer one. Full: both. Transitive: with every
// earlier version and not with the latest only.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD"
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD"
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL"
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// Levels are all levels, from the one that asks for nothing to the one that asks for everything.
func Levels() []Level {
	return []Level{None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive}
}

// ParseLevel reads the name of a level, in any case; the empty name means the default, FULL_TRANSITIVE.
func ParseLevel(name string) (Level, error) {
	if name == "" {
		return FullTransitive, nil
	}
	if l := Level(strings.ToUpper(name)); slices.Contains(Levels(), l) {
		return l, nil
	}
	return "", fmt.Errorf("%q is no compatibility level: use NONE, BACKWARD, FORWARD or FULL, the latter three also with _TRANSITIVE", name)
}

// Asks reports which directions l asks for, and whether of all earlier versions. The zero value asks what the default does.
func (l Level) asks() (backward, forward, transitive bool) {
	if l == "" {
		l = FullTransitive
	}
	name, transitive := strings.CutSuffix(string(l), "_TRANSITIVE")
	return name == "BACKWARD" || name == "FULL", name == "FORWARD" || name == "FULL", transitive
}

// Policy says what a change of a schema is held against. The zero value means the default, [ByRole].
type Policy string

const (
	// ByRole holds what producers write, who add nothing that they do not declare, against what consumers read, who pass over
	// what they do not know: adding and removing an optional member is free.
	ByRole Policy = "ROLE"
	// Strict takes both schemas at their word, as registries do: an open object may already hold, with any type, the member
	// that a change declares.
	Strict Policy = "STRICT"
	// Lenient is Strict where undeclared members of objects are nobody's business.
	Lenient Policy = "LENIENT"
)

// ParsePolicy reads the name of a policy, in any case; the empty name means the default, ROLE.
func ParsePolicy(name string) (Policy, error) {
	switch p := Policy(strings.ToUpper(name)); p {
	case "":
		return ByRole, nil
	case ByRole, Strict, Lenient:
		return p, nil
	}
	return "", fmt.Errorf("%q is no compatibility policy: use ROLE, STRICT or LENIENT", name)
}

// Direction is who reads whose data.
type Direction string

// The directions of a difference.
const (
	BackwardDirection Direction = "BACKWARD" // the reader has the newer schema, the data was written with the older one
	ForwardDirection  Direction = "FORWARD"  // the reader has the older schema, the data is written with the newer one
)

// Version is one version of a schema: of a payload or of a whole value, without references out of the document.
type Version struct {
	Number int
	Schema []byte
}

// Difference is one change and what it means for one direction.
type Difference struct {
	// Type is the name that registries give the change from the older schema to the newer one, such as
	// REQUIRED_ATTRIBUTE_ADDED. What the checker cannot decide has the type [Undecided], and is breaking.
	Type string
	Path string // where, such as #/properties/x
	// Direction says who reads whose data.
	Direction Direction
	Against   int // the Number of the older version; 0 from [Compare]
	Breaking  bool
	Message   string // one sentence for people
	// CounterExample is a document that the writer's schema allows and the reader's refuses, nil where none was built.
	CounterExample []byte
}

// Types of differences that registries have no name for.
const (
	// Undecided is a rule that the checker cannot show to be kept. Documents that break it may exist or not.
	Undecided = "UNDECIDED"
	// TooComplex is a pair of schemas whose comparison was given up after its budget of steps.
	TooComplex = "TOO_COMPLEX"
	// RenameSuspected is one optional member gone and another one of the same type come in one change. Both are allowed; the
	// content is lost for whoever knows the other name.
	RenameSuspected = "PROPERTY_RENAMED_SUSPECTED"
)

// Verdict is whether a new version may follow the earlier ones, and why.
type Verdict struct {
	Compatible  bool
	Differences []Difference // the breaking ones first, then by version, newest first
}

// Check decides whether next may follow older, in any order, at level l under p. Levels that are not transitive ask for the
// version with the highest number only. An error means that one of the schemas is not JSON Schema.
func Check(next []byte, older []Version, l Level, p Policy) (Verdict, error) {
	backward, forward, transitive := l.asks()
	newer, err := readCompared(next, "newer ")
	if err != nil {
		return Verdict{}, fmt.Errorf("check compatibility: the new schema: %w", err)
	}
	if !backward && !forward {
		return Verdict{Compatible: true}, nil
	}
	older = slices.Clone(older)
	slices.SortStableFunc(older, func(a, b Version) int { return cmp.Compare(b.Number, a.Number) })
	if !transitive && len(older) > 1 {
		older = older[:1]
	}
	v := Verdict{Compatible: true}
	for _, o := range older {
		was, err := readCompared(o.Schema, "older ")
		if err != nil {
			return Verdict{}, fmt.Errorf("check compatibility: version %d: %w", o.Number, err)
		}
		for _, d := range differences(was, newer, p, backward, forward) {
			d.Against = o.Number
			v.Compatible = v.Compatible && !d.Breaking
			v.Differences = append(v.Differences, d)
		}
	}
	breakingFirst(v.Differences)
	return v, nil
}

// Compare lists every change from older to newer and what it means for either direction, the breaking ones first. An error
// means that one of the schemas is not JSON Schema.
func Compare(older, newer []byte, p Policy) ([]Difference, error) {
	was, err := readCompared(older, "older ")
	if err != nil {
		return nil, fmt.Errorf("compare schemas: the older one: %w", err)
	}
	is, err := readCompared(newer, "newer ")
	if err != nil {
		return nil, fmt.Errorf("compare schemas: the newer one: %w", err)
	}
	all := differences(was, is, p, true, true)
	breakingFirst(all)
	return all, nil
}

func breakingFirst(ds []Difference) {
	slices.SortStableFunc(ds, func(a, b Difference) int {
		switch {
		case a.Breaking == b.Breaking:
			return 0
		case a.Breaking:
			return -1
		}
		return 1
	})
}

// differences are the changes from older to newer in the directions asked for.
func differences(older, newer *compared, p Policy, backward, forward bool) []Difference {
	if p == "" {
		p = ByRole
	}
	if older.text == newer.text {
		return nil
	}
	var out []Difference
	if backward {
		out = append(out, newComparison(older, newer, p, BackwardDirection).explained()...)
	}
	if forward {
		out = append(out, newComparison(newer, older, p, ForwardDirection).explained()...)
	}
	return out
}
