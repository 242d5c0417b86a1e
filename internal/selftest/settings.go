package selftest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/omninode-ai/omnibus/event"
)

// settings looks at what the cluster made of the topics, and warns of what weakens the promises.
func (s *suite) settings(ctx context.Context) (replication int, warnings []string, err error) {
	infos, err := s.b.Topics(ctx, event.Glob(s.run.topic("published")))
	if err != nil {
		return 0, nil, err
	}
	t := infos[0] // a name that is no pattern is there, or an error
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	switch t.Replication {
	case 1:
		warn("replication factor 1: an event is gone with the disk of one broker")
	case 2:
		warn("replication factor 2: while one broker is away there is one copy, or no writing")
	}
	inSync, err := strconv.Atoi(t.Configs["min.insync.replicas"])
	switch {
	case err != nil && t.Replication > 1:
		warn("min.insync.replicas is not shown by the cluster: acks=all may mean one copy")
	case err == nil && inSync < 2 && t.Replication > 1:
		warn("min.insync.replicas is %d: acks=all may mean one copy", inSync)
	case err == nil && inSync >= t.Replication && t.Replication > 1:
		warn("min.insync.replicas is %d with %d copies: no broker may be away", inSync, t.Replication)
	}
	if t.Configs["unclean.leader.election.enable"] == "true" {
		warn("unclean.leader.election.enable is true: a broker that is behind may become leader, and acknowledged events are gone")
	}
	if n := len(t.Partitions); n != s.run.Partitions {
		warn("the cluster made %d partitions in place of %d", n, s.run.Partitions)
	}
	return t.Replication, warnings, nil
}
