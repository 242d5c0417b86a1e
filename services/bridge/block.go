package bridge

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const (
	blockStart = "<!-- ONEX_METADATA_START -->"
	blockEnd   = "<!-- ONEX_METADATA_END -->"
	bodyStart  = "<!-- "
	bodyEnd    = " -->"
)

// block is the JSON in a rich stamp.
type block struct {
	UID             string      `json:"uid"`
	Hash            string      `json:"hash"`
	Timestamp       string      `json:"timestamp"`
	ProtocolVersion string      `json:"protocol_version"`
	MetadataVersion string      `json:"metadata_version"`
	FilePath        string      `json:"file_path,omitzero"`
	FileSize        int64       `json:"file_size"`
	ContentType     string      `json:"content_type,omitzero"`
	Namespace       string      `json:"namespace,omitzero"`
	Integrity       integrity   `json:"integrity"`
	Metadata        jsonx.Value `json:"metadata,omitzero"`
}

type integrity struct {
	Algorithm string `json:"algorithm"`
	Hash      string `json:"hash"`
}

// What this package writes; it reads any version.
const (
	protocolVersion = "1.0"
	metadataVersion = "0.1"
	hashAlgorithm   = "BLAKE3"
)

func blockText(s Stamp) (string, error) {
	b, err := jsonx.Marshal(block{
		UID:             s.UID.String(),
		Hash:            s.Hash.String(),
		Timestamp:       s.Time.UTC().Format(timeFormat),
		ProtocolVersion: protocolVersion,
		MetadataVersion: strings.ToValidUTF8(cmp.Or(s.File.MetadataVersion, metadataVersion), "\uFFFD"),
		FilePath:        strings.ToValidUTF8(s.File.Path, "\uFFFD"),
		FileSize:        s.File.Size,
		ContentType:     strings.ToValidUTF8(s.File.ContentType, "\uFFFD"),
		Namespace:       strings.ToValidUTF8(s.File.Namespace, "\uFFFD"),
		Integrity:       integrity{Algorithm: hashAlgorithm, Hash: s.Hash.String()},
		Metadata:        s.File.Metadata,
	})
	if err != nil {
		return "", fmt.Errorf("write rich stamp: %w", err)
	}
	// Outside its strings JSON has neither of these, and in a comment both end it (HTML the one, XML the other).
	body := strings.NewReplacer("--", `-\u002d`, ">", `\u003e`).Replace(string(b))
	return blockStart + "\n" + bodyStart + body + bodyEnd + "\n" + blockEnd, nil
}

// cutBlock cuts a rich stamp, and the line ending that separates it from what is above it, off the end of content. All
// its line endings are the same; the one after it may be missing.
func cutBlock(content []byte) (s Stamp, rest []byte, ok bool) {
	for _, eol := range [...]string{"\n", "\r\n"} {
		if s, rest, ok = cutBlockLines(content, eol); ok {
			return s, rest, true
		}
	}
	return Stamp{}, content, false
}

func cutBlockLines(content []byte, eol string) (s Stamp, rest []byte, ok bool) {
	rest, ok = bytes.CutSuffix(bytes.TrimSuffix(content, []byte(eol)), []byte(bodyEnd+eol+blockEnd))
	if !ok {
		return Stamp{}, content, false
	}
	i := bytes.LastIndexByte(rest, '\n') + 1
	body, ok := bytes.CutPrefix(rest[i:], []byte(bodyStart))
	if !ok {
		return Stamp{}, content, false
	}
	if rest, ok = bytes.CutSuffix(rest[:i], []byte(blockStart+eol)); !ok {
		return Stamp{}, content, false
	}
	if len(rest) > 0 {
		if rest, ok = bytes.CutSuffix(rest, []byte(eol)); !ok {
			return Stamp{}, content, false
		}
	}
	if s, ok = parseBlock(body); !ok {
		return Stamp{}, content, false
	}
	return s, rest, true
}

func parseBlock(body []byte) (Stamp, bool) {
	var b block
	if err := jsonx.Unmarshal(body, &b); err != nil {
		return Stamp{}, false
	}
	if b.Integrity != (integrity{Algorithm: hashAlgorithm, Hash: b.Hash}) {
		return Stamp{}, false
	}
	s, ok := parseStamp(Rich, b.UID, b.Hash, b.Timestamp)
	s.File = File{
		Path: b.FilePath, Size: b.FileSize, ContentType: b.ContentType, Namespace: b.Namespace,
		Metadata: b.Metadata, MetadataVersion: b.MetadataVersion,
	}
	return s, ok
}
