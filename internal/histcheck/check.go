package histcheck

import (
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strconv"
	"time"
)

// Input is the history of a run.
type Input struct {
	Ledgers []Source
	Log     iter.Seq2[Record, error] // what the topics hold at the end, each partition in order, dead-letter topics too
	Groups  map[string][]string      // group → the topics that it has to be through with
	Reach   []string                 // markers that the run must have hit

	Grace        time.Duration // default 30 s: what a revoke gives to running handlers
	CommitWithin time.Duration // default 1 s: how old a settled event may be before it is committed, while nothing fails
	RecoverIn    time.Duration // default 60 s: from the end of the last fault until everything is committed
}

// slack is for what happens between an event's end in the ledger and its settling in the process: a quarter of CommitWithin, as
// both take longer where processes wait for a processor.
func (c *checker) slack() int64 { return int64(c.in.CommitWithin) / 4 }

// Check holds a history against the rules. Its error says that the history could not be read; what broke a rule is in the
// report. It reads the ledgers a second time to tell the history of what it found. A million events take some 150 MB.
func Check(in Input) (*Report, error) {
	if in.Grace == 0 {
		in.Grace = 30 * time.Second
	}
	if in.CommitWithin == 0 {
		in.CommitWithin = time.Second
	}
	if in.RecoverIn == 0 {
		in.RecoverIn = time.Minute
	}
	c := &checker{
		in: in, rep: &Report{Count: map[ID]int{}, Reached: map[string]int{}}, seed: maphash.MakeSeed(),
		producers: map[string]*producer{}, keyIndex: map[string]uint32{}, logs: map[part]*partLog{}, groups: map[string]*group{},
		deadAcks: map[identity]bool{}, deadCopies: map[identity]int{}, lives: make([]life, len(in.Ledgers)),
	}
	for i := range c.lives {
		c.lives[i] = life{owned: map[groupPart]*assignment{}}
	}
	if err := c.readLog(); err != nil {
		return nil, fmt.Errorf("read the topics: %w", err)
	}
	for s, err := range merge(in.Ledgers, func(name string) { c.rep.Torn = append(c.rep.Torn, name) }) {
		if err != nil {
			return nil, err
		}
		c.rep.Lines++
		c.take(s)
	}
	c.finish()
	slices.SortStableFunc(c.rep.Findings, func(a, b Finding) int { return a.Check.order() - b.Check.order() })
	return c.rep, c.tellHistories()
}

func (id ID) order() int {
	n, _ := strconv.Atoi(string(id[1:])) // the names are ours
	return n
}

type part struct {
	topic     string
	partition int32
}

type groupPart struct {
	group string
	part
}

// identity is what a dead letter stands for.
type identity struct {
	group string
	part
	offset int64
}

// fact is what is known of one event.
type fact struct {
	id       uint64 // hash of its id: of the first copy in the log, else of its latest publish
	producer *producer
	seq      uint32
	key      uint32
	keySeq   uint32
	place    uint32 // among the first copies of its key
	crc      uint32
	copies   uint16
	invokes  uint16
	oks      uint16
	fails    uint16
	unknowns uint16
	dead     bool
	mixed    bool // its copies in the log differ
	foretold bool // a publish had the id that is in the log
}

type producer struct {
	name   string
	events []int32 // sequence → fact, -1: none
}

// partLog is what a partition holds at the end.
type partLog struct {
	part
	base   int64
	events []int32 // offset − base → fact, -1: no record, -2: a record that is no event
	sums   []uint32
}

const (
	noRecord = -1
	noEvent  = -2
)

func (l *partLog) end() int64 { return l.base + int64(len(l.events)) }

func (l *partLog) at(offset int64) int32 {
	if l == nil || offset < l.base || offset >= l.end() {
		return noRecord
	}
	return l.events[offset-l.base]
}

// cut reports whether the log no longer goes back to offset.
func (l *partLog) cut(offset int64) bool { return l != nil && offset < l.base }

type checker struct {
	in   Input
	rep  *Report
	seed maphash.Seed

	facts     []fact
	producers map[string]*producer
	keyIndex  map[string]uint32 // topic and key
	keys      []keyLog
	logs      map[part]*partLog
	buried    []Record // dead letters, to be judged when the topics are known

	groups     map[string]*group
	lives      []life // of each ledger's process
	given      []*assignment
	deadAcks   map[identity]bool
	deadCopies map[identity]int

	first    int64 // the first wall time
	now      int64
	faults   []span
	broken   int   // faults that are on
	lastOff  int64 // when the last one ended
	unclean  bool  // some process was killed, lost a partition or ended with an error
	settling int64 // when the last group had committed everything
}

// keyLog is the first copies of a key's events, in the order of the log.
type keyLog struct {
	last  uint32 // key sequence
	order []int32
}

// span is the time in which faults were on; to 0: still.
type span struct{ from, to int64 }

// event finds the fact of an event, or makes it.
func (c *checker) event(topic string, e *Event) int32 {
	p := c.producers[e.Producer]
	if p == nil {
		p = &producer{name: e.Producer}
		c.producers[e.Producer] = p
	}
	for int64(len(p.events)) <= e.Seq {
		p.events = append(p.events, noRecord)
	}
	if i := p.events[e.Seq]; i >= 0 {
		return i
	}
	name := topic + "\x00" + e.Key
	key, ok := c.keyIndex[name]
	if !ok {
		key = uint32(len(c.keys)) //nolint:gosec // fewer than events
		c.keyIndex[name] = key
		c.keys = append(c.keys, keyLog{})
	}
	i := int32(len(c.facts)) //nolint:gosec // a run has millions of events
	c.facts = append(c.facts, fact{
		id: c.hash(e.ID), producer: p, seq: uint32(e.Seq), key: key, keySeq: uint32(e.KeySeq), crc: e.CRC, dead: e.Fate == Dead, //nolint:gosec // likewise
	})
	p.events[e.Seq] = i
	return i
}

func (c *checker) hash(s string) uint64 { return maphash.String(c.seed, s) }

func (c *checker) about(i int32, p part, offset int64) subject {
	s := subject{topic: p.topic, partition: p.partition, offset: offset}
	if i >= 0 {
		s.producer, s.seq = c.facts[i].producer.name, int64(c.facts[i].seq)
	}
	return s
}

// readLog learns what the topics hold, and checks what can be told from that alone.
func (c *checker) readLog() error {
	for r, err := range c.in.Log {
		if err != nil {
			return err
		}
		if r.Dead != nil {
			c.rep.DeadLetters++
			c.buried = append(c.buried, r)
			continue
		}
		c.rep.Records++
		c.record(r)
	}
	return nil
}

func (c *checker) record(r Record) {
	p := part{r.Topic, r.Partition}
	l := c.logs[p]
	if l == nil {
		l = &partLog{part: p, base: r.Offset}
		c.logs[p] = l
	}
	if r.Offset < l.end() {
		c.rep.find(H3, subject{topic: r.Topic, partition: r.Partition, offset: r.Offset}, "%s comes after offset %d", place(p, r.Offset), l.end()-1)
		return
	}
	for l.end() < r.Offset {
		l.events, l.sums = append(l.events, noRecord), append(l.sums, 0)
	}
	if !r.Valid || !r.Event.plausible() {
		l.events, l.sums = append(l.events, noEvent), append(l.sums, r.Sum)
		c.rep.find(H2, subject{topic: r.Topic, partition: r.Partition, offset: r.Offset}, "%s holds no test event", place(p, r.Offset))
		return
	}
	i := c.event(r.Topic, &r.Event)
	l.events, l.sums = append(l.events, i), append(l.sums, r.Sum)
	f := &c.facts[i]
	f.copies++
	if f.copies > 1 {
		f.mixed = f.mixed || f.crc != r.Event.CRC
		switch {
		case f.id != c.hash(r.Event.ID):
			c.rep.find(H4, c.about(i, p, r.Offset), "%s holds an event that is in the log already, under another id", place(p, r.Offset))
		case f.crc != r.Event.CRC:
			c.rep.find(H2, c.about(i, p, r.Offset), "%s holds other bytes than the event's first copy", place(p, r.Offset))
		}
		return
	}
	k := &c.keys[f.key]
	if f.keySeq <= k.last && len(k.order) > 0 {
		c.rep.find(H3, c.about(i, p, r.Offset), "%s holds number %d of its key behind number %d", place(p, r.Offset), f.keySeq, k.last)
	}
	k.last = max(k.last, f.keySeq)
	f.place = uint32(len(k.order)) //nolint:gosec // as above
	k.order = append(k.order, i)
}

func place(p part, offset int64) string {
	return p.topic + "[" + strconv.Itoa(int(p.partition)) + "]@" + strconv.FormatInt(offset, 10)
}

// faulty reports whether a fault was on at some time between from and to.
func (c *checker) faulty(from, to int64) bool {
	for _, s := range slices.Backward(c.faults) {
		if s.to != 0 && s.to < from {
			return false // those before ended earlier
		}
		if s.from <= to {
			return true
		}
	}
	return false
}
