package event

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/google/uuid"
)

// ID names one event for ever. Ours are UUIDs of version 4, or of version 5 where the same work must give the same id
// again; any UUID is read. The zero ID means "none".
type ID [16]byte

// idSpace is the namespace of the ids that Omnibus derives: UUIDv5 of "omnibus.omninode.ai" in the DNS namespace.
var idSpace = uuid.NewSHA1(uuid.NameSpaceDNS, []byte("omnibus.omninode.ai"))

// NewID returns a random ID (UUIDv4).
func NewID() ID { return ID(uuid.New()) }

// DeriveID returns the UUIDv5 of name within space. The same two give the same ID, on any machine.
func DeriveID(space ID, name string) ID { return ID(uuid.NewSHA1(uuid.UUID(space), []byte(name))) }

// IDAt is the id of a record that carries none: the UUIDv5 of its coordinates.
func IDAt(topic Topic, partition int32, offset int64) ID {
	name := string(topic) + "/" + strconv.FormatInt(int64(partition), 10) + "/" + strconv.FormatInt(offset, 10)
	return DeriveID(ID(idSpace), name)
}

// ParseID reads a UUID in its usual text form.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, fmt.Errorf("parse event id: %d characters, a UUID has 36", len(s))
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return ID{}, fmt.Errorf("parse event id: %w", err)
	}
	return ID(u), nil
}

// String returns the usual text form, in lower case.
func (id ID) String() string { return uuid.UUID(id).String() }

// AppendText implements [encoding.TextAppender]. It never fails.
func (id ID) AppendText(b []byte) ([]byte, error) {
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(b, text[:]...), nil
}

// IsZero reports whether id is none.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// CorrelationID links the events of one flow. Ours are UUIDs; any 1–128 printable characters are read and echoed unchanged.
type CorrelationID string

// Valid reports whether c is 1–128 printable characters.
func (c CorrelationID) Valid() bool {
	n := 0
	for _, r := range string(c) {
		if n++; n > 128 || (r < ' ' || r > '~') && !strconv.IsPrint(r) {
			return false
		}
	}
	return n > 0 && utf8.ValidString(string(c))
}
