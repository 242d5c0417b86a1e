package registry

import (
	"fmt"
	"strconv"
)

// Error is an answer that is not what was asked for. Its code is the one that clients of such registries know. The first three
// digits are the status; that of a registry which takes no changes is 503, so that clients ask again.
type Error struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message + " (" + strconv.Itoa(e.Code) + ")" }

// status is the status of the answer.
func (e *Error) status() int {
	if e.IsReadOnly() {
		return 503
	}
	n := e.Code
	for n > 999 {
		n /= 10
	}
	return n
}

// IsReadOnly tells whether the registry takes no changes, because another one does or none yet.
func (e *Error) IsReadOnly() bool { return e.Code == 50003 || e.Code == 50004 }

func failed(code int, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

func subjectNotFound(s string) *Error { return failed(40401, "Subject '%s' not found.", s) }

func versionNotFound(n int) *Error { return failed(40402, "Version %d not found.", n) }

func schemaNotFound() *Error { return failed(40403, "Schema not found") }

func idNotFound(id string) *Error { return failed(40403, "Schema %s not found", id) }

func subjectSoftDeleted(s string) *Error {
	return failed(40404, "Subject '%s' was soft deleted. Set permanent=true to delete permanently", s)
}

func subjectNotSoftDeleted(s string) *Error {
	return failed(40405, "Subject '%s' was not deleted first before being permanently deleted", s)
}

func versionSoftDeleted(s string, n int) *Error {
	return failed(40406, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently", s, n)
}

func versionNotSoftDeleted(s string, n int) *Error {
	return failed(40407, "Subject '%s' Version %d was not deleted first before being permanently deleted", s, n)
}

func noSubjectLevel(s string) *Error {
	return failed(40408, "Subject '%s' does not have subject-level compatibility configured", s)
}

func noSubjectMode(s string) *Error {
	return failed(40409, "Subject '%s' does not have subject-level mode configured", s)
}

func incompatible(s, details string) *Error {
	return failed(409, "Schema being registered is incompatible with an earlier schema for subject \"%s\", details: %s", s, details)
}

func invalidSchema(format string, args ...any) *Error {
	return failed(42201, "Invalid schema: "+format, args...)
}

func invalidVersion(text string) *Error {
	return failed(42202, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", text)
}

func invalidLevel() *Error {
	return failed(42203, "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive")
}

func invalidPolicy(text string) *Error {
	return failed(42203, "Invalid compatibility policy '%s'. Valid values are role, strict and lenient", text)
}

func invalidMode() *Error {
	return failed(42204, "Invalid mode. Valid values are READWRITE, READONLY and IMPORT")
}

func notPermitted(format string, args ...any) *Error { return failed(42205, format, args...) }

func referenced(s string, n int) *Error {
	return failed(42206, "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s,version=%d}.", s, n)
}

func idDoesNotMatch(have, given int) *Error {
	return failed(42207, "The schema is registered under id %d, which does not match the given id %d", have, given)
}

func invalidSubject(s string) *Error {
	return failed(42208, "The specified subject '%s' is not a valid subject.", s)
}

func tooLarge(limit int) *Error { return failed(42209, "Schema is larger than %d bytes", limit) }
