package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

// checkRegistry goes the way to the schema registry, and holds what it has against the catalogue.
func checkRegistry(ctx context.Context, e *exam) []Finding {
	r := e.cfg.Registry
	if r == nil {
		return []Finding{{Skip, "no schema registry is configured (SCHEMA_REGISTRY_URL)", ""}}
	}
	server, err := r.Probe(ctx)
	switch {
	case errors.Is(err, client.ErrUnauthorized):
		return []Finding{{Fail, "the schema registry refused the login: " + oneline.Text(err.Error()), "check SCHEMA_REGISTRY_BASIC_AUTH_FILE: omnibus config show --origin"}}
	case err != nil:
		return []Finding{{Fail, "no schema registry answers: " + oneline.Text(err.Error()), "start it, or correct SCHEMA_REGISTRY_URL, or --registry URL"}}
	}
	return append(judgeRegistry(ctx, r, server), e.judgeDrift(ctx)...)
}

// judgeRegistry tells what it is, to which rule it holds schemas, and whether it takes any.
func judgeRegistry(ctx context.Context, r *client.Client, server client.Server) []Finding {
	rule, err := r.Level(ctx, "")
	if err != nil {
		return broken(ctx, "ask the registry for its level", err)
	}
	mode, err := r.Mode(ctx, "")
	if err != nil && !errors.Is(err, client.ErrUnsupported) {
		return broken(ctx, "ask the registry for its mode", err)
	}
	what := fmt.Sprintf("%s is %s, level %s", r.URL(), server, rule.Level)
	if rule.Policy != "" {
		what += " under " + rule.Policy
	}
	found := []Finding{{OK, what, ""}}
	if strings.HasPrefix(mode, "READONLY") {
		found = append(found, Finding{Warn, "the registry takes no new schemas: its mode is " + mode, "set its mode to READWRITE, or ask whoever runs it"})
	}
	if rule.Level == "NONE" {
		found = append(found, Finding{Warn, "the registry holds new versions to nothing: its level is NONE", "set its level: FULL_TRANSITIVE is what \"omnibus schema check\" holds files to"})
	}
	return found
}

// judgeDrift says in one line where the catalogue and the registry differ.
func (e *exam) judgeDrift(ctx context.Context) []Finding {
	if e.cfg.Bus.Catalog == nil {
		return nil // check "settings" tells why
	}
	subjects, err := e.cfg.Registry.Subjects(ctx)
	if err != nil {
		return broken(ctx, "list the subjects of the registry", err)
	}
	var missing, differs []string
	all := 0
	for spec := range e.cfg.Bus.Catalog.All() {
		all++
		subject := spec.Topic.Subject()
		if !slices.Contains(subjects, subject) {
			missing = append(missing, subject)
			continue
		}
		same, err := e.registeredAs(ctx, spec, subject)
		if err != nil {
			return broken(ctx, "compare "+subject, err)
		}
		if !same {
			differs = append(differs, subject)
		}
	}
	if len(missing)+len(differs) == 0 {
		return []Finding{{OK, "the catalogue and the registry agree on " + count(all, "event type", "event types"), ""}}
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, fmt.Sprintf("%d not registered (%s)", len(missing), few(missing)))
	}
	if len(differs) > 0 {
		parts = append(parts, fmt.Sprintf("%d registered otherwise (%s)", len(differs), few(differs)))
	}
	return []Finding{{
		Warn, fmt.Sprintf("the catalogue and the registry differ: of %s %s", count(all, "event type", "event types"), strings.Join(parts, ", ")),
		"register what the catalogue says; \"omnibus up\" does for the registry that it runs",
	}}
}

// registeredAs tells whether the newest version of a subject is what the catalogue says.
func (e *exam) registeredAs(ctx context.Context, spec event.Spec, subject string) (bool, error) {
	text, err := schema.Registrable(spec.Schema)
	if err != nil {
		return false, err
	}
	there, err := e.cfg.Registry.Version(ctx, subject, client.Latest)
	if err != nil {
		return false, err
	}
	canonical, err := schema.Canonical([]byte(there.Text))
	return err == nil && string(canonical) == string(text), nil
}
