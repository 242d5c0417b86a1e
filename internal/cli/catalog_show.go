package cli

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

type catalogShowDoc struct {
	Schema string `json:"schema"`
	catalogItem
	RetentionSeconds float64                    `json:"retention_seconds"`
	Aliases          map[string]string          `json:"aliases,omitzero"`
	Defaults         map[string]json.RawMessage `json:"defaults,omitzero"`
	Replies          event.Topic                `json:"replies,omitzero"`
	AliasOf          event.Topic                `json:"alias_of,omitzero"`
	File             string                     `json:"file"`
	Examples         []json.RawMessage          `json:"examples"`
	JSONSchema       json.RawMessage            `json:"json_schema"`
}

func newCatalogShowCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "show EVENT_TYPE",
		Short: "Show one event type: who, how, an example, its fields",
		Example: `omnibus catalog show omninode.codegen.request.validate.v1
omnibus catalog show quality_assessed
omnibus catalog show quality_assessed -o json`,
		Args: a.wantArgs(1, 1, "an EVENT_TYPE"),
		RunE: func(_ *cobra.Command, args []string) error { return runCatalogShow(a, args[0]) },
	}, formatTable, formatJSON)
}

func runCatalogShow(a *app, name string) error {
	s, err := a.declared(name)
	if err != nil {
		return err
	}
	doc := catalogShowDoc{
		Schema: schemaOf("catalog.show"), catalogItem: catalogItemOf(s), RetentionSeconds: s.Retention.Seconds(), Aliases: s.Aliases,
		Defaults: s.Defaults, Replies: s.Replies, AliasOf: s.AliasOf, File: s.File, Examples: s.Examples, JSONSchema: s.Schema,
	}
	return a.print(doc, func() error {
		key := s.Key
		if key == "" {
			key = "correlation id"
		}
		var aliases []string
		for from, to := range sorted(s.Aliases) {
			aliases = append(aliases, from+" for "+to)
		}
		err := a.printFields(
			field{"event type", string(s.Topic)}, field{"what", s.Doc}, field{"version", s.Version}, field{"owner", s.Owner},
			field{"producers", strings.Join(s.Producers, ", ")}, field{"consumers", strings.Join(s.Consumers, ", ")},
			field{"key", key}, field{"tier", s.Tier + ", " + count(s.Partitions, "partition", "partitions")},
			field{"retention", retentionText(&doc.RetentionSeconds)}, field{"replies", string(s.Replies)}, field{"alias of", string(s.AliasOf)},
			field{"aliases", strings.Join(aliases, ", ")}, field{"schema", s.File},
		)
		if err != nil {
			return err
		}
		if err := a.printPayloadFields(s.Schema); err != nil {
			return err
		}
		if len(s.Examples) == 0 {
			return nil
		}
		example, err := jsonx.Compact(s.Examples[0])
		if err != nil {
			return err
		}
		return a.printf("\n%s\nomnibus publish %s %s\n", a.paint(bold, "TRY"), s.Topic, shellQuote(string(example)))
	})
}

type payloadSchema struct {
	Required   []string                   `json:"required"`
	Properties map[string]payloadProperty `json:"properties"`
}

type payloadProperty struct {
	Type        json.RawMessage   `json:"type"`
	Format      string            `json:"format"`
	Ref         string            `json:"$ref"`
	Enum        []json.RawMessage `json:"enum"`
	Description string            `json:"description"`
}

func (a *app) printPayloadFields(b []byte) error {
	var s payloadSchema
	if err := jsonx.Unmarshal(b, &s); err != nil {
		return err
	}
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	t := newTable("FIELD", "TYPE", "NEEDED", "WHAT")
	for name, p := range sorted(s.Properties) {
		needed := ""
		if required[name] {
			needed = "yes"
		}
		t.add(name, p.kind(), needed, p.Description)
	}
	if len(t.rows) == 0 {
		return nil
	}
	if err := a.printf("\n"); err != nil {
		return err
	}
	return a.printTable(t)
}

// kind is the type of the property in a word or two.
func (p payloadProperty) kind() string {
	if len(p.Enum) > 0 {
		names := make([]string, len(p.Enum))
		for i, v := range p.Enum {
			names[i] = string(v)
			if s, err := strconv.Unquote(string(v)); err == nil {
				names[i] = s
			}
		}
		return clip(strings.Join(names, "|"), 40)
	}
	if p.Ref != "" {
		return p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]
	}
	var one string
	if jsonx.Unmarshal(p.Type, &one) == nil {
		if p.Format != "" {
			return one + " " + p.Format
		}
		return one
	}
	var several []string
	if jsonx.Unmarshal(p.Type, &several) == nil {
		return strings.Join(several, "|")
	}
	return "any"
}

// shellQuote quotes s for a shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
