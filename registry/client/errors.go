package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// What a caller may branch on.
var (
	// ErrNotFound means that the registry answered, and has no such schema, subject, version or setting.
	ErrNotFound = errors.New("not found")
	// ErrIncompatible means that the schema breaks the rule of its subject.
	ErrIncompatible = errors.New("incompatible")
	// ErrRefused means that the registry does not take it: an invalid schema, an operation that its mode forbids.
	ErrRefused = errors.New("refused")
	// ErrUnauthorized means that the registry refused the login, or what it may do.
	ErrUnauthorized = errors.New("not authorized")
	// ErrUnsupported means that this make of registry does not serve the call.
	ErrUnsupported = errors.New("not served by this registry")
	// ErrUnreachable means that no registry answered, or none that works now. Nothing is known then.
	ErrUnreachable = errors.New("registry unreachable")
)

// Error says what was being done, where, and what the registry answered. It is one of the sentinels above.
type Error struct {
	Op      string // "get schema 7"
	URL     string // of the registry, without a login
	Status  int    // of HTTP; 0: no answer
	Code    int    // of the registry; 0: none
	Message string // what the registry said, cut

	kind  error
	cause error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s at %s", e.Op, e.kind, e.URL)
	switch {
	case e.Code != 0:
		s += fmt.Sprintf(" (%d)", e.Code)
	case e.Status != 0:
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// maxSaid bounds what is kept of a registry's text: some quote the whole schema.
const maxSaid = 400

// explain turns what the library says into an [Error].
func (c *Client) explain(op string, err error) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	e := &Error{Op: op, URL: c.URL(), kind: ErrUnreachable}
	answer, ok := errors.AsType[*sr.ResponseError](err)
	if !ok {
		e.cause = err
		if inner, ok := errors.AsType[*url.Error](err); ok {
			e.cause = inner.Err // without the request, which was said
		}
		e.Message = oneLine(innermost(e.cause).Error())
		return e
	}
	e.Status, e.Code, e.Message = answer.StatusCode, answer.ErrorCode, oneLine(answer.Message)
	e.kind = kindOf(answer.StatusCode, answer.ErrorCode)
	if e.Code == 0 {
		e.Message = "" // a page of something else
	}
	return e
}

// kindOf is the rule that says what an answer means. A registry's own code begins with the status of HTTP and has two digits more;
// an answer that has none may come from anything on the way.
func kindOf(status, code int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return ErrUnauthorized
	case status == http.StatusNotFound && code > 40400 && code < 40500:
		return ErrNotFound
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return ErrUnsupported
	case status == http.StatusConflict:
		return ErrIncompatible
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return ErrUnreachable
	case status >= 400 && status < 500:
		return ErrRefused
	}
	return ErrUnreachable
}

func innermost(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxSaid {
		s = strings.ToValidUTF8(s[:maxSaid], "") + "…"
	}
	return s
}
