package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Parked keys, see [ParkKey]. Whoever has a partition is the only one who says which of its keys are parked: it writes that to a
// compacted topic, and waits for the acknowledgement, before the dead letter that is the reason is written. The wish to release a
// key comes in the partition itself, behind everything that was sent again, so that it has its place in the key's order.
const (
	parkedTopic = event.Topic("_omnibus.parked")

	headerRelease = "omnibus-release-after" // the last offset of the key that went to the dead letters, as the releaser knows it
	releaseType   = event.Topic("omninode.system.event.key_released.v1")
)

// ParkedKey is a key whose events follow into the dead letters of one group.
type ParkedKey struct {
	Group     string
	Topic     event.Topic
	TopicID   string
	Partition int32
	Key       []byte // nil: the events without a key
	Since     int64  // offset of the event that parked it
	Last      int64  // offset of the last one that went to the dead letters
	Class     string // of the dead letter that parked it
	At        time.Time
}

func (k ParkedKey) String() string {
	return fmt.Sprintf("key %q of %s[%d], group %s", k.Key, k.Topic, k.Partition, k.Group)
}

// StillParkedError says why a key was not released: an event of it went to the dead letters that the releaser did not know of.
type StillParkedError struct {
	ParkedKey // as it is now

	Known int64 // the Last that was given
}

func (e *StillParkedError) Error() string {
	return fmt.Sprintf("%s stays parked: offset %d went to the dead letters after offset %d; send what is new again, and release it with what ParkedKeys says now", e.ParkedKey, e.Last, e.Known)
}

// parkedID is the key of a record in the topic, and parkedNote its value.
type parkedID struct {
	Group     string      `json:"group"`
	Topic     event.Topic `json:"topic"`
	TopicID   string      `json:"topic_id"`
	Partition int32       `json:"partition"`
	Key       *[]byte     `json:"key"` // base64; null: no key
}

type parkedNote struct {
	Since   int64     `json:"since"`
	Last    int64     `json:"last"`
	Class   string    `json:"class"`
	At      time.Time `json:"at"`
	Refused *int64    `json:"refused,omitempty"` // offset of a wish to release it that came too early
}

func (k ParkedKey) id() parkedID {
	id := parkedID{Group: k.Group, Topic: k.Topic, TopicID: k.TopicID, Partition: k.Partition}
	if k.Key != nil {
		id.Key = &k.Key
	}
	return id
}

// record is how k lies in the topic; released: that it is parked no more.
func (k ParkedKey) record(released bool, refused *int64) (*kgo.Record, error) {
	key, err := jsonx.Marshal(k.id())
	if err != nil {
		return nil, fmt.Errorf("parked key: %w", err)
	}
	rec := &kgo.Record{Topic: string(parkedTopic), Key: key}
	if !released {
		rec.Value, err = jsonx.Marshal(parkedNote{k.Since, k.Last, k.Class, k.At.UTC().Truncate(time.Millisecond), refused})
	}
	return rec, err
}

// readParked reads a record of the topic. What is not of ours is not ok.
func readParked(r Record) (k ParkedKey, note *parkedNote, ok bool) {
	var id parkedID
	if jsonx.Unmarshal(r.Key, &id) != nil {
		return k, nil, false
	}
	k = ParkedKey{Group: id.Group, Topic: id.Topic, TopicID: id.TopicID, Partition: id.Partition}
	if id.Key != nil {
		k.Key = append([]byte{}, *id.Key...)
	}
	if r.Value == nil {
		return k, nil, true
	}
	note = &parkedNote{}
	if jsonx.Unmarshal(r.Value, note) != nil {
		return k, nil, false
	}
	k.Since, k.Last, k.Class, k.At = note.Since, note.Last, note.Class, note.At
	return k, note, true
}

// lane tells keys of a partition apart, no key from an empty one.
func (k ParkedKey) lane() string { return parkedLane(k.Key) }

func parkedLane(key []byte) string {
	if key == nil {
		return ""
	}
	return "=" + string(key)
}

// ParkedKeys lists the keys that are parked for the group, or where that is empty for any group, in the order of topic, partition
// and when they were.
func (b *Bus) ParkedKeys(ctx context.Context, group string) ([]ParkedKey, error) {
	now := map[string]ParkedKey{}
	for r, err := range b.Scan(ctx, Range{Topics: []event.Glob{event.Glob(parkedTopic)}}) {
		if errors.Is(err, ErrUnknownTopic) {
			return nil, nil // nothing has ever been parked
		}
		if err != nil {
			return nil, fmt.Errorf("parked keys: %w", err)
		}
		k, note, ok := readParked(r)
		switch {
		case !ok || group != "" && k.Group != group:
		case note == nil:
			delete(now, string(r.Key))
		default:
			now[string(r.Key)] = k
		}
	}
	var all []ParkedKey
	for _, k := range now {
		all = append(all, k)
	}
	slices.SortFunc(all, func(x, y ParkedKey) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Since, y.Since), cmp.Compare(x.lane(), y.lane()), cmp.Compare(x.Group, y.Group))
	})
	return all, nil
}

// ReleaseKey lets the events of a key run again. Take k from [Bus.ParkedKeys] before the dead letters of the key are sent again to
// the group, and release it after: the release takes its place behind them in the key's order. Where an event that k does not know
// of went to the dead letters meanwhile, the key stays parked, and that is a [StillParkedError]. It waits for the group to come to
// it, until ctx ends; the wish stays in the log then.
func (b *Bus) ReleaseKey(ctx context.Context, k ParkedKey) error {
	failed := func(err error) error {
		return &Error{Op: "release key", Topic: k.Topic, Partition: k.Partition, Offset: -1, Err: err}
	}
	all, err := b.ParkedKeys(ctx, k.Group)
	if err != nil {
		return failed(err)
	}
	i := slices.IndexFunc(all, func(o ParkedKey) bool {
		return o.Topic == k.Topic && o.TopicID == k.TopicID && o.Partition == k.Partition && o.lane() == k.lane()
	})
	switch {
	case i < 0:
		return nil // it is not parked any more
	case all[i].Last != k.Last:
		return failed(&StillParkedError{all[i], k.Last})
	}
	infos, err := b.Topics(ctx, event.Glob(parkedTopic))
	if err != nil || len(infos) != 1 || len(infos[0].Partitions) != 1 {
		return failed(fmt.Errorf("find the end of %s: %w", parkedTopic, err))
	}
	wish, err := b.wishRelease(ctx, k)
	if err != nil {
		return failed(err)
	}
	for r, err := range b.Scan(ctx, Range{Topics: []event.Glob{event.Glob(parkedTopic)}, From: AtOffset(infos[0].Partitions[0].End), Follow: true}) {
		if err != nil {
			return failed(fmt.Errorf("group %s has not come to the wish at offset %d: %w", k.Group, wish, err))
		}
		now, note, ok := readParked(r)
		switch {
		case !ok || now.Group != k.Group || now.Topic != k.Topic || now.TopicID != k.TopicID || now.Partition != k.Partition || now.lane() != k.lane():
		case note == nil:
			return nil
		case note.Refused != nil && *note.Refused == wish:
			return failed(&StillParkedError{now, k.Last})
		}
	}
	return failed(context.Cause(ctx))
}

// wishRelease writes the wish into the partition of the key, wherever its producer's partitioner put that, and returns its offset.
func (b *Bus) wishRelease(ctx context.Context, k ParkedKey) (int64, error) {
	payload, err := jsonx.Marshal(map[string]any{"group": k.Group, "topic": k.Topic, "after_offset": k.Last})
	if err != nil {
		return 0, err
	}
	e := event.New(ctx, releaseType, payload, b.source, time.Now())
	value, err := e.AppendJSON(nil)
	if err != nil {
		return 0, err
	}
	opts, err := b.options()
	if err != nil {
		return 0, err
	}
	client, err := kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, b.cfg.PublishTimeout)
	defer cancel()
	hs := headersOf(e, nil)
	hs = append(hs, kgo.RecordHeader{Key: headerTargetGroup, Value: []byte(k.Group)}, kgo.RecordHeader{Key: headerRelease, Value: []byte(strconv.FormatInt(k.Last, 10))})
	rec, err := client.ProduceSync(ctx, &kgo.Record{Topic: string(k.Topic), Partition: k.Partition, Key: k.Key, Value: value, Headers: hs}).First()
	if err != nil {
		return 0, b.reach(err)
	}
	return rec.Offset, nil
}

// parkedKeys are those of the partitions that a consumer has.
type parkedKeys struct {
	mu   sync.Mutex
	keys map[partitionID]map[string]ParkedKey
}

func (p *parkedKeys) find(rec *kgo.Record) (ParkedKey, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.keys[partitionID{rec.Topic, rec.Partition}][parkedLane(rec.Key)]
	return k, ok
}

func (p *parkedKeys) set(k ParkedKey, parked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := partitionID{string(k.Topic), k.Partition}
	if p.keys[id] == nil {
		p.keys[id] = map[string]ParkedKey{}
	}
	if parked {
		p.keys[id][k.lane()] = k
	} else {
		delete(p.keys[id], k.lane())
	}
}

// loadParked reads which keys of newly assigned partitions are parked, before anything of them is fetched.
func (c *consumer) loadParked(ctx context.Context, ids []partitionID) error {
	if c.parked == nil {
		return nil
	}
	all, err := c.bus.ParkedKeys(ctx, c.cfg.Group)
	if err != nil {
		return err
	}
	c.parked.mu.Lock()
	for _, id := range ids {
		c.parked.keys[id] = map[string]ParkedKey{}
	}
	c.parked.mu.Unlock()
	for _, k := range all {
		if slices.Contains(ids, partitionID{string(k.Topic), k.Partition}) && k.TopicID == c.topicID(string(k.Topic)) {
			c.parked.set(k, true)
		}
	}
	return nil
}

// isParked reports whether rec has to follow its key into the dead letters. What was sent again to this group runs.
func (c *consumer) isParked(rec *kgo.Record) (ParkedKey, bool) {
	if c.parked == nil || targetGroup(rec) == c.cfg.Group {
		return ParkedKey{}, false
	}
	k, ok := c.parked.find(rec)
	return k, ok && rec.Offset >= k.Since
}

// parkBy notes, before its dead letter is written, that rec and what follows it goes to the dead letters.
func (c *consumer) parkBy(ctx context.Context, rec *kgo.Record, err error) error {
	if c.parked == nil {
		return nil
	}
	k, ok := c.parked.find(rec)
	switch {
	case !ok:
		k = ParkedKey{
			Group: c.cfg.Group, Topic: event.Topic(rec.Topic), TopicID: c.topicID(rec.Topic), Partition: rec.Partition, Key: rec.Key,
			Since: rec.Offset, Last: rec.Offset, Class: class(err), At: time.Now(),
		}
		c.bus.log.LogAttrs(ctx, slog.LevelError, "key parked: its events follow into the dead letters until it is released", append(where(rec), slog.String("group", c.cfg.Group))...)
	case rec.Offset >= k.Since && rec.Offset <= k.Last:
		return nil // it is a copy: that is on record
	default:
		k.Since, k.Last = min(k.Since, rec.Offset), max(k.Last, rec.Offset)
	}
	return c.keepParked(ctx, k, false, nil)
}

// keepParked writes k and returns once that is acknowledged.
func (c *consumer) keepParked(ctx context.Context, k ParkedKey, released bool, refused *int64) error {
	rec, err := k.record(released, refused)
	if err != nil {
		return err
	}
	if err := c.bury(ctx, rec); err != nil {
		return err
	}
	c.parked.set(k, !released)
	return nil
}

// follow sends an event of a parked key to the dead letters.
func (c *consumer) follow(ctx context.Context, l *lane, rec *kgo.Record, k ParkedKey) result {
	err := &contentError{ClassKeyParked, fmt.Errorf("its key is parked since offset %d", k.Since)}
	if rec.Offset == k.Since { // a copy of the very event: its first dead letter may not have been written
		err = &contentError{k.Class, errors.New("the event that parked its key, delivered again")}
	}
	return c.toDeadLetters(ctx, l, 0, rec, err)
}

// release takes a wish to release the key of rec.
func (c *consumer) release(ctx context.Context, rec *kgo.Record, known int64) result {
	if c.parked == nil {
		return result{skipped: 1}
	}
	k, ok := c.parked.find(rec)
	if !ok || rec.Offset <= k.Last {
		return result{skipped: 1} // it was: this is a copy
	}
	var err error
	if k.Last == known {
		err = c.keepParked(ctx, k, true, nil)
	} else {
		err = c.keepParked(ctx, k, false, &rec.Offset)
	}
	if err != nil {
		return result{retry: []int{0}, after: time.Second}
	}
	return result{skipped: 1}
}

// releaseWish reads a wish to release a key.
func releaseWish(rec *kgo.Record) (known int64, ok bool) {
	for _, h := range rec.Headers {
		if h.Key == headerRelease {
			known, err := strconv.ParseInt(string(h.Value), 10, 64)
			return known, err == nil
		}
	}
	return 0, false
}
