package broker

import "time"

// Report is what a start found in the data directory.
type Report struct {
	// Fresh says that the directory held no broker's data.
	Fresh bool
	// Clean says that the last stop was clean and every file matched its hash.
	Clean bool
	// Segments and Bytes count the segments of records that were verified.
	Segments int
	Bytes    int64
	// Producers counts the producers' windows rebuilt from the segments, one for each producer and partition.
	Producers int
	// Cuts lists the incomplete entries that were cut from the ends of files.
	Cuts []Cut
	// Took is how long it took.
	Took time.Duration
}

// Cut is an incomplete entry that was cut from the end of a file. It had not been acknowledged.
type Cut struct {
	File   string
	Offset int64 // where it began, which is the file's new length
	Bytes  int64
}
