package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
)

func newCatalogCmd(a *app) *cobra.Command {
	return a.group("catalog", "Look up the declared event types, and hand them to others", `omnibus catalog list
omnibus catalog show omninode.codegen.request.validate.v1
omnibus catalog build ./site
omnibus catalog export asyncapi --out asyncapi.json`, newCatalogListCmd(a), newCatalogShowCmd(a),
		newCatalogExportCmd(a), newCatalogBuildCmd(a), newCatalogDriftCmd(a))
}

// declared finds an event type by its whole name, or by an end of it that only one type has.
func (a *app) declared(name string) (event.Spec, error) {
	c, err := a.catalog()
	if err != nil {
		return event.Spec{}, err
	}
	if s, ok := c.Lookup(event.Topic(name)); ok {
		return s, nil
	}
	var found []event.Spec
	var names []string
	for s := range c.All() {
		names = append(names, string(s.Topic), s.Topic.Operation())
		if strings.Contains(string(s.Topic), "."+name+".") || strings.HasSuffix(string(s.Topic), "."+name) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return event.Spec{}, fail(codeEventType, "no event type %s", clip(name, 120)).because("the catalogue does not declare it").
			meant(name, names).fix("omnibus catalog list")
	}
	f := fail(codeEventType, "%s is not the name of one event type", name).because("%d event types have it in their name", len(found))
	for _, s := range found[:min(3, len(found))] {
		f.fix("omnibus catalog show %s", s.Topic)
	}
	return event.Spec{}, f
}
