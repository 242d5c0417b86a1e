package broker

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Faults are what a broker does wrong on purpose. Its methods may be called at any time until the broker is closed.
type Faults struct {
	inner    *kfake.Cluster
	controls *controls
	ln       *listener

	mu      sync.Mutex
	last    int // ID given
	rules   []*rule
	spent   []*rule // their last requests may still be on their way
	watched map[kmsg.Key]bool
}

// rule is a fault and what it has met.
type rule struct {
	Fault
	keys    []kmsg.Key
	err     *kerr.Error // nil: none
	taken   []kmsg.Request
	answers map[string]*kfake.FaultHandle // by topic, "" is all of them
}

// holds says whether the rule does something to the answer on its way.
func (r *rule) holds() bool { return r.Error == FaultDrop || r.Delay > 0 }

func newFaults(controls *controls, ln *listener) *Faults {
	return &Faults{inner: controls.inner, controls: controls, ln: ln, watched: make(map[kmsg.Key]bool)}
}

// Add makes the broker fail and returns the fault with its ID. An error is a [*FaultError].
func (f *Faults) Add(fault Fault) (Fault, error) {
	if err := fault.Check(); err != nil {
		return Fault{}, err
	}
	r := &rule{Fault: fault, keys: faultKeys()[fault.Key], err: kafkaErrors()[fault.Error], answers: make(map[string]*kfake.FaultHandle)}
	r.Hits = 0
	f.mu.Lock()
	f.last++
	r.ID = f.last
	f.rules = append(f.rules, r)
	done := f.spent
	f.spent = nil
	var watch []kmsg.Key
	for _, k := range r.keys {
		if !f.watched[k] {
			f.watched[k] = true
			watch = append(watch, k)
		}
	}
	added := r.Fault
	f.mu.Unlock()
	f.remove(done)
	if r.holds() {
		f.ln.record()
	}
	for _, k := range watch {
		f.controls.add(k, f.meet)
	}
	return added, nil
}

// List returns the faults that are active, oldest first.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Fault, len(f.rules))
	for i, r := range f.rules {
		list[i] = r.Fault
	}
	return list
}

// Clear ends the faults with the IDs, or all where none is given, and returns those that it ended.
func (f *Faults) Clear(ids ...int) []Fault {
	f.mu.Lock()
	var keep, end []*rule
	for _, r := range f.rules {
		if len(ids) == 0 || slices.Contains(ids, r.ID) {
			end = append(end, r)
		} else {
			keep = append(keep, r)
		}
	}
	f.rules = keep
	ended := make([]Fault, len(end))
	for i, r := range end {
		ended[i] = r.Fault
	}
	f.mu.Unlock()
	f.remove(end)
	return ended
}

func (f *Faults) remove(rules []*rule) {
	for _, r := range rules {
		f.mu.Lock()
		answers := r.answers
		r.answers, r.taken = nil, nil
		f.mu.Unlock()
		for _, h := range answers {
			h.Remove()
		}
	}
}

// meet sees every request that some fault is or was about, before the broker inside handles it, one at a time.
func (f *Faults) meet(kreq kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // the form is that of the broker inside
	rules := f.about(kmsg.Key(kreq.Key()))
	var topics []string
	var sent *sentReq
	if slices.ContainsFunc(rules, func(r *rule) bool { return r.holds() }) {
		sent = f.ln.sent(kreq)
	}
	if slices.ContainsFunc(rules, func(r *rule) bool { return r.Topic != "" }) {
		if resp := withoutSession(kreq); resp != nil {
			return resp, nil, true
		}
		topics = f.topicsOf(kreq, rules)
	}
	for _, r := range rules {
		which, ok := r.selects(topics)
		if !ok || r.holds() && sent == nil || !f.take(r, kreq, which) {
			continue
		}
		if r.holds() {
			sent.hold(r.Delay, r.Error == FaultDrop)
		}
		if r.Error != "" {
			break
		}
	}
	return nil, nil, false
}

func (f *Faults) about(key kmsg.Key) []*rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	var rules []*rule
	for _, r := range f.rules {
		if slices.Contains(r.keys, key) {
			rules = append(rules, r)
		}
	}
	return rules
}

// underWay is more requests than are being handled at once.
const underWay = 256

// take counts a request and makes sure that the rule answers it, for the topics or as a whole.
func (f *Faults) take(r *rule, kreq kmsg.Request, topics []string) bool {
	if r.Topic == "" {
		topics = []string{""}
	}
	f.mu.Lock()
	if r.answers == nil || r.Count > 0 && r.Hits == r.Count { // it was cleared or used up meanwhile
		f.mu.Unlock()
		return false
	}
	r.Hits++
	r.taken = append(r.taken, kreq)
	if len(r.taken) > underWay {
		r.taken = r.taken[1:]
	}
	if r.Hits == r.Count {
		f.rules = slices.DeleteFunc(f.rules, func(o *rule) bool { return o == r })
		f.spent = append(f.spent, r)
	}
	var missing []string
	for _, t := range topics {
		if _, ok := r.answers[t]; !ok && r.err != nil {
			missing = append(missing, t)
		}
	}
	f.mu.Unlock()
	for _, t := range missing {
		h := f.inner.Fault(kfake.Fault{
			Keys: r.keys, Topic: t, Err: r.err, Count: -1,
			When: func(req kmsg.Request) bool { return f.took(r, req) },
		})
		f.mu.Lock()
		cleared := r.answers == nil
		if !cleared {
			r.answers[t] = h
		}
		f.mu.Unlock()
		if cleared {
			h.Remove()
		}
	}
	return true
}

func (f *Faults) took(r *rule, kreq kmsg.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(r.taken, kreq)
}

// withoutSession makes a fetch name all of its topics: in a session only those that change are named. A client that is told
// that its session is unknown begins again without being disturbed.
func withoutSession(kreq kmsg.Request) kmsg.Response {
	req, ok := kreq.(*kmsg.FetchRequest)
	if !ok {
		return nil
	}
	if req.SessionEpoch > 0 {
		resp := kmsg.NewPtrFetchResponse()
		resp.Version, resp.ErrorCode = req.Version, kerr.FetchSessionIDNotFound.Code
		return resp
	}
	req.SessionID, req.SessionEpoch = 0, -1
	return nil
}

// namesTopics says whether [Faults.topicsOf] knows the requests.
func namesTopics(keys []kmsg.Key) bool {
	switch keys[0] { //nolint:exhaustive // the others name none, or are no key of a fault
	case kmsg.Produce, kmsg.Fetch, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.CreateTopics:
		return true
	}
	return false
}

// topicsOf lists the topics that a request names. One that asks for all of them names those that rules spell in full.
func (f *Faults) topicsOf(kreq kmsg.Request, rules []*rule) []string {
	var topics []string
	add := func(name string, id [16]byte) {
		if name == "" {
			if info := f.inner.TopicIDInfo(id); info != nil {
				name = info.Topic
			}
		}
		topics = append(topics, name)
	}
	all := func() {
		for _, r := range rules {
			topics = append(topics, r.Topic)
		}
	}
	var none [16]byte
	switch req := kreq.(type) {
	case *kmsg.ProduceRequest:
		for _, t := range req.Topics {
			add(t.Topic, t.TopicID)
		}
	case *kmsg.FetchRequest:
		for _, t := range req.Topics {
			add(t.Topic, t.TopicID)
		}
	case *kmsg.OffsetCommitRequest:
		for _, t := range req.Topics {
			add(t.Topic, t.TopicID)
		}
	case *kmsg.OffsetFetchRequest:
		if req.Topics == nil && len(req.Groups) == 0 {
			all()
		}
		for _, t := range req.Topics {
			add(t.Topic, none)
		}
		for _, g := range req.Groups {
			if g.Topics == nil {
				all()
			}
			for _, t := range g.Topics {
				add(t.Topic, t.TopicID)
			}
		}
	case *kmsg.ListOffsetsRequest:
		for _, t := range req.Topics {
			add(t.Topic, none)
		}
	case *kmsg.MetadataRequest:
		if req.Topics == nil {
			all()
		}
		for _, t := range req.Topics {
			if t.Topic != nil {
				add(*t.Topic, none)
			} else {
				add("", t.TopicID)
			}
		}
	case *kmsg.CreateTopicsRequest:
		for _, t := range req.Topics {
			add(t.Topic, none)
		}
	}
	return topics
}
