package broker

import (
	"reflect"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sentReq is a request as it came on its connection. The broker inside does not tell on which one that was: a request that it
// shows is found again by what is in it. Two that are the same may be taken for each other, which makes no difference.
type sentReq struct {
	req kmsg.Request

	mu   sync.Mutex
	late time.Duration
	lost bool
}

// readSent reads a request from its key on; nil if it is none.
func readSent(body []byte) *sentReq {
	r := kbin.Reader{Src: body}
	key, version := r.Int16(), r.Int16()
	r.Int32()          // the number of the request
	r.NullableString() // the client's name
	req := kmsg.RequestForKey(key)
	if req == nil || !r.Ok() {
		return nil
	}
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if req.ReadFrom(r.Src) != nil {
		return nil // the broker inside hangs up
	}
	return &sentReq{req: req}
}

// is says whether it is this one, and its answer is not lost yet.
func (s *sentReq) is(kreq kmsg.Request) bool {
	_, lost := s.held()
	return !lost && reflect.DeepEqual(s.req, kreq)
}

// hold makes the answer come late, or the connection break in its place.
func (s *sentReq) hold(late time.Duration, lose bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late += late
	s.lost = s.lost || lose
}

func (s *sentReq) held() (late time.Duration, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late, s.lost
}
