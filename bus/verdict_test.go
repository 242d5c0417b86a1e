package bus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	plain, content := errors.New("plain"), &contentError{ClassInvalid, errors.New("against the schema")}
	skip, dead, pause, later := Skip("old"), Permanent(plain), Unavailable(plain), RetryAfter(time.Hour, plain)
	for name, c := range map[string]struct {
		err   error
		want  Verdict
		after time.Duration
	}{
		"nil":                          {nil, Done, 0},
		"plain":                        {plain, WillRetry, 0},
		"cancelled":                    {context.Canceled, WillRetry, 0},
		"panic":                        {&PanicError{Value: 1}, WillRetry, 0},
		"permanent":                    {dead, Dead, 0},
		"permanent of nothing":         {Permanent(nil), Dead, 0},
		"unavailable":                  {pause, WillPause, 0},
		"skip":                         {skip, Skipped, 0},
		"retry after":                  {later, WillRetry, time.Hour},
		"retry after no time":          {RetryAfter(0, plain), WillRetry, 1},
		"content":                      {content, Dead, 0},
		"wrapped":                      {fmt.Errorf("reading: %w", fmt.Errorf("more: %w", pause)), WillPause, 0},
		"wrapped content":              {fmt.Errorf("reading: %w", content), Dead, 0},
		"with a sentinel":              {fmt.Errorf("%w: %w", plain, dead), Dead, 0},
		"by text only":                 {fmt.Errorf("reading: %v", dead), WillRetry, 0}, //nolint:errorlint // the point
		"permanent of unavailable":     {Permanent(fmt.Errorf("giving up: %w", pause)), Dead, 0},
		"unavailable of permanent":     {Unavailable(dead), WillPause, 0},
		"permanent of joined":          {Permanent(errors.Join(pause, plain)), Dead, 0},
		"unavailable of content":       {Unavailable(content), WillPause, 0},
		"permanent, then unavailable":  {errors.Join(dead, pause), WillPause, 0},
		"unavailable, then permanent":  {errors.Join(pause, dead), WillPause, 0},
		"plain, then permanent":        {errors.Join(plain, dead), Dead, 0},
		"plain, then unavailable":      {errors.Join(plain, pause), WillPause, 0},
		"skip, then plain":             {errors.Join(skip, plain), WillRetry, 0},
		"plain, then skip":             {errors.Join(plain, skip), WillRetry, 0},
		"skip, then permanent":         {errors.Join(skip, dead), Dead, 0},
		"skip, then skip":              {errors.Join(skip, nil, Skip("older")), Skipped, 0},
		"skip, then retry after":       {errors.Join(skip, later), WillRetry, time.Hour},
		"retry after twice":            {errors.Join(RetryAfter(time.Minute, plain), later), WillRetry, time.Hour},
		"joined in joined":             {errors.Join(skip, fmt.Errorf("both: %w", errors.Join(plain, pause))), WillPause, 0},
		"joined with content":          {errors.Join(content, plain), Dead, 0},
		"an error that wraps no error": {wrapsNoneError{}, WillRetry, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, after := judge(c.err); got != c.want || after != c.after {
				t.Errorf("%v after %v, want %v after %v", got, after, c.want, c.after)
			}
			if got := Judge(c.err); got != c.want {
				t.Errorf("Judge says %v, want %v", got, c.want)
			}
		})
	}
}

type wrapsNoneError struct{}

func (wrapsNoneError) Error() string   { return "wraps none" }
func (wrapsNoneError) Unwrap() []error { return nil }

func TestVerdictErrorsKeepTheirCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, err := range []error{Permanent(cause), Unavailable(cause), RetryAfter(time.Second, cause)} {
		if !errors.Is(err, cause) || err.Error() != "cause" {
			t.Errorf("%q lost its cause", err)
		}
	}
	if got := Skip("too old").Error(); got != "too old" {
		t.Errorf("skip says %q", got)
	}
}

func TestClass(t *testing.T) {
	t.Parallel()
	content := &contentError{ClassNoDispatcher, errors.New("nobody takes it")}
	for want, errs := range map[string][]error{
		ClassNoDispatcher: {content, fmt.Errorf("reading: %w", content), Permanent(content)},
		ClassPermanent:    {Permanent(errors.New("no")), fmt.Errorf("it: %w", Permanent(nil)), errors.Join(errors.New("a"), Permanent(nil))},
		ClassExhausted:    {errors.New("no"), RetryAfter(time.Second, nil), &PanicError{Value: "x"}},
	} {
		for _, err := range errs {
			if got := class(err); got != want {
				t.Errorf("%v: class %s, want %s", err, got, want)
			}
		}
	}
}
