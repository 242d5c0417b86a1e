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
}

type request struct {
	key         kmsg.Key
	correlation uint32
}

// read takes the next bytes of the connection.
func (q *requests) read(b []byte) {
	for len(b) > 0 {
		if q.skip > 0 {
			n := min(q.skip, len(b))
			q.skip -= n
			b = b[n:]
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
	}
}

// answered returns the kind of the request that an answer belongs to, false where there is none. Requests before it were such
// as have no answer.
func (q *requests) answered(answer []byte) (kmsg.Key, bool) {
	if len(answer) < 8 {
		return 0, false
	}
	correlation := binary.BigEndian.Uint32(answer[4:])
	for i, r := range q.open {
		if r.correlation == correlation {
			q.open = q.open[i+1:]
			return r.key, true
		}
	}
	return 0, false
}
