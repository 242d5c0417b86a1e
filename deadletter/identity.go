package deadletter

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Identity tells dead letters apart: which group failed at which record. Two records in a dead-letter topic with one identity
// are one dead letter: its group wrote it twice, or it failed again after it was sent again.
type Identity struct {
	Group     string      `json:"group,omitzero"`
	Topic     event.Topic `json:"topic"`
	TopicID   string      `json:"topic_id,omitzero"` // a topic that was made again has another
	Partition int32       `json:"partition"`
	Offset    int64       `json:"offset"`
}

// IdentityOf is the identity of d. A record that lacks its origin, because nobody of ours put it there, is identified by where
// it lies.
func IdentityOf(d bus.DeadLetter) Identity {
	if d.Origin.Topic == "" || d.Origin.Partition < 0 || d.Origin.Offset < 0 {
		return Identity{Group: d.Group, Topic: d.Topic, Partition: d.Partition, Offset: d.Offset}
	}
	return Identity{Group: d.Group, Topic: d.Origin.Topic, TopicID: d.OriginID, Partition: d.Origin.Partition, Offset: d.Origin.Offset}
}

// idLength is 50 bits: among a million dead letters, two share an id with a probability of 1 in 2,000.
const idLength = 10

var idAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// ID is short and always the same: ten letters and digits.
func (i Identity) ID() string {
	sum := sha256.Sum256([]byte(i.key()))
	return idAlphabet.EncodeToString(sum[:])[:idLength]
}

// key is unique. The group comes last because only it may hold any character.
func (i Identity) key() string {
	topic := i.TopicID
	if topic == "" {
		topic = string(i.Topic)
	}
	return topic + "/" + strconv.Itoa(int(i.Partition)) + "/" + strconv.FormatInt(i.Offset, 10) + "/" + i.Group
}

// isID reports whether s has the form of an id.
func isID(s string) bool {
	if len(s) != idLength {
		return false
	}
	_, err := idAlphabet.DecodeString(s + "000000")
	return err == nil
}

// ParseCoordinates reads "topic/partition@offset".
func ParseCoordinates(s string) (bus.Coordinates, bool) {
	slash, at := strings.LastIndexByte(s, '/'), strings.LastIndexByte(s, '@')
	if slash <= 0 || at < slash {
		return bus.Coordinates{}, false
	}
	partition, err := strconv.ParseInt(s[slash+1:at], 10, 32)
	if err != nil || partition < 0 {
		return bus.Coordinates{}, false
	}
	offset, err := strconv.ParseInt(s[at+1:], 10, 64)
	if err != nil || offset < 0 {
		return bus.Coordinates{}, false
	}
	return bus.Coordinates{Topic: event.Topic(s[:slash]), Partition: int32(partition), Offset: offset}, true
}
