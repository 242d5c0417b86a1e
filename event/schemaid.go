package event

import "encoding/binary"

// CutSchemaID parts the classic prefix from a record's value: a zero byte and the id that a schema registry gave to its schema.
// JSON never begins so. Without a prefix ok is false and body is value.
func CutSchemaID(value []byte) (body []byte, id uint32, ok bool) {
	if len(value) < schemaIDSize || value[0] != 0 {
		return value, 0, false
	}
	return value[schemaIDSize:], binary.BigEndian.Uint32(value[1:]), true
}

// AppendSchemaID appends the classic prefix for id to b.
func AppendSchemaID(b []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0), id)
}

const schemaIDSize = 5
