package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/schema"
)

type schemaDiffDoc struct {
	Schema   string         `json:"schema"`
	Policy   schema.Policy  `json:"policy"`
	Older    schemaSide     `json:"older"`
	Newer    schemaSide     `json:"newer"`
	Same     bool           `json:"same"`     // the texts are equal but for their form
	Backward bool           `json:"backward"` // who reads with the newer one accepts what the older one allows
	Forward  bool           `json:"forward"`  // who reads with the older one accepts what the newer one allows
	Changes  []schemaChange `json:"changes"`
}

type schemaChange struct {
	Type           string          `json:"type"`
	Path           string          `json:"path"`
	Backward       string          `json:"backward"` // ok or breaks
	Forward        string          `json:"forward"`
	Message        string          `json:"message"`
	CounterExample json.RawMessage `json:"counter_example,omitzero"`
}

// What a change does in one direction.
const (
	changeOK     = "ok"
	changeBreaks = "breaks"
)

func newSchemaDiffCmd(a *app) *cobra.Command {
	policy := "ROLE"
	cmd := prints(&cobra.Command{
		Use:   "diff A B | SUBJECT@3..5 | SUBJECT|EVENT",
		Short: "Show what differs between two schemas, and whom each change breaks",
		Long: `A is the older one, B the newer one. Each is

  FILE             a schema file
  git:REF:PATH     a file as a branch, tag or commit has it
  SUBJECT@VERSION  what is registered: a number, or latest
  EVENT            what the catalogue says

SUBJECT@3..5 are two versions. A subject or an event type alone is what is registered, and then what the catalogue says. Where one of the two
is the schema of a payload and the other is not, that of its whole event is compared. Backward: who reads with B what was written with A.
Forward: who reads with A what is written with B. It is a view: it exits 0 whatever differs. "schema check" is the one that refuses.`,
		Example: `omnibus schema diff omninode.codegen.request.validate.v1
omnibus schema diff omninode.codegen.request.validate.v1-value@1..latest
omnibus schema diff git:main:schemas/events/shop/ordered.v1.json schemas/events/shop/ordered.v1.json
omnibus schema diff orders-value@3 orders.json --policy STRICT -o json`,
		Args: a.wantArgs(1, 2, "two schemas, or a SUBJECT or an EVENT"),
		RunE: func(cmd *cobra.Command, args []string) error { return runSchemaDiff(cmd.Context(), a, policy, args) },
	}, formatTable, formatJSON)
	cmd.Flags().StringVar(&policy, "policy", policy, "how schemas are compared, `policy`: ROLE, STRICT or LENIENT")
	return cmd
}

func runSchemaDiff(ctx context.Context, a *app, policy string, args []string) error {
	doc := schemaDiffDoc{Schema: schemaOf("schema.diff"), Backward: true, Forward: true, Changes: []schemaChange{}}
	var err error
	if _, doc.Policy, err = judging(string(schema.FullTransitive), policy); err != nil {
		return err
	}
	if doc.Older, doc.Newer, err = a.pair(ctx, args); err != nil {
		return err
	}
	if err := alike(&doc.Older, &doc.Newer); err != nil {
		return err
	}
	was, err := schema.Canonical(doc.Older.text)
	if err != nil {
		return notComparable(doc.Older.Name, err)
	}
	is, err := schema.Canonical(doc.Newer.text)
	if err != nil {
		return notComparable(doc.Newer.Name, err)
	}
	doc.Same = bytes.Equal(was, is)
	differences, err := schema.Compare(was, is, doc.Policy)
	if err != nil {
		name := doc.Newer.Name
		if _, err := schema.Compare(was, was, doc.Policy); err != nil {
			name = doc.Older.Name
		}
		return notComparable(name, err)
	}
	for _, d := range differences { // the breaking ones first: a change has their type
		doc.add(d)
	}
	for i := range doc.Changes {
		c := &doc.Changes[i]
		c.Backward, c.Forward = cmp.Or(c.Backward, changeOK), cmp.Or(c.Forward, changeOK)
	}
	return a.printSchemaDiff(doc)
}

// add adds what a change does in one direction, to what it does in the other where that is told already.
func (doc *schemaDiffDoc) add(d schema.Difference) {
	verdict := changeOK
	if d.Breaking {
		verdict = changeBreaks
	}
	told := func(c *schemaChange) *string { return &c.Backward }
	compatible := &doc.Backward
	if d.Direction == schema.ForwardDirection {
		told, compatible = func(c *schemaChange) *string { return &c.Forward }, &doc.Forward
	}
	*compatible = *compatible && !d.Breaking
	other := func(sameType bool) int {
		return slices.IndexFunc(doc.Changes, func(c schemaChange) bool {
			return c.Path == d.Path && *told(&c) == "" && (c.Type == d.Type || !sameType)
		})
	}
	i := other(true)
	if i < 0 {
		i = other(false) // the two directions may have names of their own for a change
	}
	if i < 0 {
		i = len(doc.Changes)
		doc.Changes = append(doc.Changes, schemaChange{Type: d.Type, Path: d.Path, Message: d.Message})
	}
	c := &doc.Changes[i]
	*told(c) = verdict
	if c.Message != d.Message {
		c.Message += "; " + d.Message
	}
	if c.CounterExample == nil {
		c.CounterExample = d.CounterExample
	}
}

// label names a side for people.
func (s schemaSide) label() string {
	text := s.Name
	if s.ID > 0 {
		text += fmt.Sprintf(", id %d", s.ID)
	}
	if s.Whole {
		text += ", as its whole event"
	}
	return text
}

func (a *app) printSchemaDiff(doc schemaDiffDoc) error {
	return a.print(doc, func() error {
		verdict := func(compatible bool, reader, writer string) string {
			if compatible {
				return "who reads with " + reader + " takes what was written with " + writer
			}
			return "who reads with " + reader + " refuses some of what was written with " + writer
		}
		err := a.printFields(
			field{"older", doc.Older.label()}, field{"newer", doc.Newer.label()}, field{"policy", string(doc.Policy)},
			field{"backward", verdict(doc.Backward, "the newer one", "the older one")}, field{"forward", verdict(doc.Forward, "the older one", "the newer one")},
		)
		switch {
		case err != nil:
			return err
		case doc.Same:
			return a.printf("\nThey are the same\n")
		case len(doc.Changes) == 0:
			return a.printf("\nNothing differs that events depend on\n")
		}
		t := newTable("CHANGE", "PATH", "BACKWARD", "FORWARD", "WHAT")
		for _, c := range doc.Changes {
			t.add(c.Type, c.Path, c.Backward, c.Forward, c.Message)
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		return a.printTable(t)
	})
}
