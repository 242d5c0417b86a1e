package bus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/event"
)

const (
	endless = math.MaxInt64

	listEarliest int64 = -2 // see ListOffsets in the Kafka protocol
	listLatest   int64 = -1
	noSuchTime   int64 = -1

	readWait     = 500 * time.Millisecond // how long a broker may hold a fetch that finds nothing
	readPatience = 20 * time.Second       // how long a finite read puts up with brokers that do not answer
	readRetry    = 250 * time.Millisecond
	readRefresh  = 2 * time.Second // how often following looks for new partitions
	readBytes    = 32 << 20
)

var (
	errNoTopics = errors.New("no topic given")
	errNoAnswer = fmt.Errorf("the broker left it out of its answer: %w", kerr.UnknownServerError)
)

// logReader reads partitions from explicit positions, over connections of its own so that a fetch that waits delays nobody
// else. It sends the Fetch requests itself because it must know how far the broker's answer reaches: records alone do not tell
// where there are transaction markers, or offsets that compaction removed.
type logReader struct {
	bus     *Bus
	client  *kgo.Client
	unzip   kgo.Decompressor
	trouble time.Time // since when no fetch has succeeded; zero: all is well

	topics     []event.Glob
	partitions []int32 // nil: all
}

// logCursor is a position in one partition.
type logCursor struct {
	topic     event.Topic
	id        kadm.TopicID
	partition int32
	leader    int32 // -1: not known
	next      int64 // where the next fetch begins
	from, end int64 // records from ≤ offset < end are wanted
	records   []Record
}

func (c *logCursor) failed(offset int64, err error) error {
	return &Error{Op: "scan", Topic: c.topic, Partition: c.partition, Offset: offset, Err: err}
}

func (b *Bus) openReader() (*logReader, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	opts, err := b.options()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	unzip, ok := client.OptValue(kgo.WithDecompressor).(kgo.Decompressor) // the client's own keeps to the limit that is set for it
	if !ok {
		unzip = kgo.DefaultDecompressor()
	}
	return &logReader{bus: b, client: client, unzip: unzip}, nil
}

func (l *logReader) close() { l.client.Close() }

// find makes a cursor for every partition that is meant. A topic that is spelled out must be there.
func (l *logReader) find(ctx context.Context, topics []event.Glob, partitions []int32) ([]*logCursor, error) {
	if len(topics) == 0 {
		return nil, fmt.Errorf("scan: %w", errNoTopics)
	}
	l.topics, l.partitions = topics, partitions
	meta, err := l.metadata(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range topics {
		if g.IsPattern() {
			continue
		}
		bad := &Error{Op: "scan", Topic: event.Topic(g), Partition: -1, Offset: -1}
		t, ok := meta[string(g)]
		switch {
		case !ok || errors.Is(t.Err, kerr.UnknownTopicOrPartition) || errors.Is(t.Err, kerr.InvalidTopicException):
			bad.Err = ErrUnknownTopic
			return nil, bad
		case t.Err != nil:
			bad.Err = l.bus.reach(t.Err)
			return nil, bad
		}
		for _, p := range partitions {
			if _, ok := t.Partitions[p]; !ok {
				bad.Partition, bad.Err = p, fmt.Errorf("no such partition: the topic has %d", len(t.Partitions))
				return nil, bad
			}
		}
	}
	return l.cursors(meta), nil
}

func (l *logReader) metadata(ctx context.Context) (kadm.TopicDetails, error) {
	meta, _, err := clusterMetadata(ctx, l.client, named(l.topics)...)
	if err != nil {
		return nil, fmt.Errorf("scan: %w", l.bus.reach(err))
	}
	return meta, nil
}

func (l *logReader) cursors(meta kadm.TopicDetails) []*logCursor {
	var cursors []*logCursor
	for _, t := range meta.Sorted() {
		if t.Err != nil || !matchesAny(l.topics, event.Topic(t.Topic)) {
			continue
		}
		for _, p := range t.Partitions.Sorted() {
			if l.partitions == nil || slices.Contains(l.partitions, p.Partition) {
				cursors = append(cursors, &logCursor{topic: event.Topic(t.Topic), id: t.ID, partition: p.Partition, leader: p.Leader})
			}
		}
	}
	return cursors
}

// named lists the topics that globs spell out, or none where a pattern needs all of the cluster's.
func named(globs []event.Glob) []string {
	var names []string
	for _, g := range globs {
		if g.IsPattern() {
			return nil
		}
		names = append(names, string(g))
	}
	return names
}

func matchesAny(globs []event.Glob, t event.Topic) bool {
	return slices.ContainsFunc(globs, func(g event.Glob) bool { return g.Match(t) })
}

// list asks for one offset of every cursor: see listOffsets.
func (l *logReader) list(ctx context.Context, cursors []*logCursor, when int64) (map[*logCursor]int64, error) {
	at := index(cursors)
	listed, err := listOffsets(ctx, l.client, maps.Keys(at), when)
	if err != nil {
		return nil, fmt.Errorf("scan: list offsets: %w", l.bus.reach(err))
	}
	out := make(map[*logCursor]int64, len(cursors))
	for at, c := range at {
		if err := listed[at].err; err != nil {
			return nil, c.failed(-1, fmt.Errorf("list offsets: %w", l.bus.reach(err)))
		}
		out[c] = listed[at].offset
	}
	return out, nil
}

type topicPartition struct {
	topic     event.Topic
	partition int32
}

type listedOffset struct {
	offset int64
	err    error
}

// listOffsets asks for one offset of each partition: of the earliest record, of the end that readers of committed records see,
// or of the first record at a time in milliseconds, noSuchTime where there is none.
func listOffsets(ctx context.Context, client *kgo.Client, partitions iter.Seq[topicPartition], when int64) (map[topicPartition]listedOffset, error) {
	topics := make(map[event.Topic][]kmsg.ListOffsetsRequestTopicPartition)
	out := make(map[topicPartition]listedOffset)
	for at := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = at.partition, when
		topics[at.topic] = append(topics[at.topic], p)
		out[at] = listedOffset{err: errNoAnswer}
	}
	if len(topics) == 0 {
		return out, nil
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.IsolationLevel = 1
	for topic, ps := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic, t.Partitions = string(topic), ps
		req.Topics = append(req.Topics, t)
	}
	var failed error
	answered := false
	for _, shard := range client.RequestSharded(ctx, req) { // one broker that is away does not hide what the others say
		if shard.Err != nil {
			failed = shard.Err
			for _, t := range shard.Req.(*kmsg.ListOffsetsRequest).Topics {
				for _, p := range t.Partitions {
					out[topicPartition{event.Topic(t.Topic), p.Partition}] = listedOffset{err: shard.Err}
				}
			}
			continue
		}
		answered = true
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				out[topicPartition{event.Topic(t.Topic), p.Partition}] = listedOffset{p.Offset, kerr.ErrorForCode(p.ErrorCode)}
			}
		}
	}
	if !answered {
		return nil, failed
	}
	return out, nil
}

func index(cursors []*logCursor) map[topicPartition]*logCursor {
	m := make(map[topicPartition]*logCursor, len(cursors))
	for _, c := range cursors {
		m[topicPartition{c.topic, c.partition}] = c
	}
	return m
}

func byTopic(cursors []*logCursor) map[event.Topic][]*logCursor {
	m := make(map[event.Topic][]*logCursor)
	for _, c := range cursors {
		m[c.topic] = append(m[c.topic], c)
	}
	return m
}

func byLeader(cursors []*logCursor, want func(*logCursor) bool) map[int32][]*logCursor {
	m := make(map[int32][]*logCursor)
	for _, c := range cursors {
		if want(c) {
			m[c.leader] = append(m[c.leader], c)
		}
	}
	return m
}

// question is one fetch that is to be sent: the cursors as they were when it was made, because they may move meanwhile.
type question struct {
	leader int32
	req    *kmsg.FetchRequest
	asked  map[topicPartition]askedFor
	topics map[kadm.TopicID]event.Topic
}

type askedFor struct {
	cursor *logCursor
	id     kadm.TopicID
	next   int64
}

// answer is what a broker said to one question.
type answer struct {
	question
	parts   []answerPart
	nothing bool  // no partition in it had any bytes
	err     error // of the request as a whole
}

type answerPart struct {
	askedFor
	records []*kgo.Record
	reaches int64 // the next offset to ask for
	stable  int64 // the end for readers of committed records
	err     error
}

func ask(leader int32, cursors []*logCursor) question {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.MaxWaitMillis = int32(readWait.Milliseconds())
	req.MinBytes = 1
	req.MaxBytes = readBytes
	req.IsolationLevel = 1
	req.SessionEpoch = -1 // no fetch session
	each := int32(min(max(readBytes/len(cursors), 64<<10), 1<<20))
	q := question{leader: leader, req: req, asked: make(map[topicPartition]askedFor), topics: make(map[kadm.TopicID]event.Topic)}
	for topic, of := range byTopic(cursors) { // in random order, so that none of them starves where MaxBytes cuts the answer
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic, rt.TopicID = string(topic), of[0].id
		q.topics[of[0].id] = topic
		for _, c := range of {
			rp := kmsg.NewFetchRequestTopicPartition()
			rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = c.partition, c.next, each
			rt.Partitions = append(rt.Partitions, rp)
			q.asked[topicPartition{topic, c.partition}] = askedFor{cursor: c, id: c.id, next: c.next}
		}
		req.Topics = append(req.Topics, rt)
	}
	return q
}

// fetch asks one broker. It does not touch the cursors: apply moves them.
func (l *logReader) fetch(ctx context.Context, q question) answer {
	a := answer{question: q, nothing: true}
	if q.leader < 0 {
		a.err = kerr.LeaderNotAvailable
		return a
	}
	resp, err := q.req.RequestWith(ctx, l.client.Broker(int(q.leader)))
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		a.err = err
		return a
	}
	for _, t := range resp.Topics {
		topic := event.Topic(t.Topic)
		if topic == "" { // newer brokers tell the id only
			topic = q.topics[t.TopicID]
		}
		for _, p := range t.Partitions {
			asked, ok := q.asked[topicPartition{topic, p.Partition}]
			if !ok {
				continue
			}
			got, reaches := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
				Offset: asked.next, IsolationLevel: kgo.ReadCommitted(), Topic: string(topic), Partition: p.Partition,
			}, &p, l.unzip, nil)
			stable := p.LastStableOffset
			if stable < 0 {
				stable = p.HighWatermark
			}
			a.nothing = a.nothing && len(p.RecordBatches) == 0
			a.parts = append(a.parts, answerPart{askedFor: asked, records: got.Records, reaches: reaches, stable: stable, err: got.Err})
		}
	}
	return a
}

// apply moves the cursors to where the answer reaches. What is worth another try after a look at the metadata is in again;
// err is final.
func (l *logReader) apply(a answer) (again, err error) {
	if a.err != nil {
		for _, p := range a.asked {
			p.cursor.leader = -1
		}
		err := fmt.Errorf("scan: fetch from broker %d: %w", a.leader, l.bus.reach(a.err))
		if refused := (*kerr.Error)(nil); errors.As(a.err, &refused) && !refused.Retriable {
			return nil, err
		}
		return err, nil
	}
	for _, p := range a.parts {
		c := p.cursor
		if c.id != p.id || c.next != p.next {
			continue // it was moved meanwhile, or another broker answered first
		}
		for _, r := range p.records {
			if r.Offset >= c.from && r.Offset < c.end {
				c.records = append(c.records, fromKafka(r))
			}
		}
		c.next = p.reaches
		switch {
		case errors.Is(p.err, kerr.OffsetOutOfRange):
			return nil, c.failed(c.next, ErrTruncated)
		case p.err != nil && kerr.IsRetriable(p.err):
			c.leader = -1
			again = c.failed(c.next, p.err)
		case errors.As(p.err, new(*kerr.Error)):
			return nil, c.failed(c.next, l.bus.reach(p.err))
		case p.err != nil: // the batch itself: a wrong checksum, say
			return nil, c.failed(c.next, fmt.Errorf("read the batch: %w", p.err))
		case !a.nothing || c.end == endless || c.next >= c.end:
		case p.stable >= c.end:
			// The broker has the whole range and had room in its answer, but nothing to put in: compaction removed the rest.
			c.next = c.end
		default:
			again = c.failed(c.next, fmt.Errorf("%w: it ended at %d and now ends at %d", ErrTruncated, c.end, p.stable))
		}
	}
	return again, nil
}

// fill fetches until every cursor has a record at hand or has reached its end.
func (l *logReader) fill(ctx context.Context, cursors []*logCursor) error {
	for {
		open := byLeader(cursors, func(c *logCursor) bool { return len(c.records) == 0 && c.next < c.end })
		if len(open) == 0 {
			return nil
		}
		answers := make(chan answer, len(open)) // one each, so that nobody waits
		var asking sync.WaitGroup
		for leader, of := range open {
			q := ask(leader, of)
			asking.Go(func() { answers <- l.fetch(ctx, q) })
		}
		asking.Wait()
		close(answers)
		if ctx.Err() != nil {
			return fmt.Errorf("scan: %w", context.Cause(ctx))
		}
		var again error
		for a := range answers {
			retry, err := l.apply(a)
			if err != nil {
				return err
			}
			if retry != nil {
				again = retry
			}
		}
		if again == nil {
			l.trouble = time.Time{}
			continue
		}
		if l.trouble.IsZero() {
			l.trouble = time.Now()
		} else if time.Since(l.trouble) > readPatience {
			return again
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("scan: %w", context.Cause(ctx))
		case <-time.After(readRetry):
		}
		if _, err := l.refresh(ctx, cursors, func(c *logCursor) error {
			return c.failed(c.next, fmt.Errorf("%w: it was deleted and made anew meanwhile", ErrUnknownTopic))
		}); err != nil {
			return err
		}
	}
}

// refresh looks up who leads the partitions now and returns those that are new. For a topic that was deleted and made anew it
// asks renewed. That the metadata cannot be had is no error: the leaders stay unknown and it is tried again.
func (l *logReader) refresh(ctx context.Context, cursors []*logCursor, renewed func(*logCursor) error) ([]*logCursor, error) {
	meta, err := l.metadata(ctx)
	if err != nil {
		l.bus.log.DebugContext(ctx, "scan: look up leaders", slog.Any("error", err))
		return nil, nil
	}
	fresh := make(map[topicPartition]*logCursor)
	for _, c := range l.cursors(meta) {
		fresh[topicPartition{c.topic, c.partition}] = c
	}
	for _, c := range cursors {
		at := topicPartition{c.topic, c.partition}
		now, ok := fresh[at]
		if !ok {
			c.leader = -1
			continue
		}
		delete(fresh, at)
		c.leader = now.leader
		if c.id != now.id {
			if err := renewed(c); err != nil {
				return nil, err
			}
			c.id = now.id
		}
	}
	return slices.Collect(maps.Values(fresh)), nil
}

// follow delivers from the cursors and from partitions that appear later, until ctx ends, which is an error here, or deliver
// returns false. Brokers that are away are waited for.
func (l *logReader) follow(ctx context.Context, cursors []*logCursor, deliver func(Record) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	answers := make(chan answer)
	asked := make(map[int32]bool)
	look := time.NewTimer(readRefresh)
	defer look.Stop()
	for {
		for leader, of := range byLeader(cursors, func(c *logCursor) bool { return c.leader >= 0 && !asked[c.leader] }) {
			asked[leader] = true
			q := ask(leader, of)
			asking.Go(func() {
				select {
				case answers <- l.fetch(ctx, q):
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("scan: %w", context.Cause(ctx))
		case <-look.C:
			found, err := l.appeared(ctx, cursors)
			if err != nil {
				return err
			}
			cursors = append(cursors, found...)
			look.Reset(readRefresh)
		case a := <-answers:
			delete(asked, a.leader)
			again, err := l.apply(a)
			if err != nil {
				return err
			}
			for _, p := range a.parts {
				for _, rec := range p.cursor.records {
					if !deliver(rec) {
						return nil
					}
				}
				p.cursor.records = nil
			}
			switch {
			case again == nil:
				l.trouble = time.Time{}
			case l.trouble.IsZero():
				l.trouble = time.Now()
				l.bus.log.WarnContext(ctx, "scan waits", slog.Any("error", again))
				look.Reset(readRetry)
			default:
				look.Reset(min(readRetry+time.Since(l.trouble), readRefresh))
			}
		}
	}
}

// appeared looks for partitions that are new and begins them, and topics that were made anew, at their start.
func (l *logReader) appeared(ctx context.Context, cursors []*logCursor) ([]*logCursor, error) {
	found, err := l.refresh(ctx, cursors, func(c *logCursor) error {
		c.next, c.from = 0, 0
		return nil
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	start, err := l.list(ctx, found, listEarliest)
	if err != nil {
		l.bus.log.DebugContext(ctx, "scan: new partitions", slog.Any("error", err))
		return nil, nil // they are found again
	}
	for _, c := range found {
		c.next, c.from, c.end = start[c], start[c], endless
	}
	return found, nil
}
