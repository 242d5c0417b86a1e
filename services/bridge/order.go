package bridge

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"time"
	"unicode/utf8"

	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// order is one content to be stamped: a stamp request, or an item of a batch.
type order struct {
	text, base64 string // either; both empty is the empty content
	kind         Kind   // empty is Lightweight
	file         File   // without size and metadata
	metadata     map[string]any
	op           event.ID
	at           time.Time
}

// receipt is an order done.
type receipt struct {
	Stamp
	size    int64  // of the content without stamps
	text    string // the stamp as it stands in the content
	content []byte // stamped
	binary  bool   // content is not UTF-8
}

// stampMax bounds the text of a stamp, and with it the metadata that a request may bring: answers and announcements must
// fit where the request did.
const stampMax = 64 << 10

// fill does the order. Its errors are the requester's.
func (o order) fill() (receipt, error) {
	metadata, err := jsonx.Marshal(o.metadata)
	if err != nil {
		return receipt{}, &refusal{path: "/metadata", message: err.Error()}
	}
	if len(metadata) > stampMax {
		return receipt{}, &refusal{path: "/metadata", rule: "maxBytes", message: fmt.Sprintf("metadata of %d bytes, the limit is %d", len(metadata), stampMax)}
	}
	content, err := decodeContent(o.text, o.base64)
	if err != nil {
		return receipt{}, err
	}
	content = Strip(content)
	s := Stamp{Kind: cmp.Or(o.kind, Lightweight), Hash: Sum(content), Time: o.at}
	s.UID = UID(o.op, s.Hash)
	if s.Kind == Rich {
		s.File = o.file
		s.File.Size = int64(len(content))
		if len(o.metadata) > 0 {
			s.File.Metadata = metadata
		}
	}
	text, err := s.Text()
	if err != nil {
		return receipt{}, &refusal{path: "/stamp_type", rule: "enum", message: err.Error()}
	}
	if len(text) > stampMax {
		return receipt{}, &refusal{path: "/metadata", rule: "maxBytes", message: fmt.Sprintf("the stamp would have %d bytes, the limit is %d", len(text), stampMax)}
	}
	stamped, err := Apply(content, s)
	if err != nil {
		return receipt{}, err
	}
	return receipt{Stamp: s, size: int64(len(content)), text: text, content: stamped, binary: !utf8.Valid(stamped)}, nil
}

// announcement tells everyone about the stamp. It depends on the order alone, so that the same order makes the same event.
func (r receipt) announcement(o order) contract.MetadataStamped {
	return contract.MetadataStamped{
		BLAKE3Hash:    r.Hash.String(),
		Namespace:     o.file.Namespace,
		ContentType:   o.file.ContentType,
		StampID:       r.UID.String(),
		FilePath:      o.file.Path,
		FileSizeBytes: &r.size,
		HashAlgorithm: contract.HashAlgorithmBLAKE3,
		StampType:     contract.StampType(r.Kind),
		CreatedAt:     r.Time,
	}
}

// decodeContent returns the content that a request gives as text or as base64.
func decodeContent(text, encoded string) ([]byte, error) {
	switch {
	case encoded == "":
		return []byte(text), nil
	case text != "":
		return nil, &refusal{path: "/content_base64", rule: "oneOf", message: "content and content_base64 are both given, want one"}
	}
	content, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, &refusal{path: "/content_base64", rule: "base64", message: fmt.Sprintf("content_base64: %s", err)}
	}
	return content, nil
}

// refusal is an error of the requester's: no later try will make it good.
type refusal struct {
	path    string // JSON pointer into the request; empty is all of it
	rule    string // that was broken; may be empty
	message string
}

func (r *refusal) Error() string { return r.message }
