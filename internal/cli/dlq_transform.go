package cli

import (
	"context"
	"errors"

	"github.com/itchyny/gojq"

	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// sampleItem is what a transformation makes of one dead letter.
type sampleItem struct {
	ID   string   `json:"id"`
	Diff []string `json:"diff"`
}

// transformOf compiles the jq expression of a retry. It gets the whole event and has to give the whole event, once.
func transformOf(text string) (deadletter.Transform, error) {
	x, err := compileJQ("--transform", text)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, value []byte) ([]byte, error) {
		tree, err := jsonx.Tree(value, jsonx.Limits{})
		if err != nil {
			return nil, errors.New("the event is not JSON")
		}
		var out []byte
		results := 0
		err = x.results(ctx, tree, func(v any) bool {
			results++
			out, err = gojq.Marshal(v)
			return err == nil && results < 2
		})
		switch {
		case err != nil:
			return nil, err
		case results != 1:
			return nil, &unfitError{x.flag, "it must give one event for one event"}
		}
		return out, nil
	}, nil
}

// printSamples shows what a transformation does to the first dead letters of a plan.
func (a *app) printSamples(samples []deadletter.Sample) error {
	for _, s := range samples {
		if err := a.printf("\n%s\n", a.paint(bold, s.ID)); err != nil {
			return err
		}
		if err := a.printDiff(diffLines(indented(s.Before), indented(s.After))); err != nil {
			return err
		}
	}
	return nil
}

// indented is JSON for people, with its members in one order, and anything else as it is.
func indented(value []byte) string {
	if tree, err := jsonx.Tree(value, jsonx.Limits{}); err == nil {
		if sorted, err := gojq.Marshal(tree); err == nil {
			value = sorted
		}
	}
	if b, err := jsonx.Indent(value); err == nil {
		return string(b)
	}
	return string(value)
}
