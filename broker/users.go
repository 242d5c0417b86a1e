package broker

import (
	"bytes"
	"crypto/subtle"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const plainMechanism = "PLAIN"

// answerWrongPasswords makes the broker tell a client that its PLAIN user or password is wrong, as other brokers do. The
// broker inside hangs up instead, which a client takes for a broken network. It still does for SCRAM.
func answerWrongPasswords(c *kfake.Cluster, users []User) {
	c.Fault(kfake.Fault{
		Keys:  []kmsg.Key{kmsg.SASLAuthenticate},
		Err:   kerr.SaslAuthenticationFailed,
		Count: -1,
		When: func(kreq kmsg.Request) bool {
			req, ok := kreq.(*kmsg.SASLAuthenticateRequest)
			return ok && !maybePlain(req.SASLAuthBytes, users)
		},
	})
}

// maybePlain says whether the bytes are a PLAIN user's, or none of PLAIN at all: only that has zero bytes between its fields,
// which are the user to act as, the user, and the password.
func maybePlain(auth []byte, users []User) bool {
	fields := bytes.Split(auth, []byte{0})
	if len(fields) != 3 {
		return true
	}
	right := 0
	for _, u := range users {
		if u.Mechanism == plainMechanism {
			right |= subtle.ConstantTimeCompare([]byte(u.Name), fields[1]) & subtle.ConstantTimeCompare([]byte(u.Password), fields[2])
		}
	}
	return right == 1
}
