package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// SubjectPlan is what has to be done so that subjects are what they should be, in order.
type SubjectPlan struct {
	Changes []SubjectChange `json:"changes"`
}

// Doable counts the changes that are not left.
func (p SubjectPlan) Doable() (n int) {
	for _, c := range p.Changes {
		if c.Left == "" {
			n++
		}
	}
	return n
}

// StalePlanError means that the registry is not any more what it was when a plan was made.
type StalePlanError struct{ Changed []string }

func (e *StalePlanError) Error() string { return "the plan is out of date: " + e.Changed[0] }

const asked = 8 // at once

// PlanSubjects compares the registry with what is desired. It changes nothing. A level that protects less than before is left, unless
// loosen says otherwise; nothing is ever deleted.
func (c *Client) PlanSubjects(ctx context.Context, loosen bool, desired ...DesiredSubject) (SubjectPlan, error) {
	desired = inOrder(desired)
	changes := make([][]SubjectChange, len(desired))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asked)
	for i, d := range desired {
		group.Go(func() error {
			have, err := c.state(ctx, d)
			changes[i] = diffSubject(d, have, loosen)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return SubjectPlan{}, fmt.Errorf("plan subjects: %w", err)
	}
	return SubjectPlan{Changes: slices.Concat(changes...)}, nil
}

// state asks for what the plan of d depends on.
func (c *Client) state(ctx context.Context, d DesiredSubject) (have subjectState, err error) {
	if have.rule, err = c.Level(ctx, d.Subject); err != nil {
		return have, err
	}
	if d.Subject == "" {
		return have, nil
	}
	latest, err := c.Version(ctx, d.Subject, Latest)
	switch {
	case errors.Is(err, ErrNotFound):
		return subjectState{rule: have.rule, verdict: Verdict{Compatible: true}}, nil
	case err != nil:
		return have, err
	}
	have.version, have.id = latest.Version, latest.ID
	if d.Schema.Text == "" {
		return have, nil
	}
	is, err := c.Lookup(ctx, d.Subject, d.Schema)
	switch {
	case err == nil:
		have.same = is.Version
		return have, nil
	case !errors.Is(err, ErrNotFound):
		return have, err
	}
	have.verdict, err = c.Compatible(ctx, d.Subject, AllVersions, d.Schema)
	return have, err
}

// ApplySubjects makes the changes of p that are not left: levels first, then versions. Where the registry is not any more what p was
// made for it is a [StalePlanError], and nothing is changed. It stops at the first change that fails, and says how many were made.
func (c *Client) ApplySubjects(ctx context.Context, p SubjectPlan) (made int, err error) {
	todo := slices.DeleteFunc(slices.Clone(p.Changes), func(c SubjectChange) bool { return c.Left != "" })
	slices.SortStableFunc(todo, func(x, y SubjectChange) int { return rank(x) - rank(y) })
	if err := c.stillHolds(ctx, todo); err != nil {
		return 0, fmt.Errorf("apply subjects: %w", err)
	}
	for _, change := range todo {
		switch change.Do {
		case stepLevel:
			err = c.SetLevel(ctx, change.Subject, ParseRule(change.Want))
		case stepRegister:
			_, err = c.Register(ctx, change.Subject, *change.Schema)
		}
		if err != nil {
			return made, fmt.Errorf("apply subjects: %w", err)
		}
		made++
	}
	return made, nil
}

func rank(c SubjectChange) int {
	if c.Do == stepLevel {
		return 0
	}
	return 1
}

// stillHolds checks that the registry is what the changes were made for.
func (c *Client) stillHolds(ctx context.Context, changes []SubjectChange) error {
	changed := make([]string, len(changes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asked)
	for i, change := range changes {
		group.Go(func() error {
			have, err := c.state(ctx, DesiredSubject{Subject: change.Subject})
			if err != nil {
				return err
			}
			is := have.latest()
			if change.Do == stepLevel {
				is = have.rule.String()
			}
			if is != change.Have {
				changed[i] = fmt.Sprintf("%s of %s was %s, and is %s now", what(change), named(change.Subject), orNothing(change.Have), orNothing(is))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if changed = slices.DeleteFunc(changed, func(s string) bool { return s == "" }); len(changed) > 0 {
		return &StalePlanError{changed}
	}
	return nil
}

func what(c SubjectChange) string {
	if c.Do == stepLevel {
		return "the level"
	}
	return "the latest version"
}

func named(subject string) string {
	if subject == "" {
		return "the registry"
	}
	return subject
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
