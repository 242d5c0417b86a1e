package registry

import (
	"log/slog"
	"strings"
)

// scope is the subject that the path names, "" where it names none.
func (r *request) scope() (string, error) {
	if r.names["s"] == "" {
		return "", nil
	}
	return r.subject()
}

func (r *request) config() (out any, err error) {
	subject, err := r.scope()
	if err != nil {
		return nil, err
	}
	err = r.view(func(s *state) error {
		c, ok := s.configs[subject]
		switch {
		case subject == "" || r.flag("defaultToGlobal"):
			c = s.config(subject)
		case !ok:
			return noSubjectLevel(subject)
		}
		out = c
		return nil
	})
	return out, err
}

func (r *request) setConfig() (any, error) {
	subject, err := r.scope()
	if err != nil {
		return nil, err
	}
	var body configUpdate
	if err := r.into(&body); err != nil {
		return nil, err
	}
	c, err := body.config()
	if err != nil {
		return nil, err
	}
	err = r.do("configure", func(s *state) (change, error) { return s.setConfig(subject, c) }, slog.String("level", c.Level), slog.String("policy", c.Policy))
	answer := updated{c.Level, c}
	answer.Level = ""
	return answer, err
}

func (r *request) resetConfig() (any, error) {
	subject, err := r.scope()
	if err != nil {
		return nil, err
	}
	var was Config
	err = r.do("take back the configuration", func(s *state) (ch change, err error) {
		ch, was, err = s.resetConfig(subject)
		return ch, err
	})
	return updated{was.Level, was}, err
}

func (r *request) mode() (out any, err error) {
	subject, err := r.scope()
	if err != nil {
		return nil, err
	}
	err = r.view(func(s *state) error {
		if _, ok := s.modes[subject]; !ok && subject != "" && !r.flag("defaultToGlobal") {
			return noSubjectMode(subject)
		}
		out = modeAnswer{s.mode(subject)}
		return nil
	})
	return out, err
}

func (r *request) setMode() (any, error) {
	subject, err := r.scope()
	if err != nil {
		return nil, err
	}
	var body modeAnswer
	if err := r.into(&body); err != nil {
		return nil, err
	}
	err = r.do("set the mode", func(s *state) (change, error) { return s.setMode(subject, body.Mode, r.flag("force")) }, slog.String("mode", clip(body.Mode)))
	return modeAnswer{strings.ToUpper(body.Mode)}, err
}

func (r *request) resetMode() (any, error) {
	subject, err := r.scope()
	if err != nil {
		return nil, err
	}
	var was string
	err = r.do("take back the mode", func(s *state) (ch change, err error) {
		ch, was, err = s.resetMode(subject, r.flag("recursive"))
		return ch, err
	})
	return modeAnswer{was}, err
}
