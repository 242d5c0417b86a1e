package bus

import "github.com/twmb/franz-go/pkg/kmsg"

// Feature is something that the bus uses of Kafka's protocol.
type Feature struct {
	Request string // by Kafka's name for it
	Version int16  // of the request, or later
	For     string
	Needed  bool // without it the bus does not work; otherwise it does without what For says
}

// features are what the bus uses, with the lowest version of the request that does it.
func features() map[kmsg.Key]Feature {
	need := func(version int16, what string) Feature { return Feature{Version: version, For: what, Needed: true} }
	like := func(version int16, what string) Feature { return Feature{Version: version, For: what} }
	return map[kmsg.Key]Feature{
		kmsg.Produce:         need(3, "records with headers"),
		kmsg.Fetch:           need(4, "records with headers"),
		kmsg.ListOffsets:     need(2, "positions by time, of committed records"),
		kmsg.OffsetCommit:    need(2, "the progress of groups"),
		kmsg.OffsetFetch:     need(1, "the progress of groups"),
		kmsg.JoinGroup:       need(1, "groups"),
		kmsg.InitProducerID:  need(0, "no duplicates by retries"),
		kmsg.CreateTopics:    need(0, "creating topics"),
		kmsg.DescribeConfigs: need(0, "the settings of topics"),
		kmsg.Metadata:        like(10, "ids of topics: a topic that was made anew under its name is noticed before its records are mixed up"),
		kmsg.DeleteGroups:    like(0, "deleting groups"),
	}
}

// lacking lists what of it a broker does not have that takes these versions.
func lacking(versions *kmsg.ApiVersionsResponse) []Feature {
	highest := make(map[kmsg.Key]int16, len(versions.ApiKeys))
	for _, k := range versions.ApiKeys {
		highest[kmsg.Key(k.ApiKey)] = k.MaxVersion
	}
	var out []Feature
	for key := range int16(kmsg.MaxKey + 1) {
		f, used := features()[kmsg.Key(key)]
		if have, ok := highest[kmsg.Key(key)]; used && (!ok || have < f.Version) {
			f.Request = kmsg.Key(key).Name()
			out = append(out, f)
		}
	}
	return out
}
