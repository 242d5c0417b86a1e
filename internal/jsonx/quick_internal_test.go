package jsonx

import (
	"fmt"
	"slices"
	"testing"
)

// FuzzEachAgrees holds the fast way against the decoder: whatever it says yes to, the decoder reads in the same way.
func FuzzEachAgrees(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 , "b":[1,2.5,-0,{"c":null}] , "d":"é\n\"" } `, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":01}`, `{"a":1e5}`, `{"a":-}`, `{"a":1.}`,
		`{"\u0061":1,"a":2}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\x01\"}", `{"a":tru}`, `{"a":true}x`, `{"a":[1,]}`, `{"a":1,}`, `[1]`, `null`, ``, `{"a":"12345678901234567890"}`,
		`{"a":"\u00e9\\"}`, `{"":{"":[]}}`, "{\"a\":\"\x7f\xed\xa0\x80\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(each func([]byte, func([]byte, int, int)) error) (got []string, err error) {
			err = each(b, func(name []byte, from, to int) { got = append(got, fmt.Sprintf("%s %d %d", name, from, to)) })
			return got, err
		}
		quick, quickErr := read(Each)
		slow, slowErr := read(each)
		if (quickErr == nil) != (slowErr == nil) || slowErr == nil && !slices.Equal(quick, slow) {
			t.Errorf("%q: %v %v, the decoder %v %v", b, quick, quickErr, slow, slowErr)
		}
	})
}

// FuzzElementsAgree does the same for arrays.
func FuzzElementsAgree(f *testing.F) {
	for _, s := range []string{`[]`, ` [ 1 , "a" ,{"b":[ ]}, null ] `, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[[1],[]]`, `[1e5,2]`, `["\ud800"]`, `{}`, `1`, ``, `[`, `[{"a":1,"a":2}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(each func([]byte, func(int, int)) error) (got [][2]int, err error) {
			err = each(b, func(from, to int) { got = append(got, [2]int{from, to}) })
			return got, err
		}
		quick, quickErr := read(Elements)
		slow, slowErr := read(elements)
		if (quickErr == nil) != (slowErr == nil) || slowErr == nil && !slices.Equal(quick, slow) {
			t.Errorf("%q: %v %v, the decoder %v %v", b, quick, quickErr, slow, slowErr)
		}
	})
}

// FuzzMemberAgrees: the quick way to a member says what the decoder says, where that has an answer.
func FuzzMemberAgrees(f *testing.F) {
	for _, s := range []string{`{"a":"x"}`, `{"b":1,"a":"x\n"}`, `{"a":1}`, `{"\u0061":"x"}`, `{"b":[{"a":"y"}],"a":"\u00e9"}`, `{"b":{},"c":[],"d":-1.5e3,"a":"z"`, `[]`, `{`, `{"a"}`, ` { "a" : "b" } `, `{"b":01,"a":"x"}`, `{"b":"\ud800","a":"x"}`} {
		f.Add([]byte(s), "a")
	}
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		got, ok := Member(b, name)
		want, wanted := slowMember(b, name)
		if got != want || ok != wanted {
			t.Errorf("%q in %q: %q %v, the decoder %q %v", name, b, got, ok, want, wanted)
		}
	})
}
