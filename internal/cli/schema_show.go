package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

type schemaShowOptions struct{ version, composed string }

type schemaShowDoc struct {
	Schema     string          `json:"schema"`
	Subject    string          `json:"subject"`
	Type       event.Topic     `json:"event_type,omitzero"` // of the catalogue
	File       string          `json:"file,omitzero"`       // of the catalogue
	Composed   string          `json:"composed,omitzero"`   // producer or consumer: it is the schema of the whole event
	Version    int             `json:"version,omitzero"`    // of the registry
	ID         int             `json:"id,omitzero"`
	GUID       string          `json:"guid,omitzero"`
	JSONSchema json.RawMessage `json:"json_schema,omitzero"`
	Text       string          `json:"text,omitzero"` // of a registered schema that is no JSON
}

func newSchemaShowCmd(a *app) *cobra.Command {
	var o schemaShowOptions
	cmd := prints(&cobra.Command{
		Use:   "show SUBJECT|EVENT",
		Short: "Print a schema: of the catalogue, of the whole event, or as it is registered",
		Long: "Without a flag it is the schema of the payload, as the catalogue has it. --composed gives that of the whole event, as producers have to\n" +
			"write it (closed) or as consumers read it (open), which is what is registered. --version asks the registry.",
		Example: `omnibus schema show omninode.codegen.request.validate.v1
omnibus schema show quality_assessed --composed consumer
omnibus schema show orders-value --version latest -o json`,
		Args: a.wantArgs(1, 1, "a SUBJECT or an EVENT"),
		RunE: func(cmd *cobra.Command, args []string) error { return runSchemaShow(cmd.Context(), a, o, args[0]) },
	}, formatText, formatJSON)
	f := cmd.Flags()
	f.StringVar(&o.version, "version", "", "what is registered, `version`: a number, or latest")
	f.StringVar(&o.composed, "composed", "", "of the whole event, for a `role`: producer or consumer")
	return cmd
}

func runSchemaShow(ctx context.Context, a *app, o schemaShowOptions, name string) error {
	doc := schemaShowDoc{Schema: schemaOf("schema.show"), Composed: o.composed}
	roles := map[string]schema.Role{"producer": schema.Producer, "consumer": schema.Consumer}
	role, known := roles[o.composed]
	switch {
	case o.composed != "" && o.version != "":
		return fail(codeConflict, "--composed and --version cannot be used together").because("what is registered is of the whole event already").fix("leave one of them out")
	case o.composed != "" && !known:
		return fail(codeFlagValue, "%q is not a role", clip(o.composed, 60)).meant(o.composed, []string{"producer", "consumer"}).fix("--composed producer or consumer")
	case o.version != "":
		if err := doc.ask(ctx, a, name, o.version); err != nil {
			return err
		}
		return a.printSchema(doc)
	}
	s, err := a.declared(strings.TrimSuffix(name, "-value"))
	if err != nil {
		return err
	}
	doc.Subject, doc.Type, doc.File, doc.JSONSchema = s.Topic.Subject(), s.Topic, s.File, s.Schema
	if known {
		if doc.JSONSchema, err = schema.Compose(s.Schema, role); err != nil {
			return notComparable(s.File, err)
		}
	}
	return a.printSchema(doc)
}

// ask takes a version from the registry.
func (doc *schemaShowDoc) ask(ctx context.Context, a *app, name, version string) error {
	number, err := versionNumber(name, version)
	if err != nil {
		return fail(codeFlagValue, "%q is not a version", clip(version, 60)).fix("--version 3 or --version latest")
	}
	c, err := a.needRegistry()
	if err != nil {
		return err
	}
	subject := a.subjectOf(name)
	return a.within(ctx, func(ctx context.Context) error {
		r, err := c.Version(ctx, subject, number)
		if errors.Is(err, client.ErrNotFound) {
			return notRegistered(ctx, c, subject, number)
		}
		if err != nil {
			return err
		}
		doc.Subject, doc.Version, doc.ID, doc.GUID = subject, r.Version, r.ID, r.GUID
		if _, err := jsonx.Tree([]byte(r.Text), jsonx.Limits{}); err == nil {
			doc.JSONSchema = json.RawMessage(r.Text)
		} else { // Avro and JSON Schema are JSON, Protobuf is not
			doc.Text = r.Text
		}
		return nil
	})
}

// printSchema prints the schema alone, as people read it.
func (a *app) printSchema(doc schemaShowDoc) error {
	return a.print(doc, func() error {
		text := []byte(doc.Text)
		if doc.JSONSchema != nil {
			var err error
			if text, err = jsonx.MarshalIndent(doc.JSONSchema); err != nil {
				return err
			}
		}
		return a.printf("%s\n", strings.TrimRight(string(text), "\n"))
	})
}
