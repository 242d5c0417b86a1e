package registry

import (
	"cmp"
	"encoding/hex"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// request is one request, its names and its body as they were read.
type request struct {
	*http.Request
	s     *Server
	names map[string]string
	query url.Values
	body  []byte
}

func (r *request) flag(name string) bool {
	v := r.query.Get(name)
	return strings.EqualFold(v, "true") || v == "1"
}

// which is which versions the query asks for.
func (r *request) which() which {
	switch {
	case r.flag("deletedOnly"):
		return deletedOnly
	case r.flag("deleted"):
		return all
	}
	return live
}

// subject is the subject that the path names, in the default context.
func (r *request) subject() (string, error) {
	name := strings.TrimPrefix(r.names["s"], ":.:")
	return name, validSubject(name)
}

// prefix is the beginning of the names that are asked for.
func (r *request) prefix() string {
	p := r.query.Get("subjectPrefix")
	return strings.TrimPrefix(strings.TrimPrefix(p, ":*:"), ":.:")
}

// page is the part of list that is asked for, never nil.
func page[T any](r *request, list []T) ([]T, error) {
	offset, limit := 0, -1
	for name, to := range map[string]*int{"offset": &offset, "limit": &limit} {
		if v := r.query.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return nil, failed(400, "%s is not a number", name)
			}
			*to = n
		}
	}
	list = list[min(max(offset, 0), len(list)):]
	if limit >= 0 {
		list = list[:min(limit, len(list))]
	}
	return append([]T{}, list...), nil
}

// into reads the body into v.
func (r *request) into(v any) error {
	if len(r.body) == 0 {
		return failed(422, "the request has no body")
	}
	if err := jsonx.Unmarshal(r.body, v); err != nil {
		return failed(400, "the body cannot be read: %v", clip(err.Error()))
	}
	return nil
}

func (r *request) view(read func(*state) error) error { return r.s.log.view(read) }

// do changes the state and logs who did what.
func (r *request) do(what string, command func(*state) (change, error), attrs ...slog.Attr) error {
	did := false
	err := r.s.log.do(r.Context(), func(s *state) (change, error) {
		ch, err := command(s)
		did = len(ch.records) > 0
		return ch, err
	})
	if did {
		attrs = append([]slog.Attr{
			slog.String("what", what), slog.String("subject", r.names["s"]),
			slog.String("from", r.RemoteAddr), slog.String("user", user(r.Request)), slog.String("agent", clip(r.UserAgent())),
		}, attrs...)
		level := slog.LevelInfo
		if err != nil {
			level, attrs = slog.LevelWarn, append(attrs, slog.Any("error", err))
		}
		r.s.opts.Logger.LogAttrs(r.Context(), level, "registry change", attrs...)
	}
	return err
}

// user is the name that the request logs in with, as far as it is one.
func user(r *http.Request) string {
	name, _, _ := r.BasicAuth()
	return clip(name)
}

// number is the version that the path names; 0 is the latest.
func (r *request) number() (int, error) {
	text := r.names["v"]
	if text == "latest" || text == "-1" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, invalidVersion(clip(text))
	}
	return n, nil
}

// named is the version that the path names.
func (r *request) named(s *state, w which) (*version, error) {
	subject, err := r.subject()
	if err != nil {
		return nil, err
	}
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	last := s.latest(subject, w)
	if last == nil {
		return nil, subjectNotFound(subject)
	}
	if n == 0 {
		return last, nil
	}
	if v := s.version(subject, n); v != nil && w.has(v) {
		return v, nil
	}
	return nil, versionNotFound(n)
}

func (r *request) root() (any, error) { return struct{}{}, nil }

func (r *request) subjects() (out any, err error) {
	err = r.view(func(s *state) (err error) {
		out, err = page(r, s.names(r.prefix(), r.which()))
		return err
	})
	return out, err
}

func (r *request) versions() (out any, err error) {
	subject, err := r.subject()
	if err != nil {
		return nil, err
	}
	err = r.view(func(s *state) (err error) {
		found := s.versions(subject, r.which())
		if len(found) == 0 {
			return subjectNotFound(subject)
		}
		out, err = page(r, numbers(found))
		return err
	})
	return out, err
}

func (r *request) version() (out any, err error) {
	err = r.view(func(s *state) error {
		v, err := r.named(s, r.which())
		if err == nil {
			out = v.entity()
		}
		return err
	})
	return out, err
}

func (r *request) versionText() (out any, err error) {
	err = r.view(func(s *state) error {
		v, err := r.named(s, r.which())
		if err == nil {
			out = text(v.text)
		}
		return err
	})
	return out, err
}

func (r *request) referencedBy() (out any, err error) {
	err = r.view(func(s *state) error {
		v, err := r.named(s, all)
		if err == nil {
			out, err = page(r, s.referrers(v.subject, v.number, r.which()))
		}
		return err
	})
	return out, err
}

func (r *request) byMetadata() (out any, err error) {
	subject, err := r.subject()
	if err != nil {
		return nil, err
	}
	keys, values := r.query["key"], r.query["value"]
	if len(keys) != len(values) {
		return nil, failed(400, "every key needs a value")
	}
	err = r.view(func(s *state) error {
		found := s.versions(subject, r.which())
		if len(found) == 0 {
			return subjectNotFound(subject)
		}
		for _, v := range slices.Backward(found) {
			has := true
			for i, k := range keys {
				has = has && property(v.content, k) == values[i]
			}
			if has {
				out = v.entity()
				return nil
			}
		}
		return schemaNotFound()
	})
	return out, err
}

func (r *request) register() (any, error) {
	subject, err := r.subject()
	if err != nil {
		return nil, err
	}
	var body registration
	if err := r.into(&body); err != nil {
		return nil, err
	}
	var e entity
	err = r.do("register", func(s *state) (change, error) {
		ch, v, err := s.register(subject, body, r.flag("normalize"))
		if err == nil {
			e = v.entity()
		}
		return ch, err
	})
	e.Subject, e.Written = "", 0
	return e, err
}

func (r *request) lookup() (out any, err error) {
	subject, err := r.subject()
	if err != nil {
		return nil, err
	}
	var body registration
	if err := r.into(&body); err != nil {
		return nil, err
	}
	err = r.view(func(s *state) error {
		if s.latest(subject, r.which()) == nil {
			return subjectNotFound(subject)
		}
		cfg := s.config(subject)
		c, err := body.content(r.flag("normalize") || cfg.Normalize != nil && *cfg.Normalize)
		if err != nil {
			return err
		}
		if c.refs, err = s.fixed(c.refs); err != nil {
			return err
		}
		v := s.find(subject, c, r.which())
		if v == nil {
			return schemaNotFound()
		}
		out = v.entity()
		return nil
	})
	return out, err
}

func (r *request) deleteSubject() (any, error) {
	subject, err := r.subject()
	if err != nil {
		return nil, err
	}
	var gone []int
	err = r.do("delete subject", func(s *state) (ch change, err error) {
		ch, gone, err = s.deleteSubject(subject, r.flag("permanent"))
		return ch, err
	}, slog.Bool("permanent", r.flag("permanent")))
	return gone, err
}

func (r *request) deleteVersion() (any, error) {
	gone := 0
	err := r.do("delete version", func(s *state) (change, error) {
		w := live
		if r.flag("permanent") {
			w = all
		}
		subject, err := r.subject()
		if err != nil {
			return change{}, err
		}
		if gone, err = r.number(); err != nil {
			return change{}, err
		}
		if len(s.subjects[subject]) == 0 {
			return change{}, subjectNotFound(subject)
		}
		if gone == 0 {
			last := s.latest(subject, w)
			if last == nil {
				return change{}, subjectNotFound(subject)
			}
			gone = last.number
		}
		return s.deleteVersion(subject, gone, r.flag("permanent"))
	}, slog.String("version", r.names["v"]), slog.Bool("permanent", r.flag("permanent")))
	return gone, err
}

func (r *request) schemas() (out any, err error) {
	err = r.view(func(s *state) (err error) {
		list := []entity{}
		for _, name := range s.names(r.prefix(), r.which()) {
			found := s.versions(name, r.which())
			if r.flag("latestOnly") {
				found = found[len(found)-1:]
			}
			for _, v := range found {
				list = append(list, v.entity())
			}
		}
		out, err = page(r, list)
		return err
	})
	return out, err
}

func (r *request) types() (any, error) { return []string{typeJSON}, nil }

// content is what the id of the path names.
func (r *request) content(s *state) (*content, error) {
	id, err := strconv.Atoi(r.names["id"])
	if err != nil {
		return nil, failed(404, "HTTP 404 Not Found")
	}
	if c := s.ids[id]; c != nil {
		return c, nil
	}
	return nil, idNotFound(strconv.Itoa(id))
}

func (r *request) byID() (out any, err error) {
	err = r.view(func(s *state) error {
		c, err := r.content(s)
		if err != nil {
			return err
		}
		e := c.entity()
		if r.flag("fetchMaxId") {
			e.MaxID = s.maxID
		}
		out = e
		return nil
	})
	return out, err
}

func (r *request) textByID() (out any, err error) {
	err = r.view(func(s *state) error {
		c, err := r.content(s)
		if err == nil {
			out = text(c.text)
		}
		return err
	})
	return out, err
}

// usesOfID are the versions that have the id of the path, by what the query asks for.
func (r *request) usesOfID(s *state) ([]*version, error) {
	c, err := r.content(s)
	if err != nil {
		return nil, err
	}
	uses := s.uses(c.id, r.which())
	if of := strings.TrimPrefix(r.query.Get("subject"), ":.:"); of != "" {
		uses = slices.DeleteFunc(uses, func(v *version) bool { return v.subject != of })
	}
	return uses, nil
}

func (r *request) subjectsOfID() (out any, err error) {
	err = r.view(func(s *state) error {
		uses, err := r.usesOfID(s)
		if err != nil {
			return err
		}
		var names []string
		for _, v := range uses {
			names = append(names, v.subject)
		}
		out, err = page(r, slices.Compact(names))
		return err
	})
	return out, err
}

func (r *request) versionsOfID() (out any, err error) {
	err = r.view(func(s *state) error {
		uses, err := r.usesOfID(s)
		if err != nil {
			return err
		}
		var list []useAnswer
		for _, v := range uses {
			list = append(list, useAnswer{v.subject, v.number})
		}
		out, err = page(r, list)
		return err
	})
	return out, err
}

// byGUIDOf are the contents that the GUID of the path names.
func (r *request) contents(s *state) ([]*content, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(r.names["guid"], "-", ""))
	if err == nil && len(raw) == 16 {
		if found := s.guids[[16]byte(raw)]; len(found) > 0 {
			return found, nil
		}
	}
	return nil, idNotFound(clip(r.names["guid"]))
}

func (r *request) byGUID() (out any, err error) {
	err = r.view(func(s *state) error {
		found, err := r.contents(s)
		if err == nil {
			out = found[0].entity()
		}
		return err
	})
	return out, err
}

func (r *request) idsOfGUID() (out any, err error) {
	err = r.view(func(s *state) error {
		found, err := r.contents(s)
		list := []contextID{}
		for _, c := range found {
			list = append(list, contextID{".", c.id})
		}
		slices.SortFunc(list, func(a, b contextID) int { return cmp.Compare(a.ID, b.ID) })
		out = list
		return err
	})
	return out, err
}

func (r *request) compatible() (any, error) {
	subject, err := r.subject()
	if err != nil {
		return nil, err
	}
	number, latest := 0, false
	if r.names["v"] != "" {
		if number, err = r.number(); err != nil {
			return nil, err
		}
		latest = number == 0
	}
	var body registration
	if err := r.into(&body); err != nil {
		return nil, err
	}
	var answer compatAnswer
	err = r.view(func(s *state) error {
		last := s.latest(subject, live)
		switch {
		case last == nil && number > 0:
			return subjectNotFound(subject)
		case last != nil && latest:
			number = last.number
		}
		messages, err := s.verdict(subject, body, number, r.flag("normalize"))
		answer.Compatible = len(messages) == 0
		if r.flag("verbose") {
			answer.Messages = messages
		}
		return err
	})
	return answer, err
}
