package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// AllVersions stands for every version of a subject that its level compares with.
const AllVersions = 0

// Verdict is what the registry says of a schema that is not registered yet.
type Verdict struct {
	Compatible bool
	Messages   []string // why not, in the registry's words
}

// Compatible asks whether s could be the next version of a subject: against one version of it, the [Latest], or [AllVersions]. A
// subject that does not exist yet is compatible with everything.
func (c *Client) Compatible(ctx context.Context, subject string, against int, s Schema) (Verdict, error) {
	name, err := segment(subject)
	if err != nil {
		return Verdict{}, err
	}
	v, err := c.judge(ctx, subject, "/compatibility/subjects/"+name+"/versions"+last(against), s)
	switch {
	case err == nil:
		return v, nil
	case against == AllVersions && errors.Is(err, ErrUnsupported):
		return c.oneByOne(ctx, subject, name, s)
	case against != AllVersions && errors.Is(err, ErrNotFound) && !c.exists(ctx, name):
		return Verdict{Compatible: true}, nil
	}
	return Verdict{}, err
}

func last(against int) string {
	if against == AllVersions {
		return ""
	}
	return "/" + spell(against)
}

// oneByOne asks about each version, the newest first, where the registry does not take the question about all of them.
func (c *Client) oneByOne(ctx context.Context, subject, name string, s Schema) (Verdict, error) {
	numbers, err := c.Versions(ctx, subject)
	if errors.Is(err, ErrNotFound) {
		return Verdict{Compatible: true}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	all := Verdict{Compatible: true}
	for _, n := range slices.Backward(numbers) {
		v, err := c.judge(ctx, subject, "/compatibility/subjects/"+name+"/versions/"+spell(n), s)
		if err != nil {
			return Verdict{}, err
		}
		all.Compatible = all.Compatible && v.Compatible
		for _, m := range v.Messages {
			all.Messages = append(all.Messages, fmt.Sprintf("version %d: %s", n, m))
		}
	}
	return all, nil
}

func (c *Client) judge(ctx context.Context, subject, path string, s Schema) (Verdict, error) {
	var answer struct {
		Is       bool     `json:"is_compatible"`
		Messages []string `json:"messages"`
	}
	err := c.call(ctx, "check compatibility with "+subject, http.MethodPost, path, url.Values{"verbose": {"true"}}, s.wire(), &answer)
	for i, m := range answer.Messages {
		answer.Messages[i] = oneLine(m)
	}
	return Verdict{Compatible: answer.Is, Messages: answer.Messages}, err
}

// exists tells whether a subject has a version. Where that cannot be told it says so.
func (c *Client) exists(ctx context.Context, name string) bool {
	err := c.call(ctx, "list versions", http.MethodGet, "/subjects/"+name+"/versions", nil, nil, nil)
	return !errors.Is(err, ErrNotFound)
}
