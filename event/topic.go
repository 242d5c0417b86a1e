package event

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Topic is the name of a Kafka topic. The name of an event type is the name of its topic.
//
// Names follow omninode.<domain>.<request|response|event|audit>.<operation>.v<major>, with the short form
// omninode.audit.<operation>.v<major> for the audit domain. Dead letters of a topic are in <topic>.dlq.
type Topic string

// Pattern says how an event is meant: fact, request, response or audit record.
type Pattern string

// The patterns of the topic grammar.
const (
	Fact     Pattern = "event"
	Request  Pattern = "request"
	Response Pattern = "response"
	Audit    Pattern = "audit"
)

const (
	house     = "omninode"
	dlqSuffix = ".dlq"
	maxTopic  = 249 // Kafka's limit
)

var word = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func illegal(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !letter && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
}

// ParseTopic checks s against the grammar, dead-letter topics included, and says what is wrong with it.
func ParseTopic(s string) (Topic, error) {
	t := Topic(s)
	if err := t.legal(); err != nil {
		return "", err
	}
	if t.parts() == (topicParts{}) {
		return "", fmt.Errorf("topic %q: not of the form omninode.<domain>.<request|response|event|audit>.<operation>.v<major>", s)
	}
	return t, nil
}

// legal checks what Kafka itself demands of a name.
func (t Topic) legal() error {
	switch {
	case len(t) == 0 || len(t) > maxTopic:
		return fmt.Errorf("topic %q: %d characters, Kafka allows 1 to %d", string(t), len(t), maxTopic)
	case t == "." || t == ".." || strings.IndexFunc(string(t), illegal) >= 0:
		return fmt.Errorf("topic %q: Kafka allows letters, digits, '.', '_' and '-' only", string(t))
	}
	return nil
}

type topicParts struct {
	domain, operation string
	pattern           Pattern
	major             int
}

// parts returns the zero value where t does not follow the grammar.
func (t Topic) parts() topicParts {
	f := strings.Split(strings.TrimSuffix(string(t), dlqSuffix), ".")
	var p topicParts
	switch {
	case len(f) == 4 && f[0] == house && f[1] == string(Audit):
		p = topicParts{domain: string(Audit), pattern: Audit, operation: f[2]}
	case len(f) == 5 && f[0] == house:
		p = topicParts{domain: f[1], pattern: Pattern(f[2]), operation: f[3]}
	default:
		return topicParts{}
	}
	switch p.pattern {
	case Fact, Request, Response, Audit:
	default:
		return topicParts{}
	}
	digits, ok := strings.CutPrefix(f[len(f)-1], "v")
	major, err := strconv.Atoi(digits)
	if !ok || err != nil || major < 1 || digits[0] == '0' || digits[0] == '+' || !word.MatchString(p.domain) || !word.MatchString(p.operation) {
		return topicParts{}
	}
	p.major = major
	return p
}

// Domain is the service family, "codegen" say; "" where t does not follow the grammar.
func (t Topic) Domain() string { return t.parts().domain }

// Pattern is how the event is meant; "" where t does not follow the grammar.
func (t Topic) Pattern() Pattern { return t.parts().pattern }

// Operation is what it is about, "validate" say; "" where t does not follow the grammar.
func (t Topic) Operation() string { return t.parts().operation }

// Major is the major version, 1 or more; 0 where t does not follow the grammar.
func (t Topic) Major() int { return t.parts().major }

// DLQ is the topic of t's dead letters. A dead-letter topic has none of its own: it is returned as it is.
func (t Topic) DLQ() Topic {
	if t.IsDLQ() {
		return t
	}
	return t + dlqSuffix
}

// IsDLQ reports whether t holds dead letters.
func (t Topic) IsDLQ() bool { return strings.HasSuffix(string(t), dlqSuffix) }

// Subject is the name that a schema registry knows the schema of t's values by. Dead letters have that of their topic.
func (t Topic) Subject() string { return string(t.Source()) + "-value" }

// Source is the topic whose dead letters t holds, or t itself.
func (t Topic) Source() Topic { return Topic(strings.TrimSuffix(string(t), dlqSuffix)) }
