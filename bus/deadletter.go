package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/defect"
)

// DeadLetter is an event that a group could not handle: the original key, value and headers, and why.
type DeadLetter struct {
	Record // as it lies in the dead-letter topic

	Origin        Coordinates
	OriginID      string // the topic's id: a topic that was made again has another
	OriginTime    time.Time
	Class         string // see ClassUndecodable and its siblings
	Type          string // the Go type of the error
	Message       string // at most 1 KiB
	Stack         string // of a panic
	Fingerprint   string // equal for equal failures
	Retries       int    // attempts after the first
	FirstFailedAt time.Time
	FailedAt      time.Time
	Group         string
	Instance      string
	Redrives      int
}

const (
	maxMessage = 1 << 10
	maxStack   = 8 << 10
	dlqRoom    = 64 << 10 // how much larger a dead letter may be than its event
)

// deadLetter is the record that keeps rec: its bytes as they are, our headers after its own.
func (c *consumer) deadLetter(rec *kgo.Record, err error, attempts int, firstFailed, now time.Time) *kgo.Record {
	var stack string
	if p := (*PanicError)(nil); errors.As(err, &p) {
		stack = cut(string(p.Stack), maxStack)
	}
	hs := make([]kgo.RecordHeader, 0, len(rec.Headers)+15)
	for _, h := range rec.Headers {
		if !strings.HasPrefix(h.Key, dlqPrefix) && h.Key != headerTargetGroup {
			hs = append(hs, h)
		}
	}
	hs = append(hs, c.origin(rec)...)
	add := func(name, value string) {
		hs = append(hs, kgo.RecordHeader{Key: dlqPrefix + name, Value: []byte(value)})
	}
	add("error-class", class(err))
	add("error-type", fmt.Sprintf("%T", innermost(err)))
	add("error-message", cut(err.Error(), maxMessage))
	if stack != "" {
		add("error-stack-trace", stack)
	}
	add("error-fingerprint", fingerprint(err))
	add("retry-count", strconv.Itoa(attempts-1))
	add("first-failed-at", stamp(firstFailed))
	add("failed-at", stamp(now))
	add("consumer-group", c.cfg.Group)
	add("consumer-instance", c.bus.cfg.Instance)
	if !defect.On(defect.BareDead) {
		add("redrive-count", strconv.Itoa(redrives(rec)))
	}
	value := rec.Value
	if defect.On(defect.AlterDead) {
		value = append(slices.Clone(value), '\n')
	}
	return &kgo.Record{Topic: string(event.Topic(rec.Topic).DLQ()), Key: rec.Key, Value: value, Headers: hs}
}

// origin says where rec first lay. That is written once: an event that was sent again brings it along. A record that only claims
// to was not sent by us: ours count how often, name a place that can have come before, and go back to the topic it is of or to
// the group that failed.
func (c *consumer) origin(rec *kgo.Record) []kgo.RecordHeader {
	const prefix = dlqPrefix + "original-"
	from := ParseDeadLetter(fromKafka(rec)).Origin
	here := from.Topic == event.Topic(rec.Topic) && from.Partition == rec.Partition
	back := from.Topic.Source() == event.Topic(rec.Topic) || c.cfg.Group != "" && targetGroup(rec) == c.cfg.Group
	if redrives(rec) > 0 && back && from.Partition >= 0 && from.Offset >= 0 && (!here || from.Offset < rec.Offset) {
		var kept []kgo.RecordHeader
		for _, h := range rec.Headers {
			if strings.HasPrefix(h.Key, prefix) {
				kept = append(kept, h)
			}
		}
		return kept
	}
	return []kgo.RecordHeader{
		{Key: prefix + "topic", Value: []byte(rec.Topic)},
		{Key: prefix + "topic-id", Value: []byte(c.topicID(rec.Topic))},
		{Key: prefix + "partition", Value: []byte(strconv.Itoa(int(rec.Partition)))},
		{Key: prefix + "offset", Value: []byte(strconv.FormatInt(rec.Offset, 10))},
		{Key: prefix + "timestamp", Value: []byte(stamp(rec.Timestamp))},
	}
}

func redrives(rec *kgo.Record) int {
	for _, h := range rec.Headers {
		if h.Key == dlqPrefix+"redrive-count" {
			n, _ := strconv.Atoi(string(h.Value)) // a foreign value counts as none
			return n
		}
	}
	return 0
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// cut shortens s to n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

var varying = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|0x[0-9a-fA-F]+|[0-9]+|"[^"]*"`)

// fingerprint is equal for failures of the same kind: the type of the innermost error, and its text without the parts that
// differ from event to event (numbers, ids, quoted text).
func fingerprint(err error) string {
	text := varying.ReplaceAllString(cut(err.Error(), maxMessage), "#")
	sum := sha256.Sum256(fmt.Appendf(nil, "%T\x00%s", innermost(err), text))
	return hex.EncodeToString(sum[:6])
}

// bury writes the dead letter and returns once the broker has acknowledged it. It goes on trying, and reports the bus as not
// ready, until that works or ctx ends: an event is never dropped because its dead letter could not be written.
func (c *consumer) bury(ctx context.Context, dead *kgo.Record) error {
	const firstWait, maxWait = 100 * time.Millisecond, 5 * time.Second
	what := "dead letters of group " + c.cfg.Group
	wait := firstWait
	for {
		err := c.produceDead(ctx, dead)
		if err == nil || defect.On(defect.DropDead) {
			c.bus.health.clear(what)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, kerr.MessageTooLarge) {
			shrink(dead)
		}
		c.bus.unlearn(dead.Topic, err)
		c.bus.health.fault(what, fmt.Sprintf("write to %s: %v", dead.Topic, err))
		c.bus.log.ErrorContext(ctx, "dead letter not written, trying again",
			slog.String("topic", dead.Topic), slog.String("error", err.Error()), slog.Duration("wait", wait))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		wait = min(2*wait, maxWait)
	}
}

func (c *consumer) produceDead(ctx context.Context, dead *kgo.Record) error {
	if err := c.bus.exists(ctx, dead.Topic); errors.Is(err, ErrUnknownTopic) && dead.Topic == string(parkedTopic) {
		if err := c.bus.EnsureState(ctx, parkedTopic); err != nil {
			return err
		}
	} else if errors.Is(err, ErrUnknownTopic) {
		if err := c.bus.ensureDLQ(ctx, event.Topic(dead.Topic).Source()); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	done := make(chan error, 1)
	copied := *dead // the client keeps what it is given
	c.bus.client.Produce(c.bus.life, &copied, func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// shrink gives up our longest texts, first the stack, then the message: never anything of the original.
func shrink(dead *kgo.Record) {
	kept := dead.Headers[:0:0]
	for _, h := range dead.Headers {
		switch h.Key {
		case dlqPrefix + "error-stack-trace":
			continue
		case dlqPrefix + "error-message":
			h.Value = []byte(cut(string(h.Value), 128))
		}
		kept = append(kept, h)
	}
	dead.Headers = kept
}

// ensureDLQ makes sure that t has its dead-letter topic, with t's partition count.
func (b *Bus) ensureDLQ(ctx context.Context, t event.Topic) error {
	_, err := b.EnsureTopics(ctx, t.DLQ())
	return err
}
