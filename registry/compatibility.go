package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/schema"
)

// maxOldSchema is how much of an older schema the explanation of a refusal shows.
const maxOldSchema = 10 << 10

// fits holds c against the versions of subject, by what is configured. What other kinds of schemas the subject has do not fit.
func (s *state) fits(subject string, c *content, cfg Config) error {
	messages, err := s.misfits(c, s.versions(subject, live), cfg)
	switch {
	case err != nil:
		return err
	case len(messages) > 0:
		return incompatible(subject, "["+strings.Join(messages, ", ")+"]")
	}
	return nil
}

// misfits explains, in the manner of such registries, why c does not fit to older versions; nothing where it does.
func (s *state) misfits(c *content, older []*version, cfg Config) ([]string, error) {
	if cfg.Level == string(schema.None) {
		return nil, nil
	}
	var versions []schema.Version
	for _, v := range older {
		if cfg.Group != "" && property(v.content, cfg.Group) != property(c, cfg.Group) {
			continue
		}
		if v.typ != c.typ {
			return []string{"Incompatible because of different schema type", fmt.Sprintf("{oldSchemaVersion: %d}", v.number)}, nil
		}
		text, err := s.bundle(v.content)
		if err != nil {
			return nil, err
		}
		versions = append(versions, schema.Version{Number: v.number, Schema: text})
	}
	if len(versions) == 0 {
		return nil, nil
	}
	text, err := s.bundle(c)
	if err != nil {
		return nil, err
	}
	verdict, err := schema.Check(text, versions, schema.Level(cfg.Level), schema.Policy(cfg.Policy))
	if err != nil {
		return nil, invalidSchema("it cannot be compared: %v", err)
	}
	if verdict.Compatible {
		return nil, nil
	}
	return explain(verdict, older, cfg), nil
}

// explain lists what breaks, and against which version.
func explain(verdict schema.Verdict, older []*version, cfg Config) []string {
	var out []string
	against := 0
	for _, d := range verdict.Differences {
		if !d.Breaking {
			continue
		}
		against = d.Against
		out = append(out, fmt.Sprintf("{errorType:%q, description:%q}", d.Type, d.Message+" at '"+d.Path+"'"))
	}
	if i := slices.IndexFunc(older, func(v *version) bool { return v.number == against }); i >= 0 {
		text := older[i].text
		if len(text) > maxOldSchema {
			text = strings.ToValidUTF8(text[:maxOldSchema], "") + "…"
		}
		out = append(out, fmt.Sprintf("{oldSchemaVersion: %d}", against), "{oldSchema: '"+text+"'}")
	}
	validate := "false"
	if cfg.ValidateFields != nil && *cfg.ValidateFields {
		validate = "true"
	}
	return append(out, fmt.Sprintf("{validateFields: '%s', compatibility: '%s'}", validate, cfg.Level))
}

// property is the value of a property of the metadata.
func property(c *content, name string) string {
	if c.metadata == nil {
		return ""
	}
	return c.metadata.Properties[name]
}

// verdict answers whether r could be registered after one version of subject, or after all that count where number is 0.
func (s *state) verdict(subject string, r registration, number int, normalize bool) ([]string, error) {
	cfg := s.config(subject)
	c, err := r.content(normalize || cfg.Normalize != nil && *cfg.Normalize)
	if err != nil {
		return nil, err
	}
	if c.refs, err = s.fixed(c.refs); err != nil {
		return nil, err
	}
	older := s.versions(subject, live)
	if number > 0 {
		older = slices.DeleteFunc(older, func(v *version) bool { return v.number != number })
		if len(older) == 0 {
			return nil, versionNotFound(number)
		}
	}
	if err := s.sound(c); err != nil {
		return nil, err
	}
	messages, err := s.misfits(c, older, cfg)
	if wrong, ok := errors.AsType[*Error](err); ok {
		return []string{wrong.Message}, nil
	}
	return messages, err
}
