package schema

import (
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

type node struct{}

func program(*jsonschema.Schema) *node { return nil }

func (n *node) accepts([]byte, jsonx.Limits) bool { return false }
