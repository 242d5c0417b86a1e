package jsonx_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

func FuzzTextOrBase64IsLossless(f *testing.F) {
	f.Add([]byte(nil), true)
	f.Add([]byte{}, false)
	f.Add([]byte("text"), false)
	f.Add([]byte{0xff, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, null bool) {
		if null {
			b = nil
		}
		text, b64 := jsonx.TextOrBase64(b)
		if text != nil && b64 != nil {
			t.Fatal("both")
		}
		got, err := jsonx.FromTextOrBase64(text, b64)
		if err != nil || !bytes.Equal(got, b) || (got == nil) != (b == nil) {
			t.Errorf("%q became %q (%v)", b, got, err)
		}
	})
}

func TestFromTextOrBase64Refuses(t *testing.T) {
	text, wrong := "a", "!"
	for name, b64 := range map[string]*string{"is there twice, as text and as base64": new("YQ=="), "is not base64": &wrong} {
		with := &text
		if b64 == &wrong {
			with = nil
		}
		if _, err := jsonx.FromTextOrBase64(with, b64); err == nil || err.Error() != name {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

func TestKeeps(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for value, want := range map[string]bool{
		nested(1000): true, nested(1001): false, nested(10_000): false, `{"a":[` + strings.Repeat("{},", 5000) + `{}]}`: true,
		`{"a":1}`: true, `{"a": 1}`: false, `{"a":1}x`: false, `[1]`: false, "": false, `{"b":1,"a":2}`: true, "{\"a\":\"\xff\"}": false,
	} {
		if got := jsonx.Keeps([]byte(value)); got != want {
			t.Errorf("Keeps(%q) = %v", value, got)
		}
	}
}

// FuzzKeeps: the short way says nothing else than the library.
func FuzzKeeps(f *testing.F) {
	for _, s := range []string{`{"a":1.0,"b":[1,{"c":"x y"}],"d":null}`, `{"a":"\u0041"}`, `{"a" :1}`, `{"a":1,"a":2}`, "{\"a\":\"\u2028<>&\u007f\"}", `{"a":-0}`, `{}`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		out, err := jsonx.Marshal(jsonx.Value(value))
		want := len(value) > 0 && value[0] == '{' && err == nil && bytes.Equal(out, value)
		if got := jsonx.Keeps(value); got != want {
			t.Errorf("Keeps(%q) = %v, want %v", value, got, want)
		}
	})
}
