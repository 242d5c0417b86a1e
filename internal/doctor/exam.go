package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// exam is one run of the checks, and what they know by now.
type exam struct {
	cfg      Config
	shut     map[string]string // checks that did not pass, and the first that failed of those that they need
	passable bool              // set by the check that runs: what needs it can run although it fails

	probes []bus.Answer // one for each bootstrap address
	bus    *bus.Bus
	topics []bus.TopicInfo // nil: not asked yet
	lags   []bus.PartitionLag
	clock  clockReading
}

func (e *exam) close() {
	if e.bus != nil {
		_ = e.bus.Close() // what it published was acknowledged, or reported
	}
}

// open gives the bus, which stays open for the checks that follow.
func (e *exam) open(ctx context.Context) (*bus.Bus, error) {
	if e.bus == nil {
		cfg := e.cfg.Bus
		cfg.CloseTimeout = time.Second
		cfg.Undeclared = bus.Allow
		b, err := e.cfg.Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		e.bus = b
	}
	return e.bus, nil
}

// allTopics are the topics of the cluster but for those of the cluster itself.
func (e *exam) allTopics(ctx context.Context) ([]bus.TopicInfo, error) {
	if e.topics != nil {
		return e.topics, nil
	}
	b, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	topics, err := b.Topics(ctx, "*", "*.dlq", "_omnibus.*")
	if err != nil {
		return nil, err
	}
	e.topics = append([]bus.TopicInfo{}, topics...)
	return e.topics, nil
}

// forget makes the next question about topics ask the cluster again.
func (e *exam) forget() { e.topics = nil }

// topic is the topic that carries events of a type.
func (e *exam) topic(typ event.Topic) event.Topic {
	if over, ok := e.cfg.Bus.Topics[typ]; ok {
		return over
	}
	return typ
}

// broken is the finding of a check that could not be carried out.
func broken(ctx context.Context, doing string, err error) []Finding {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return []Finding{{Fail, doing + ": " + why(err), "omnibus doctor --timeout 1m gives every check more time; -vv says more"}}
}

// why says in plain words what went wrong on the way to a broker.
func why(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + dns.Name + " cannot be resolved"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed in place of an answer"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return "no answer in time"
	}
	return oneline.Cause(err)
}

// few lists at most three of names, and says how many more there are.
func few[T ~string](names []T) string {
	const most = 3
	var s strings.Builder
	for i, n := range names[:min(most, len(names))] {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(string(n))
	}
	if more := len(names) - most; more > 0 {
		fmt.Fprintf(&s, " and %d more", more)
	}
	return s.String()
}

// count is n things in words.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
