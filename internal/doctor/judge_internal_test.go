package doctor

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/stack"
)

const (
	noted  event.Topic = "omninode.test.event.noted.v1"
	echoed event.Topic = "omninode.test.event.echoed.v1"
)

// verdict is what a rule is expected to find: the worst status, and words that are in what it says.
type verdict struct {
	name  string
	found []Finding
	want  Status
	says  string
}

func judged(t *testing.T, all []verdict) {
	t.Helper()
	for _, v := range all {
		worst := Skip
		var s strings.Builder
		for _, f := range v.found {
			if f.Status.rank() > worst.rank() {
				worst = f.Status
			}
			if (f.Status == Warn || f.Status == Fail) && f.Fix == "" {
				t.Errorf("%s: no fix for %q", v.name, f.What)
			}
			s.WriteString(f.What + "\n")
		}
		text := s.String()
		if worst != v.want || !strings.Contains(text, v.says) {
			t.Errorf("%s: %s, %q; want %s, and %q in it", v.name, worst, text, v.want, v.says)
		}
	}
}

func TestUnknownAndConflictingVariablesAreNamed(t *testing.T) {
	known := []Setting{
		{Name: "KAFKA_BOOTSTRAP_SERVERS", Also: []string{"KAFKA_BROKERS", "RPK_BROKERS"}}, {Name: "OMNIBUS_TIMEOUT"}, {Name: "OMNIBUS_OUTPUT"},
	}
	rule := func(env map[string]string) []Finding {
		return checkEnvironment(t.Context(), &exam{cfg: Config{Env: env, Known: known}})
	}
	judged(t, []verdict{
		{"nothing set", rule(nil), OK, "0 variables are set"},
		{"all known", rule(map[string]string{"KAFKA_BROKERS": "a:1", "OMNIBUS_TIMEOUT": "1s", "HOME": "/"}), OK, "2 variables are set"},
		{"mistyped", rule(map[string]string{"OMNIBUS_TIMEOT": "1s"}), Warn, "OMNIBUS_TIMEOT is set, and nothing reads it: did you mean OMNIBUS_TIMEOUT?"},
		{"unknown", rule(map[string]string{"OMNIBUS_COLOUR_OF_THE_BUS": "red"}), Warn, "OMNIBUS_COLOUR_OF_THE_BUS is set, and nothing reads it"},
		{"for tests", rule(map[string]string{"OMNIBUS_TEST_KAFKA": "a:1"}), OK, ""},
		{"two names, one value", rule(map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_BROKERS": "a:1"}), OK, ""},
		{"two names, two values", rule(map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_BROKERS": "b:1"}), Warn, "KAFKA_BOOTSTRAP_SERVERS and KAFKA_BROKERS are both set"},
		{"a third name", rule(map[string]string{"RPK_BROKERS": "b:1"}), OK, "1 variable is"},
		{"a third name, different", rule(map[string]string{"RPK_BROKERS": "b:1", "KAFKA_BROKERS": "a:1"}), Warn, "KAFKA_BROKERS and RPK_BROKERS are both set"},
	})
	for _, f := range rule(map[string]string{"OMNIBUS_PASSWORD": "hunter2", "KAFKA_BOOTSTRAP_SERVERS": "u:hunter2@a:1", "KAFKA_BROKERS": "b:1"}) {
		if strings.Contains(f.What+f.Fix, "hunter2") {
			t.Errorf("a value is shown: %+v", f)
		}
	}
}

func TestCertificatesAreJudgedByTheirEnd(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	until := func(d time.Duration) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: "kafka"}, NotAfter: now.Add(d), DNSNames: []string{"kafka"}}
	}
	judged(t, []verdict{
		{"a year", judgeCertificates("k:1", []*x509.Certificate{until(365 * 24 * time.Hour)}, now), OK, "good for 365 days"},
		{"a week", judgeCertificates("k:1", []*x509.Certificate{until(7 * 24 * time.Hour)}, now), Warn, "ends in 7 days, on 2026-02-07"},
		{"the one above it", judgeCertificates("k:1", []*x509.Certificate{until(365 * 24 * time.Hour), until(30 * time.Hour)}, now), Warn, "ends in 30 hours"},
	})
	for _, c := range []struct {
		err  error
		left time.Duration
		says string
	}{
		{errors.New("expired"), -48 * time.Hour, "ended on 2026-01-29"},
		{x509.HostnameError{Certificate: until(time.Hour), Host: "localhost"}, time.Hour, "is for kafka, and not for localhost"},
		{x509.UnknownAuthorityError{}, time.Hour, "whom nobody here trusts"},
	} {
		a := bus.Answer{Err: fmt.Errorf("handshake: %w", c.err), Certificates: []*x509.Certificate{until(c.left)}}
		if got := refusedCertificate(a, now); !strings.Contains(got, c.says) {
			t.Errorf("refused for %v: %q, want %q in it", c.err, got, c.says)
		}
	}
}

func TestOldBrokersAreNamed(t *testing.T) {
	judged(t, []verdict{
		{"all there", judgeFeatures(bus.Answer{Addr: "k:1", Speaks: "v3.9"}), OK, "Kafka v3.9"},
		{"less", judgeFeatures(bus.Answer{Addr: "k:1", Lacks: []bus.Feature{{Request: "Metadata", Version: 10, For: "ids"}}}), Warn, "Metadata in version 10, for ids"},
		{"not enough", judgeFeatures(bus.Answer{Addr: "k:1", Lacks: []bus.Feature{{Request: "Produce", Version: 3, For: "headers", Needed: true}}}), Fail, "Produce"},
	})
}

func TestClusterIsOneWithAController(t *testing.T) {
	at := func(addr, cluster string, controller int32) bus.Answer {
		return bus.Answer{Addr: addr, Reached: bus.Accepted, Cluster: cluster, Controller: controller, Nodes: make([]bus.Node, 3)}
	}
	judged(t, []verdict{
		{"one", judgeCluster([]bus.Answer{at("a:1", "x", 0), at("b:1", "x", 0), {Addr: "c:1"}}), OK, "cluster x: 3 brokers, controller 0"},
		{"two", judgeCluster([]bus.Answer{at("a:1", "x", 0), at("b:1", "y", 0)}), Fail, "a:1 belongs to x, and b:1 to y"},
		{"no controller", judgeCluster([]bus.Answer{at("a:1", "x", -1)}), Warn, "a:1 knows of no controller"},
	})
}

func TestClockIsJudgedByTheSpanInWhichTheBrokerStamped(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 999_000, time.UTC)
	at := func(broker time.Duration) []Finding {
		return judgeClock(clockReading{before: now, after: now.Add(10 * time.Millisecond), broker: now.Add(broker).Truncate(time.Millisecond)})
	}
	judged(t, []verdict{
		{"within", at(5 * time.Millisecond), OK, "less than 10ms"},
		{"at once", at(0), OK, "less than 10ms"},
		{"a little behind", at(-3 * time.Second), Warn, "behind this one"},
		{"a little ahead", at(3 * time.Second), Warn, "ahead of this one"},
		{"far ahead", at(time.Hour), Fail, "ahead of this one"},
		{"far behind", at(-time.Hour), Fail, "1h0m0s behind"},
		{"no stamp", judgeClock(clockReading{before: now, after: now}), Skip, "does not stamp"},
	})
}

// topic is one with n partitions of replicas copies, all in step.
func topic(name event.Topic, n, replicas int, configs map[string]string) bus.TopicInfo {
	t := bus.TopicInfo{Name: name, Replication: replicas, Declared: true, Configs: configs, Retention: 7 * 24 * time.Hour}
	for p := range n {
		nodes := make([]int32, replicas)
		for i := range nodes {
			nodes[i] = int32(i)
		}
		t.Partitions = append(t.Partitions, bus.PartitionInfo{Partition: int32(p), Replicas: nodes, InSync: nodes})
	}
	return t
}

func TestTopicsAreHeldAgainstTheCatalogue(t *testing.T) {
	declared := map[event.Topic]event.Spec{noted: {Topic: noted, Partitions: 3, Retention: 7 * 24 * time.Hour}}
	shown := map[string]string{"retention.ms": "1"}
	keeps := func(d time.Duration) bus.TopicInfo {
		t := topic(noted, 3, 1, shown)
		t.Retention = d
		return t
	}
	dead := topic(noted.DLQ(), 3, 1, shown)
	rule := func(topics ...bus.TopicInfo) []Finding {
		missing, found := judgeTopics(declared, topics)
		if len(missing) > 0 {
			found = append(found, Finding{Fail, "missing " + few(missing), "fix"})
		}
		return append(found, Finding{OK, "", ""})
	}
	judged(t, []verdict{
		{"as declared", rule(topic(noted, 3, 1, shown), dead), OK, ""},
		{"missing", rule(dead), Fail, "missing omninode.test.event.noted.v1"},
		{"no dead letters", rule(topic(noted, 3, 1, shown)), Fail, "missing omninode.test.event.noted.v1.dlq"},
		{"fewer partitions", rule(topic(noted, 2, 1, shown), dead), Warn, "has 2 partitions, declared are 3"},
		{"narrow dead letters", rule(topic(noted, 3, 1, shown), topic(noted.DLQ(), 1, 1, shown)), Warn, "has 1 partitions and its topic 3"},
		{"kept shorter", rule(keeps(time.Hour), dead), Warn, "keeps events for 1h0m0s, declared are 7 days: they are gone earlier"},
		{"kept longer", rule(keeps(30*24*time.Hour), dead), Warn, "keeps events for 30 days, declared are 7 days"},
		{"kept for ever", rule(keeps(-1), dead), Warn, "keeps events for ever"},
		{"settings hidden", rule(topic(noted, 3, 1, nil), dead), OK, ""},
	})
}

func TestInternalTopicsMustKeepStateAndItsOrder(t *testing.T) {
	const state event.Topic = "_omnibus.state"
	good := map[string]string{"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
	rule := func(topics ...bus.TopicInfo) []Finding {
		_, found := judgeInternal([]event.Topic{state}, topics)
		return append(found, Finding{OK, "", ""})
	}
	judged(t, []verdict{
		{"right", rule(topic(state, 1, 1, good)), OK, ""},
		{"two partitions", rule(topic(state, 2, 1, good)), Fail, "2 partitions and needs one"},
		{"not compacted", rule(topic(state, 1, 1, map[string]string{"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"})), Fail, "retention removes decisions"},
		{"other clocks", rule(topic(state, 1, 1, map[string]string{"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"})), Warn, "many clocks"},
		{"hidden", rule(topic(state, 1, 1, nil)), Warn, "does not show"},
	})
	if missing, _ := judgeInternal([]event.Topic{state}, nil); len(missing) != 1 {
		t.Errorf("missing: %v", missing)
	}
}

func TestReplicationIsJudgedByWhatTheLossOfABrokerDoes(t *testing.T) {
	minimum := func(n string) map[string]string { return map[string]string{"min.insync.replicas": n} }
	change := func(t bus.TopicInfo, f func(*bus.PartitionInfo)) bus.TopicInfo {
		f(&t.Partitions[0])
		return t
	}
	rule := func(brokers int, topics ...bus.TopicInfo) []Finding { return judgeReplication(topics, brokers) }
	judged(t, []verdict{
		{"one broker", rule(1, topic(noted, 3, 1, minimum("1"))), OK, "one broker"},
		{"three copies", rule(3, topic(noted, 3, 3, minimum("2"))), OK, "copies to spare"},
		{"no leader", rule(3, change(topic(noted, 3, 3, minimum("2")), func(p *bus.PartitionInfo) { p.Leader = -1 })), Fail, "no leader"},
		{"never enough", rule(1, topic(noted, 3, 1, minimum("2"))), Fail, "above the number of copies"},
		{"not enough now", rule(3, change(topic(noted, 3, 3, minimum("2")), func(p *bus.PartitionInfo) { p.InSync = p.InSync[:1] })), Fail, "writes are refused now"},
		{"one behind", rule(3, change(topic(noted, 3, 3, minimum("2")), func(p *bus.PartitionInfo) { p.InSync = p.InSync[:2] })), Warn, "not in step"},
		{"one copy", rule(3, topic(noted, 3, 1, minimum("1"))), Warn, "gone with one disk"},
		{"none to spare", rule(3, topic(noted, 3, 3, minimum("3"))), Warn, "no broker may be away"},
		{"acks of one", rule(3, topic(noted, 3, 3, minimum("1"))), Warn, "may mean one copy"},
	})
	if found := rule(3, topic(noted, 3, 1, nil), topic(echoed, 3, 1, nil)); len(found) != 1 || !strings.Contains(found[0].What, "2 topics") {
		t.Errorf("the same of two topics: %+v, want one finding", found)
	}
}

func TestUndeclaredTopicsAndOrphansAreNamed(t *testing.T) {
	undeclared := bus.TopicInfo{Name: "house.other"}
	judged(t, []verdict{
		{"all declared", judgeUndeclared([]bus.TopicInfo{topic(noted, 1, 1, nil), topic(noted.DLQ(), 1, 1, nil), {Name: "_omnibus.jobs"}}), OK, ""},
		{"undeclared", judgeUndeclared([]bus.TopicInfo{undeclared, {Name: "house.other.dlq"}}), Warn, "1 topic is not in the catalogue: house.other"},
		{"orphan", judgeUndeclared([]bus.TopicInfo{topic(noted.DLQ(), 1, 1, nil)}), Warn, "topics that are gone: omninode.test.event.noted.v1.dlq"},
		{"left", judgeUndeclared([]bus.TopicInfo{{Name: scratch + "0a1b2c3d"}}), Warn, "a doctor that was killed"},
	})
}

func TestGroupsWithoutWorkersAreNamed(t *testing.T) {
	behind := []bus.PartitionLag{{Group: "g", Topic: noted, Committed: 1, End: 3, Messages: 2, Age: time.Minute, Known: true}}
	unknown := []bus.PartitionLag{{Group: "g", Topic: noted, Committed: -1, End: 3, Why: "nothing committed yet"}}
	begin := []bus.PartitionLag{{Group: "g", Topic: noted, Committed: -1, End: 0, Why: "nothing committed yet"}}
	in := func(state string) []bus.GroupInfo { return []bus.GroupInfo{{Name: "g", State: state}} }
	judged(t, []verdict{
		{"none", judgeGroups(nil, nil), OK, "0 groups"},
		{"works", judgeGroups(in("Stable"), behind), OK, "1 group"},
		{"empty and through", judgeGroups(in("Empty"), nil), OK, ""},
		{"empty with lag", judgeGroups(in("Empty"), behind), Warn, "group g has no member, and 2 events wait, the oldest for 1m0s"},
		{"rebalancing", judgeGroups(in("PreparingRebalance"), nil), Warn, "is in state PreparingRebalance"},
		{"unknown lag", judgeGroups(in("Stable"), unknown), Warn, "unknown in 1 partition: nothing committed yet"},
		{"nothing to commit", judgeGroups(in("Stable"), begin), OK, ""},
	})
}

func TestRetentionIsHeldAgainstTheSlowestGroup(t *testing.T) {
	keeps := topic(noted, 1, 1, map[string]string{"cleanup.policy": "delete"})
	keeps.Retention = 10 * time.Hour
	rule := func(age time.Duration, start int64, change ...func(*bus.TopicInfo)) []Finding {
		at := keeps
		at.Partitions = []bus.PartitionInfo{{Start: start, End: 20}}
		for _, f := range change {
			f(&at)
		}
		return judgeRetention([]bus.PartitionLag{{Group: "g", Topic: noted, Committed: 5, End: 20, Messages: 15, Age: age, Known: true}}, []bus.TopicInfo{at})
	}
	judged(t, []verdict{
		{"fresh", rule(time.Hour, 0), OK, "10 %"},
		{"half", rule(6*time.Hour, 0), Warn, "at 60 % of that"},
		{"nearly", rule(9*time.Hour+30*time.Minute, 0), Fail, "at 95 % of that"},
		{"lost", rule(time.Hour, 8), Fail, "has lost up to 3 events"},
		{"for ever", rule(1000*time.Hour, 0, func(t *bus.TopicInfo) { t.Retention = -1 }), OK, "0 %"},
		{"compacted", rule(1000*time.Hour, 0, func(t *bus.TopicInfo) { t.Configs = map[string]string{"cleanup.policy": "compact"} }), OK, "0 %"},
		{"no lag at all", judgeRetention(nil, nil), OK, "0 %"},
	})
}

func TestDeadLettersThatWaitAreCounted(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	failed := func(ago time.Duration) deadletter.Letter {
		return deadletter.Letter{DeadLetter: bus.DeadLetter{Record: bus.Record{Topic: noted.DLQ()}, FailedAt: now.Add(-ago)}}
	}
	judged(t, []verdict{
		{"none", judgeDLQ(nil, now, time.Hour), OK, "no dead letter waits"},
		{"old and new", judgeDLQ([]deadletter.Letter{failed(72 * time.Hour), failed(time.Minute)}, now, time.Hour), Warn, "noted.v1: 2 dead letters wait, the oldest for 3 days, 1 in the last 1h0m0s"},
		{"further back", judgeDLQ([]deadletter.Letter{failed(72 * time.Hour), failed(time.Minute)}, now, 96*time.Hour), Warn, "2 in the last 4 days"},
	})
}

func TestFileLimitIsJudged(t *testing.T) {
	judged(t, []verdict{
		{"many", judgeLimit(65536), OK, "65536"},
		{"few", judgeLimit(512), Warn, "512"},
		{"hardly any", judgeLimit(128), Fail, "128"},
	})
}

func TestRoomIsHeldAgainstWhatTheBrokerKeepsFree(t *testing.T) {
	const mib = 1 << 20
	judged(t, []verdict{
		{"room", judgeRoom("d", 10_000*mib, 256*mib), OK, "10000 MiB are free for d"},
		{"little", judgeRoom("d", 300*mib, 256*mib), Warn, "refuses writes below 256 MiB"},
		{"none", judgeRoom("d", 100*mib, 256*mib), Fail, "it refuses writes"},
	})
}

func TestRunningStackIsTakenAtItsWord(t *testing.T) {
	judged(t, []verdict{
		{"well", judgeReadiness(Up{PID: 7}, stack.Readiness{Ready: true}), OK, "process 7 is ready"},
		{"degraded", judgeReadiness(Up{}, stack.Readiness{Ready: true, Degraded: []string{"group g: outage"}}), Warn, "degraded: group g: outage"},
		{"not ready", judgeReadiness(Up{}, stack.Readiness{Reasons: []string{"starting"}}), Fail, "not ready: starting"},
		{"not ready, and silent", judgeReadiness(Up{}, stack.Readiness{}), Fail, "does not say why"},
		{"no fault", judgeFaults(nil), OK, "none"},
		{"a fault", judgeFaults([]stack.Fault{{ID: 3, Key: "produce", Hits: 4}}), Warn, "fault 3 makes produce of all topics fail, 4 times"},
	})
}

// TestEveryCheckNeedsOnlyEarlierOnes: otherwise it would run before what it needs.
func TestEveryCheckNeedsOnlyEarlierOnes(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range checks() {
		if seen[c.name] || c.about == "" || !strings.HasSuffix(c.about, "?") {
			t.Errorf("check %q: there twice, or asks nothing", c.name)
		}
		for _, need := range c.needs {
			if !seen[need] {
				t.Errorf("check %q needs %q, which does not come before it", c.name, need)
			}
		}
		seen[c.name] = true
	}
}

func TestChosenChecksBringWhatTheyNeed(t *testing.T) {
	wanted, err := choose([]string{"tcp"})
	if err != nil {
		t.Fatal(err)
	}
	for name, asked := range map[string]bool{"tcp": true, "dns": false, "settings": false} {
		if got, ok := wanted[name]; !ok || got != asked {
			t.Errorf("%s: asked for %t, there %t", name, got, ok)
		}
	}
	if len(wanted) != 3 {
		t.Errorf("chosen: %v", wanted)
	}
	_, err = choose([]string{"topcis"})
	if unknown, ok := errors.AsType[*UnknownCheckError](err); !ok || len(unknown.Near) != 1 || unknown.Near[0] != "topics" {
		t.Errorf("a mistyped name: %v", err)
	}
}
