package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

type schemaListDoc struct {
	Schema   string           `json:"schema"`
	Registry string           `json:"registry,omitzero"` // that was asked
	Schemas  []schemaListItem `json:"schemas"`
}

type schemaListItem struct {
	Subject    string            `json:"subject"`
	Type       event.Topic       `json:"event_type,omitzero"` // absent: the catalogue does not know the subject
	Version    string            `json:"version,omitzero"`    // of the file
	File       string            `json:"file,omitzero"`
	Deprecated bool              `json:"deprecated"`
	Sunset     string            `json:"sunset,omitzero"`     // the last day on which it may be used
	Registered *schemaInRegistry `json:"registered,omitzero"` // absent: it is not, or nobody asked

	text []byte // that ought to be registered
}

type schemaInRegistry struct {
	Version int    `json:"version"`
	ID      int    `json:"id"`
	Level   string `json:"level"`
	Same    *bool  `json:"same"` // as what the catalogue says; null: it says nothing
}

func newSchemaListCmd(a *app) *cobra.Command {
	var registered bool
	cmd := prints(&cobra.Command{
		Use:     "list [PATTERN…]",
		Aliases: []string{"ls"},
		Short:   "List the schemas of the catalogue, and what the registry has of them",
		Long: "A pattern is held against event types and subjects. With --registered the registry is asked for the latest version of each, whether it is\n" +
			"what the catalogue says, and for the subjects that belong to no event.",
		Example: `omnibus schema list
omnibus schema list 'omninode.codegen.*' --registered
omnibus schema list --registered -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSchemaList(cmd.Context(), a, registered, args)
		},
	}, formatTable, formatJSON)
	cmd.Flags().BoolVar(&registered, "registered", false, "ask the registry what it has")
	return cmd
}

func runSchemaList(ctx context.Context, a *app, registered bool, patterns []string) error {
	catalogue, err := a.catalog()
	if err != nil {
		return err
	}
	doc := schemaListDoc{Schema: schemaOf("schema.list"), Schemas: []schemaListItem{}}
	meant := func(subject string) bool {
		return matchesAny(patterns, event.Topic(subject)) || matchesAny(patterns, event.Topic(strings.TrimSuffix(subject, "-value")))
	}
	for s := range catalogue.All() {
		if !meant(s.Topic.Subject()) || len(s.Schema) == 0 {
			continue
		}
		i := schemaListItem{Subject: s.Topic.Subject(), Type: s.Topic, Version: s.Version, File: s.File, Deprecated: s.Deprecated != nil}
		if i.Deprecated && !s.Deprecated.Sunset.IsZero() {
			i.Sunset = s.Deprecated.Sunset.Format(time.DateOnly)
		}
		if i.text, err = schema.Registrable(s.Schema); err != nil {
			return notComparable(s.File, err)
		}
		doc.Schemas = append(doc.Schemas, i)
	}
	if registered {
		c, err := a.needRegistry()
		if err != nil {
			return err
		}
		doc.Registry = c.URL()
		if err := a.withinEach(ctx, len(doc.Schemas)+1, func(ctx context.Context) error { return doc.ask(ctx, c, meant) }); err != nil {
			return err
		}
	}
	if len(doc.Schemas) == 0 {
		return fail(codeEmpty, "no schema matches %s", quoted(patterns)).
			because("the catalogue declares %s, none by that name", count(catalogue.Len(), "event type", "event types")).fix("omnibus schema list --registered")
	}
	return a.printSchemaList(doc)
}

// ask adds what the registry has.
func (doc *schemaListDoc) ask(ctx context.Context, c *client.Client, meant func(subject string) bool) error {
	subjects, err := c.Subjects(ctx)
	if err != nil {
		return err
	}
	slices.Sort(subjects)
	for _, name := range subjects {
		if !meant(name) {
			continue
		}
		i := slices.IndexFunc(doc.Schemas, func(s schemaListItem) bool { return s.Subject == name })
		if i < 0 {
			i = len(doc.Schemas)
			doc.Schemas = append(doc.Schemas, schemaListItem{Subject: name})
		}
		if err := doc.Schemas[i].ask(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (i *schemaListItem) ask(ctx context.Context, c *client.Client) error {
	latest, err := c.Version(ctx, i.Subject, client.Latest)
	if errors.Is(err, client.ErrNotFound) {
		return nil // it went meanwhile
	}
	if err != nil {
		return err
	}
	rule, err := c.Level(ctx, i.Subject)
	if err != nil {
		return err
	}
	i.Registered = &schemaInRegistry{Version: latest.Version, ID: latest.ID, Level: rule.String()}
	if i.text != nil {
		have, err := schema.Canonical([]byte(latest.Text))
		same := err == nil && bytes.Equal(have, i.text) // what is no JSON is another one
		i.Registered.Same = &same
	}
	return nil
}

func (a *app) printSchemaList(doc schemaListDoc) error {
	return a.print(doc, func() error {
		heads := []string{"SUBJECT", "VERSION", "FILE", "SUNSET"}
		if doc.Registry != "" {
			heads = append(heads, "REGISTERED#", "ID#", "LEVEL", "IT IS")
		}
		t := newTable(heads...)
		for _, s := range doc.Schemas {
			sunset := "-"
			if s.Deprecated {
				sunset = cmp.Or(s.Sunset, "deprecated")
			}
			row := []string{clip(oneline.Text(s.Subject), 200), cmp.Or(s.Version, "-"), cmp.Or(s.File, "-"), sunset}
			if doc.Registry != "" {
				row = append(row, s.Registered.columns()...)
			}
			t.add(row...)
		}
		return a.printTable(t)
	})
}

// columns say in a table what is registered.
func (r *schemaInRegistry) columns() []string {
	if r == nil {
		return []string{"-", "-", "-", "not registered"}
	}
	is := "of no event"
	if r.Same != nil {
		is = "different"
		if *r.Same {
			is = "the same"
		}
	}
	return []string{strconv.Itoa(r.Version), strconv.Itoa(r.ID), cmp.Or(r.Level, "-"), is}
}
