package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

// Schemas lets a bus ask a schema registry of any make.
type Schemas struct{ Registry *client.Client }

var _ bus.SchemaSource = Schemas{}

// FindSchema asks the registry. That it has none is a [bus.ErrNoSchema]; every other error means that nothing is known now.
func (s Schemas) FindSchema(ctx context.Context, ref bus.SchemaRef) (bus.FoundSchema, error) {
	found, err := s.find(ctx, ref)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return bus.FoundSchema{}, fmt.Errorf("%w: %w", bus.ErrNoSchema, err)
	case err != nil:
		return bus.FoundSchema{}, err
	}
	out := bus.FoundSchema{ID: uint32(found.ID), GUID: guidOf(found)} //nolint:gosec // an id has 31 bits
	if found.Type == client.JSON {
		out.Text = []byte(found.Text)
	}
	return out, nil
}

func (s Schemas) find(ctx context.Context, ref bus.SchemaRef) (client.Registered, error) {
	switch {
	case ref.GUID != [16]byte{}:
		found, err := s.Registry.ByGUID(ctx, schema.GUIDText(ref.GUID))
		if errors.Is(err, client.ErrUnsupported) {
			return s.amongVersions(ctx, ref)
		}
		return found, err
	case ref.ID != 0:
		return s.Registry.ByID(ctx, int(ref.ID))
	case ref.Text != nil:
		return s.Registry.Lookup(ctx, ref.Subject, client.Schema{Text: string(ref.Text)})
	}
	return s.Registry.Version(ctx, ref.Subject, client.Latest)
}

// amongVersions finds a GUID where the registry knows none: it is made of the content alone, so that the versions of the subject
// tell theirs.
func (s Schemas) amongVersions(ctx context.Context, ref bus.SchemaRef) (client.Registered, error) {
	if _, err := s.Registry.Probe(ctx); err != nil {
		return client.Registered{}, err
	}
	numbers, err := s.Registry.Versions(ctx, ref.Subject)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return client.Registered{}, err
	}
	for _, n := range slices.Backward(numbers) {
		found, err := s.Registry.Version(ctx, ref.Subject, n)
		switch {
		case err != nil && !errors.Is(err, client.ErrNotFound): // it may have been deleted a moment ago
			return client.Registered{}, err
		case err == nil && guidOf(found) == ref.GUID:
			return found, nil
		}
	}
	return client.Registered{}, fmt.Errorf("%w: no version of %s is it, and %s knows no GUIDs", client.ErrNotFound, ref.Subject, s.Registry.URL())
}

// guidOf is the GUID that the registry says, or else that of the content.
func guidOf(r client.Registered) [16]byte {
	if id, err := uuid.Parse(r.GUID); err == nil {
		return id
	}
	refs := make([]schema.Reference, len(r.References))
	for i, ref := range r.References {
		refs[i] = schema.Reference(ref)
	}
	return schema.GUID(r.Text, refs, nil, nil)
}
