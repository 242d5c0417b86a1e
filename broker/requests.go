package broker

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// requests reads off the bytes of one connection which requests came, whose answers follow in the same order.
type requests struct {
	head [12]byte // size, key, version, correlation id
	n    int      // bytes of head that came
	skip int      // bytes of the request after its head
	open []request

	record bool   // whether requests that begin now are kept as a whole
	keep   bool   // the one that comes now is
	body   []byte // of that one
}

type request struct {
	key         kmsg.Key
	correlation uint32
	sent        *sentReq // nil if it was not recorded
}

// read takes the next bytes of the connection.
func (q *requests) read(b []byte) {
	for len(b) > 0 {
		if q.skip > 0 {
			n := min(q.skip, len(b))
			if q.keep {
				q.body = append(q.body, b[:n]...)
			}
			q.skip -= n
			b = b[n:]
			if q.skip == 0 {
				q.whole()
			}
			continue
		}
		n := copy(q.head[q.n:], b)
		q.n += n
		b = b[n:]
		if q.n < len(q.head) {
			return
		}
		q.n = 0
		q.skip = max(int(binary.BigEndian.Uint32(q.head[:]))-(len(q.head)-4), 0)
		q.open = append(q.open, request{
			key:         kmsg.Key(binary.BigEndian.Uint16(q.head[4:])), //nolint:gosec // two bytes, signed on the wire
			correlation: binary.BigEndian.Uint32(q.head[8:]),
		})
		if q.keep = q.record; q.keep {
			q.body = append([]byte(nil), q.head[4:]...)
		}
		if q.skip == 0 {
			q.whole()
		}
	}
}

// whole keeps the request that has come to its end.
func (q *requests) whole() {
	if q.keep {
		q.open[len(q.open)-1].sent = readSent(q.body)
		q.keep, q.body = false, nil
	}
}

// find returns the recorded request that is the same as this one and whose answer is not lost yet.
func (q *requests) find(kreq kmsg.Request) *sentReq {
	for _, r := range q.open {
		if r.sent != nil && r.key == kmsg.Key(kreq.Key()) && r.sent.is(kreq) {
			return r.sent
		}
	}
	return nil
}

// answered returns the request that an answer belongs to, false where there is none. Requests before it were such as have no
// answer.
func (q *requests) answered(answer []byte) (request, bool) {
	if len(answer) < 8 {
		return request{}, false
	}
	correlation := binary.BigEndian.Uint32(answer[4:])
	for i, r := range q.open {
		if r.correlation == correlation {
			q.open = q.open[i+1:]
			return r, true
		}
	}
	return request{}, false
}
