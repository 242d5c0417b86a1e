package bus

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker of today answers a commit with ids in place of names. The client puts the names in, but not into an answer that comes
// after its session has ended: a refusal that is not recognised there would pass for a commit.
func TestRefusedCommitIsRecognisedWithoutTheTopicsName(t *testing.T) {
	id := [16]byte{1}
	req := kmsg.NewPtrOffsetCommitRequest()
	asked := kmsg.NewOffsetCommitRequestTopic()
	asked.Topic, asked.TopicID = "a", id
	for n := range int32(3) {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition = n
		asked.Partitions = append(asked.Partitions, p)
	}
	req.Topics = append(req.Topics, asked)
	for _, name := range []string{"", "a"} {
		resp := kmsg.NewPtrOffsetCommitResponse()
		answer := kmsg.NewOffsetCommitResponseTopic()
		answer.Topic, answer.TopicID = name, id
		for n, code := range []int16{0, kerr.IllegalGeneration.Code} { // nothing about partition 2
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = int32(n), code
			answer.Partitions = append(answer.Partitions, p)
		}
		resp.Topics = append(resp.Topics, answer)
		refused := refusals(req, resp)
		if err := refused[partitionID{"a", 0}]; err != nil {
			t.Errorf("topic %q: partition 0: %v, want none", name, err)
		}
		if err := refused[partitionID{"a", 1}]; !errors.Is(err, kerr.IllegalGeneration) {
			t.Errorf("topic %q: partition 1: %v, want %v", name, err, kerr.IllegalGeneration)
		}
		if err := refused[partitionID{"a", 2}]; !errors.Is(err, errNotAnswered) {
			t.Errorf("topic %q: partition 2: %v, want %v", name, err, errNotAnswered)
		}
		if len(refused) != 2 {
			t.Errorf("topic %q: %d refusals, want 2: %v", name, len(refused), refused)
		}
	}
}

// A member that was taken for a new one holds what another may have moved on: it must not take that back.
func TestPositionIsCommittedOnlyByTheMemberThatItWasGivenTo(t *testing.T) {
	at := func(number int32, member string) position {
		return position{part: &partition{id: partitionID{"a", number}}, member: member, offset: 7, metadata: "m"}
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.MemberID = "new"
	asked := kmsg.NewOffsetCommitRequestTopic()
	asked.Topic = "a"
	for n := range int32(2) {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition = n
		asked.Partitions = append(asked.Partitions, p)
	}
	req.Topics = append(req.Topics, asked)
	withheld := completeCommit(req, []position{at(0, "old"), at(1, "new")})
	if len(withheld) != 1 || !errors.Is(withheld[partitionID{"a", 0}], errNewMember) {
		t.Errorf("withheld: %v, want partition 0", withheld)
	}
	if len(req.Topics) != 1 || len(req.Topics[0].Partitions) != 1 || req.Topics[0].Partitions[0].Partition != 1 {
		t.Fatalf("the request asks for %+v, want partition 1", req.Topics)
	}
	if m := req.Topics[0].Partitions[0].Metadata; m == nil || *m != "m" {
		t.Errorf("metadata %v, want \"m\"", m)
	}
	if withheld := completeCommit(req, []position{at(1, "old")}); len(withheld) != 1 || len(req.Topics) != 0 {
		t.Errorf("withheld: %v of a request that asks for %+v, want all and none", withheld, req.Topics)
	}
}
