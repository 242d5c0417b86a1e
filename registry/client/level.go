package client

import (
	"context"
	"net/http"
	"net/url"
)

// Rule is what the versions of a subject are held to.
type Rule struct {
	Level  string // BACKWARD, FULL_TRANSITIVE, ...
	Policy string // STRICT, LENIENT, ...; empty: the registry has its own, or knows none
}

// Level gives the rule of a subject, which is that of the registry where it has none of its own; the registry's for subject "".
func (c *Client) Level(ctx context.Context, subject string) (Rule, error) {
	path, op, err := setting("/config", "level", subject)
	if err != nil {
		return Rule{}, err
	}
	var answer struct {
		Level  string `json:"compatibilityLevel"`
		Old    string `json:"compatibility"`
		Policy string `json:"compatibilityPolicy"`
	}
	if err := c.call(ctx, "get the "+op, http.MethodGet, path, toGlobal(subject), nil, &answer); err != nil {
		return Rule{}, err
	}
	if answer.Level == "" {
		answer.Level = answer.Old // some answer as they are asked
	}
	return Rule{answer.Level, answer.Policy}, nil
}

// SetLevel sets the rule of a subject, or that of the registry for subject "". It fails with ErrUnsupported where the registry
// takes the level and not the policy.
func (c *Client) SetLevel(ctx context.Context, subject string, r Rule) error {
	path, op, err := setting("/config", "level", subject)
	if err != nil {
		return err
	}
	body := struct {
		Level  string `json:"compatibility"`
		Policy string `json:"compatibilityPolicy,omitempty"`
	}{r.Level, r.Policy}
	if err := c.call(ctx, "set the "+op, http.MethodPut, path, nil, body, nil); err != nil || r.Policy == "" {
		return err
	}
	is, err := c.Level(ctx, subject)
	if err == nil && is.Policy != r.Policy {
		return &Error{Op: "set the policy of " + op, URL: c.URL(), Message: "the level is set, and the policy is not " + r.Policy, kind: ErrUnsupported}
	}
	return err
}

// ClearLevel takes back the rule of a subject, so that the registry's holds again.
func (c *Client) ClearLevel(ctx context.Context, subject string) error {
	path, op, err := setting("/config", "level", subject)
	if err != nil {
		return err
	}
	return c.call(ctx, "clear the "+op, http.MethodDelete, path, nil, nil, nil)
}

// Mode gives the mode of a subject, or the registry's: READWRITE, READONLY, IMPORT.
func (c *Client) Mode(ctx context.Context, subject string) (string, error) {
	path, op, err := setting("/mode", "mode", subject)
	if err != nil {
		return "", err
	}
	var answer struct {
		Mode string `json:"mode"`
	}
	err = c.call(ctx, "get the "+op, http.MethodGet, path, toGlobal(subject), nil, &answer)
	return answer.Mode, err
}

// SetMode sets the mode of a subject, or the registry's.
func (c *Client) SetMode(ctx context.Context, subject, mode string) error {
	path, op, err := setting("/mode", "mode", subject)
	if err != nil {
		return err
	}
	body := struct {
		Mode string `json:"mode"`
	}{mode}
	return c.call(ctx, "set the "+op, http.MethodPut, path, nil, body, nil)
}

func toGlobal(subject string) url.Values {
	if subject == "" {
		return nil
	}
	return url.Values{"defaultToGlobal": {"true"}}
}

func setting(path, what, subject string) (string, string, error) {
	if subject == "" {
		return path, what + " of the registry", nil
	}
	name, err := segment(subject)
	return path + "/" + name, what + " of " + subject, err
}
