package registry

import (
	"cmp"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// Config is what is configured for a subject, or for all of them. What is empty is not: a subject then has what holds for all, and
// for all there are the defaults, FULL_TRANSITIVE and ROLE. Alias, the validations and the defaults and overrides of metadata and
// rules are kept for clients and not acted on.
type Config struct {
	Level  string `json:"compatibilityLevel,omitempty"`
	Policy string `json:"compatibilityPolicy,omitempty"`
	Group  string `json:"compatibilityGroup,omitempty"` // a property of the metadata: only versions with the same value are compared

	Normalize          *bool  `json:"normalize,omitzero"`
	Alias              string `json:"alias,omitempty"`
	ValidateFields     *bool  `json:"validateFields,omitzero"`
	ValidateNewSchemas *bool  `json:"validateNewSchemas,omitzero"`
	ValidateRules      *bool  `json:"validateRules,omitzero"`

	DefaultMetadata  *schema.Metadata `json:"defaultMetadata,omitzero"`
	OverrideMetadata *schema.Metadata `json:"overrideMetadata,omitzero"`
	DefaultRuleSet   *schema.RuleSet  `json:"defaultRuleSet,omitzero"`
	OverrideRuleSet  *schema.RuleSet  `json:"overrideRuleSet,omitzero"`
}

// defaults hold where nothing is configured.
var defaults = Config{Level: "FULL_TRANSITIVE", Policy: "ROLE"}

// over is c where it says something, and below where it does not.
func (c Config) over(below Config) Config {
	return Config{
		Level: cmp.Or(c.Level, below.Level), Policy: cmp.Or(c.Policy, below.Policy), Group: cmp.Or(c.Group, below.Group),
		Normalize: cmp.Or(c.Normalize, below.Normalize), Alias: cmp.Or(c.Alias, below.Alias),
		ValidateFields:     cmp.Or(c.ValidateFields, below.ValidateFields),
		ValidateNewSchemas: cmp.Or(c.ValidateNewSchemas, below.ValidateNewSchemas),
		ValidateRules:      cmp.Or(c.ValidateRules, below.ValidateRules),
		DefaultMetadata:    cmp.Or(c.DefaultMetadata, below.DefaultMetadata),
		OverrideMetadata:   cmp.Or(c.OverrideMetadata, below.OverrideMetadata),
		DefaultRuleSet:     cmp.Or(c.DefaultRuleSet, below.DefaultRuleSet),
		OverrideRuleSet:    cmp.Or(c.OverrideRuleSet, below.OverrideRuleSet),
	}
}

// configUpdate is the body of a change, where the level has another name.
type configUpdate struct {
	Compatibility string `json:"compatibility,omitempty"`
	Config
}

// config is what u says, its names as they are kept.
func (u configUpdate) config() (Config, error) {
	c := u.Config
	if text := cmp.Or(u.Compatibility, c.Level); text != "" {
		level, err := schema.ParseLevel(text)
		if err != nil {
			return c, invalidLevel()
		}
		c.Level = string(level)
	}
	if c.Policy != "" {
		policy, err := schema.ParsePolicy(c.Policy)
		if err != nil {
			return c, invalidPolicy(c.Policy)
		}
		c.Policy = string(policy)
	}
	return c, nil
}

// updated is the answer to a change: as its body, and with what it is called where it is read.
type updated struct {
	Compatibility string `json:"compatibility,omitempty"`
	Config
}

func readConfig(b []byte) (Config, error) {
	var v configValue
	err := jsonx.Unmarshal(b, &v)
	return v.Config, err
}
