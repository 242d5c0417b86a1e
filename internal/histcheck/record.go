package histcheck

// Record is what one place of a topic holds at the end of a run.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Event     Event  // CRC is the sum of what lies there, not what that says of itself
	Valid     bool   // it is a test event, in an envelope of the same id
	Sum       uint32 // of key, value and headers, without those that make a dead letter of a record

	Dead *DeadLetter // where the topic is for dead letters
}

// DeadLetter is what a dead letter says of its origin.
type DeadLetter struct {
	Group     string
	Topic     string
	Partition int32
	Offset    int64
	Lacks     []string // headers that it should have and has not
}
