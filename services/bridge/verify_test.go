package bridge_test

import (
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/services/bridge"
)

func TestVerify(t *testing.T) {
	content := []byte("one\ntwo\n")
	line := string(apply(t, content, stampFor(bridge.Lightweight, content)))
	block := string(apply(t, content, stampFor(bridge.Rich, content)))
	other := text(t, stampFor(bridge.Lightweight, []byte("other")))
	right, wrong := bridge.Sum(content), bridge.Sum([]byte("other"))
	tests := map[string]struct {
		content  string
		expected *bridge.Hash
		stamps   int
		reason   string // its beginning
	}{
		"line":                             {content: line, stamps: 1},
		"block":                            {content: block, stamps: 1},
		"the expected hash":                {content: line, expected: &right, stamps: 1},
		"another expected hash":            {content: line, expected: &wrong, stamps: 1, reason: "content is not the expected one"},
		"no stamp":                         {content: string(content), reason: "no stamp found"},
		"no stamp but the expected hash":   {content: string(content), expected: &right, reason: "no stamp found"},
		"a space more":                     {content: line + " ", stamps: 1, reason: "content differs from its lightweight stamp"},
		"the final newline gone":           {content: strings.TrimSuffix(line, "\n"), stamps: 1, reason: "content differs from its lightweight stamp"},
		"a word above the block":           {content: "x" + block, stamps: 1, reason: "content differs from its rich stamp"},
		"two stamps of which one is right": {content: other + "\n" + block, stamps: 2, reason: "content differs from its lightweight stamp"},
		"nothing":                          {content: "", reason: "no stamp found"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := bridge.Verify([]byte(tt.content), tt.expected)
			if v.Valid != (tt.reason == "") || !strings.HasPrefix(v.Reason, tt.reason) {
				t.Errorf("valid %t, reason %q, want %q", v.Valid, v.Reason, tt.reason)
			}
			if len(v.Stamps) != tt.stamps {
				t.Errorf("%d stamps, want %d", len(v.Stamps), tt.stamps)
			}
			if want := bridge.Sum([]byte(tt.content)); v.Hash != want {
				t.Errorf("hash %s, want %s", v.Hash, want)
			}
		})
	}
}
