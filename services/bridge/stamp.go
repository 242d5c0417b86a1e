package bridge

import (
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Stamp says that content had a hash at a time.
type Stamp struct {
	Kind Kind
	UID  event.ID
	Hash Hash
	Time time.Time
	File File // only a rich stamp holds it
}

// Kind says how a stamp looks and where it stands.
type Kind string

// The names of the kinds on the wire.
const (
	Lightweight Kind = "lightweight" // one line, first
	Rich        Kind = "rich"        // a block of comments, last
)

// File is what a rich stamp says about the content beside its hash. What is zero is left out, except Size.
type File struct {
	Path        string
	Size        int64 // without stamps
	ContentType string
	Namespace   string
	Metadata    jsonx.Value // a JSON object

	MetadataVersion string // of the metadata in use; 0.1 where it is empty
}

// UID names the stamp that the operation op puts on content with hash h. It is UUIDv5 of op and the hash's hex digits:
// the same operation repeated makes the same stamp.
func UID(op event.ID, h Hash) event.ID {
	return event.DeriveID(op, h.String())
}

// Apply returns content with s in place of the stamps that it has. The error says that s.File.Metadata is not JSON.
func Apply(content []byte, s Stamp) ([]byte, error) {
	content = Strip(content)
	text, err := s.Text()
	if err != nil {
		return nil, err
	}
	eol := lineEnding(content)
	out := make([]byte, 0, len(content)+len(text)+8) // 8: at most four line endings
	switch s.Kind {
	case Rich:
		out = append(out, content...)
		if len(content) > 0 {
			out = append(out, eol...)
		}
		out = appendLines(out, text, eol)
	default:
		out = appendLines(out, text, eol)
		out = append(out, content...)
	}
	return out, nil
}

// Text returns the stamp as it stands in content with LF line endings, without the last of them.
func (s Stamp) Text() (string, error) {
	switch s.Kind {
	case Lightweight:
		return lineText(s), nil
	case Rich:
		return blockText(s)
	default:
		return "", fmt.Errorf("write stamp: unknown kind %q", s.Kind)
	}
}

// Strip returns content without its stamps, of both kinds and however many: what is left has none. It shares content's
// memory and allocates nothing.
func Strip(content []byte) []byte {
	for {
		// The line goes first: of a line, a newline and a block, either may claim the newline, and both orders end at nothing.
		if _, rest, ok := cutLine(content); ok {
			content = rest
			continue
		}
		if _, rest, ok := cutBlock(content); ok {
			content = rest
			continue
		}
		return content
	}
}

// Find returns content's stamps, outermost first, and what is left without them.
func Find(content []byte) (stamps []Stamp, rest []byte) {
	for {
		if s, rest, ok := cutLine(content); ok {
			stamps, content = append(stamps, s), rest
			continue
		}
		if s, rest, ok := cutBlock(content); ok {
			stamps, content = append(stamps, s), rest
			continue
		}
		return stamps, content
	}
}

// Grade judges how long stamping took: A below 1 ms, B below 2 ms, else C.
func Grade(took time.Duration) string {
	switch {
	case took < time.Millisecond:
		return "A"
	case took < 2*time.Millisecond:
		return "B"
	default:
		return "C"
	}
}

// timeFormat is RFC 3339 in milliseconds, as envelopes have it.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"
