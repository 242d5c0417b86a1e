package bridge

import "fmt"

// Verification is what [Verify] finds.
type Verification struct {
	Valid  bool
	Reason string // why it is not valid; empty where it is
	Hash   Hash   // of the content as it is, without its stamps
	Stamps []Stamp
}

// Verify tells whether content is what was stamped: it has a stamp, the hash of every stamp is the content's, and so is
// expected if that is not nil.
func Verify(content []byte, expected *Hash) Verification {
	v := Verification{Hash: Sum(content)}
	v.Stamps, _ = Find(content)
	v.Reason = v.objection(expected)
	v.Valid = v.Reason == ""
	return v
}

func (v Verification) objection(expected *Hash) string {
	if len(v.Stamps) == 0 {
		return "no stamp found"
	}
	for _, s := range v.Stamps {
		if s.Hash != v.Hash {
			return fmt.Sprintf("content differs from its %s stamp: stamped %s, is %s", s.Kind, s.Hash, v.Hash)
		}
	}
	if expected != nil && *expected != v.Hash {
		return fmt.Sprintf("content is not the expected one: expected %s, is %s", *expected, v.Hash)
	}
	return ""
}
