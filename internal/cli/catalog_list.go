package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
)

type catalogListDoc struct {
	Schema string        `json:"schema"`
	Events []catalogItem `json:"events"`
}

type catalogItem struct {
	Type       event.Topic `json:"event_type"`
	Version    string      `json:"version"`
	Owner      string      `json:"owner"`
	Key        string      `json:"key,omitzero"`
	Tier       string      `json:"tier"`
	Partitions int         `json:"partitions"`
	Producers  []string    `json:"producers"`
	Consumers  []string    `json:"consumers"`
	Doc        string      `json:"doc"`
}

func newCatalogListCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:     "list [PATTERN…]",
		Aliases: []string{"ls"},
		Short:   "List the declared event types",
		Example: `omnibus catalog list
omnibus catalog list 'omninode.codegen.*'
omnibus catalog list -o json`,
		RunE: func(_ *cobra.Command, args []string) error { return runCatalogList(a, args) },
	}, formatTable, formatJSON)
}

func runCatalogList(a *app, patterns []string) error {
	c, err := a.catalog()
	if err != nil {
		return err
	}
	doc := catalogListDoc{Schema: schemaOf("catalog.list"), Events: []catalogItem{}}
	for s := range c.All() {
		if matchesAny(patterns, s.Topic) {
			doc.Events = append(doc.Events, catalogItemOf(s))
		}
	}
	if len(doc.Events) == 0 {
		return fail(codeEmpty, "no event type matches %s", strings.Join(patterns, " ")).
			because("the catalogue declares %s, none by that name", count(c.Len(), "event type", "event types")).fix("omnibus catalog list")
	}
	return a.print(doc, func() error {
		t := newTable("EVENT TYPE", "VERSION", "OWNER", "KEY", "TIER", "PARTITIONS#")
		for _, e := range doc.Events {
			key := e.Key
			if key == "" {
				key = "(correlation id)"
			}
			t.add(string(e.Type), e.Version, e.Owner, key, e.Tier, strconv.Itoa(e.Partitions))
		}
		return a.printTable(t)
	})
}

func catalogItemOf(s event.Spec) catalogItem {
	return catalogItem{
		Type: s.Topic, Version: s.Version, Owner: s.Owner, Key: s.Key, Tier: s.Tier, Partitions: s.Partitions,
		Producers: s.Producers, Consumers: s.Consumers, Doc: s.Doc,
	}
}

// matchesAny reports whether one of patterns selects t; none selects all.
func matchesAny(patterns []string, t event.Topic) bool {
	for _, p := range patterns {
		if event.Glob(p).Match(t) {
			return true
		}
	}
	return len(patterns) == 0
}
