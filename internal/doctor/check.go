package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/omninode-ai/omnibus/internal/near"
)

// check is one thing to look at.
type check struct {
	name  string
	about string   // the question that it answers
	needs []string // checks that must have passed
	run   func(ctx context.Context, e *exam) []Finding
}

// checks lists them in the order in which they run: each after what it needs, and what is near before what is far.
func checks() []check {
	none := []string(nil)
	here, reach, in := []string{"settings"}, []string{"protocol"}, []string{"cluster", "advertised"}
	return []check{
		{"environment", "Do the variables of the environment mean what they seem to?", none, checkEnvironment},
		{"settings", "Can the settings be used?", none, checkSettings},
		{"dns", "Have the names of the brokers an address?", here, checkDNS},
		{"tcp", "Does something take connections there?", []string{"dns"}, checkTCP},
		{"tls", "Are the certificates good, and for how long?", []string{"tcp"}, checkTLS},
		{"protocol", "Is it Kafka, and has it what Omnibus uses?", []string{"tls"}, checkProtocol},
		{"login", "Is the login taken?", reach, checkLogin},
		{"cluster", "Is it one cluster, with a controller?", []string{"login"}, checkCluster},
		{"advertised", "Can the addresses be reached from here that clients are sent to?", []string{"cluster"}, checkAdvertised},
		{"roundtrip", "Does a record that goes in come out again, and how fast?", in, checkRoundTrip},
		{"clock", "Does this machine's clock agree with the broker's?", []string{"roundtrip"}, checkClock},
		{"topics", "Are the topics of the catalogue there as declared, each with its dead letters?", in, checkTopics},
		{"internal", "Are the topics in which Omnibus keeps state as they must be?", in, checkInternal},
		{"replication", "Would the topics survive the loss of a broker, and take writes?", in, checkReplication},
		{"undeclared", "Are there topics that nobody declared, or dead letters of topics that are gone?", in, checkUndeclared},
		{"groups", "Is somebody working for every group?", in, checkGroups},
		{"retention", "Will events be removed before a group has read them?", in, checkRetention},
		{"dlq", "Are dead letters waiting for a decision?", in, checkDLQ},
		{"partitioners", "Do all producers put a key on the same partition?", in, checkPartitioners},
		{"registry", "Does the schema registry answer, and has it what the catalogue says?", none, checkRegistry},
		{"limits", "May this program open enough files?", none, checkLimits},
		{"data", "Is the data directory of \"omnibus up\" whole, and is there room?", none, checkData},
		{"ports", "Are the ports of \"omnibus up\" free?", none, checkPorts},
		{"up", "Is the running \"omnibus up\" well?", none, checkUp},
		{"faults", "Are faults still set that were added on purpose?", none, checkFaults},
	}
}

// Check describes a check.
type Check struct {
	Name  string
	About string
	Needs []string
}

// Checks describes all checks, in the order in which they run.
func Checks() []Check {
	var out []Check
	for _, c := range checks() {
		out = append(out, Check{c.name, c.about, slices.Clone(c.needs)})
	}
	return out
}

// UnknownCheckError says that there is no check of a name.
type UnknownCheckError struct {
	Name string
	Near []string // what it may have meant
}

func (e *UnknownCheckError) Error() string { return fmt.Sprintf("there is no check %q", e.Name) }

// choose returns the checks that names ask for (true), and those that they need (false).
func choose(names []string) (map[string]bool, error) {
	wanted, all := map[string]bool{}, checks()
	if len(names) == 0 {
		for _, c := range all {
			wanted[c.name] = true
		}
		return wanted, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(c check) bool { return c.name == name }) {
			var known []string
			for _, c := range all {
				known = append(known, c.name)
			}
			return nil, &UnknownCheckError{Name: name, Near: near.Names(name, known)}
		}
		wanted[name] = true
	}
	for _, c := range slices.Backward(all) { // what a check needs stands before it
		if _, ok := wanted[c.name]; !ok {
			continue
		}
		for _, need := range c.needs {
			if _, ok := wanted[need]; !ok {
				wanted[need] = false
			}
		}
	}
	return wanted, nil
}
