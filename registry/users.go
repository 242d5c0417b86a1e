package registry

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// may lists what each role does.
var may = map[string][]Action{
	"reader": {Read},
	"writer": {Read, Register},
	"admin":  {Read, Register, Delete, Destroy, Configure},
}

type login struct {
	role string
	hash [sha256.Size]byte
}

// Users reads a file of users and returns what decides by it, for [Options]. A line is name:role:hash, where the role is reader,
// writer or admin, and the hash is the SHA-256 of the password in hexadecimal digits: passwords have to be long and random. Empty
// lines and those that begin with # do not count. Its errors name the line and quote nothing of it.
func Users(file []byte) (func(r *http.Request, a Action, subject string) error, error) {
	users := map[string]login{}
	n := 0
	for line := range strings.Lines(string(file)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, ":")
		if len(parts) != 3 || parts[0] == "" {
			return nil, fmt.Errorf("line %d: want name:role:hash", n)
		}
		hash, err := hex.DecodeString(parts[2])
		switch {
		case may[parts[1]] == nil:
			return nil, fmt.Errorf("line %d: the role is none of reader, writer and admin", n)
		case err != nil || len(hash) != sha256.Size:
			return nil, fmt.Errorf("line %d: the hash is not the SHA-256 of a password in 64 hexadecimal digits", n)
		case users[parts[0]].role != "":
			return nil, fmt.Errorf("line %d: the name is there twice", n)
		}
		users[parts[0]] = login{parts[1], [sha256.Size]byte(hash)}
	}
	if len(users) == 0 {
		return nil, errors.New("there is no user in it")
	}
	return func(r *http.Request, a Action, _ string) error {
		name, password, _ := r.BasicAuth()
		user, known := users[name]
		given := sha256.Sum256([]byte(password))
		if subtle.ConstantTimeCompare(given[:], user.hash[:]) != 1 || !known {
			return ErrLogin
		}
		if !slices.Contains(may[user.role], a) {
			return fmt.Errorf("the role %s does not allow it", user.role)
		}
		return nil
	}, nil
}
