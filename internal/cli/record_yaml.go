package cli

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// yamlOf is JSON as YAML: members in their order, numbers with their digits.
func yamlOf(text []byte) ([]byte, error) {
	r := jsonx.NewReader(text, jsonx.Limits{})
	defer r.Free()
	node, err := yamlNode(r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func yamlNode(r *jsonx.Reader) (*yaml.Node, error) {
	kind := r.Peek()
	piece, err := r.Next()
	if err != nil {
		return nil, err
	}
	switch kind {
	case '{', '[':
		n := &yaml.Node{Kind: yaml.MappingNode}
		if kind == '[' {
			n.Kind = yaml.SequenceNode
		}
		for end := r.Peek(); end != '}' && end != ']'; end = r.Peek() {
			one, err := yamlNode(r) // a name is a string
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, one)
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		_, err := r.Next()
		return n, err
	case '"':
		n := &yaml.Node{}
		n.SetString(jsonx.Text(piece))
		return n, nil
	case 't', 'f':
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: string(piece)}, nil
	case 'n':
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	default:
		tag := "!!int"
		if bytes.ContainsAny(piece, ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: string(piece)}, nil
	}
}
