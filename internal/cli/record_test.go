package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
)

func TestHeaderDocIsLossless(t *testing.T) {
	for _, h := range []bus.Header{
		{Name: "x", Value: []byte("y")}, {Name: "", Value: []byte{}}, {Name: "none"}, {Name: "\xff", Value: []byte{0xfe, 0}},
	} {
		got, member, err := headerDocOf(h).header()
		if err != nil {
			t.Errorf("%s: %v", member, err)
		}
		if diff := cmp.Diff(h, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
