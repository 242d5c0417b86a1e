package bridge_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/services/bridge"
)

func TestSumIsBLAKE3OfTheExactBytes(t *testing.T) {
	// From the BLAKE3 authors' test vectors: the empty input, and byte 0.
	for content, want := range map[string]string{
		"":     "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		"\x00": "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
	} {
		if got := bridge.Sum([]byte(content)).String(); got != want {
			t.Errorf("hash of %q is %s, want %s", content, got, want)
		}
	}
	seen := make(map[bridge.Hash]string)
	for _, content := range []string{"a", "a\n", "a\r\n", " a", "a\n\n\n", "a\n\n", "\ufeffa"} {
		h := bridge.Sum([]byte(content))
		if other, ok := seen[h]; ok {
			t.Errorf("%q and %q have one hash", content, other)
		}
		seen[h] = content
	}
}

func TestParseHash(t *testing.T) {
	want := bridge.Sum(nil)
	if got, err := bridge.ParseHash(want.String()); err != nil || got != want {
		t.Errorf("parsed %s, %v, want %s", got, err, want)
	}
	for _, s := range []string{"", "af", strings.ToUpper(want.String()), want.String() + "0", strings.Repeat("g", 64)} {
		if got, err := bridge.ParseHash(s); err == nil {
			t.Errorf("%q was read as %s", s, got)
		}
	}
}

func TestHashRoundTripsThroughJSON(t *testing.T) {
	want := bridge.Sum([]byte("x"))
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got bridge.Hash
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("read %s back as %s, %v", b, got, err)
	}
	if err := json.Unmarshal([]byte(`"abc"`), &got); err == nil {
		t.Error("a short hash was read")
	}
}
