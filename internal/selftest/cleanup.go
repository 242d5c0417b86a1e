package selftest

import (
	"context"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// cleanUp removes the topics and groups of the run and returns what is left. A group whose member was killed can only be removed
// once the cluster has noticed.
func (s *suite) cleanUp(ctx context.Context) (left []string) {
	var topics []event.Topic
	groups := map[string]bool{}
	for _, o := range operations {
		topics = append(topics, s.run.topic(o), s.run.topic(o).DLQ())
		groups[s.run.group(o)] = true
	}
	if s.cfg.Keep {
		return s.names(topics, groups)
	}
	s.cfg.Progress("removing topics " + s.run.Prefix() + "* and groups " + s.run.Name + "-*")
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SessionTimeout+20*time.Second)
	defer cancel()
	for {
		for g := range groups {
			if s.b.DeleteGroups(ctx, g) == nil {
				delete(groups, g)
			}
		}
		if len(groups) == 0 || !pause(ctx, 500*time.Millisecond) {
			break
		}
	}
	if s.b.DeleteTopics(ctx, topics...) == nil {
		topics = nil
	}
	return s.names(topics, groups)
}

func (s *suite) names(topics []event.Topic, groups map[string]bool) []string {
	var out []string
	if len(topics) > 0 {
		out = append(out, "topics "+s.run.Prefix()+"*")
	}
	if len(groups) > 0 {
		out = append(out, "groups "+s.run.Name+"-*")
	}
	return out
}
