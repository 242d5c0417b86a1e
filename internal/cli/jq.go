package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/omninode-ai/omnibus/internal/oneline"
)

// What one record may cost a jq expression before it is given up: one that never ends must not hold the scan.
const (
	jqTime    = 2 * time.Second
	jqResults = 10_000
)

// expression is a compiled jq program that came with a flag.
type expression struct {
	flag string
	code *gojq.Code
}

func compileJQ(flag, text string) (*expression, error) {
	query, err := gojq.Parse(text)
	if err != nil {
		at := len(text)
		if p := (*gojq.ParseError)(nil); errors.As(err, &p) {
			at = max(0, p.Offset-len(p.Token))
		}
		return nil, badText(codeExpression, flag, text, at, err.Error()).fix("%s '.payload.quality_score > 0.9'", flag)
	}
	code, err := gojq.Compile(query)
	if err == nil {
		return &expression{flag, code}, nil
	}
	why := err.Error()
	_, name, _ := strings.Cut(why, ": ")
	name, _, _ = strings.Cut(name, "/")
	at := -1
	if name != "" {
		at = strings.Index(text, name)
	}
	f := badText(codeExpression, flag, text, at, why)
	if strings.HasPrefix(why, "function not defined") {
		f.meant(name, builtins()).fix(".%s or .payload.%s, where a member is meant", name, name)
	}
	return nil, f.fix("the language is that of jq 1.8: https://jqlang.org/manual")
}

// builtins are the names of jq's functions.
func builtins() []string {
	query, err := gojq.Parse("builtins")
	if err != nil {
		return nil
	}
	v, _ := query.Run(nil).Next()
	list, _ := v.([]any)
	names := make([]string, 0, len(list))
	for _, one := range list {
		if s, ok := one.(string); ok {
			name, _, _ := strings.Cut(s, "/")
			names = append(names, name)
		}
	}
	return names
}

// unfitError is why a flag could not be applied to one record. It holds nothing of the record.
type unfitError struct{ flag, why string }

func (e *unfitError) Error() string { return e.flag + ": " + e.why }

// results gives each result for doc to take, until that returns false. Its error is an *unfitError, or that of ctx.
func (x *expression) results(ctx context.Context, doc any, take func(any) (more bool)) error {
	within, cancel := context.WithTimeout(ctx, jqTime)
	defer cancel()
	iter := x.code.RunWithContext(within, doc)
	wrong := func(why string) error { return &unfitError{x.flag, why} }
	for range jqResults {
		v, ok := iter.Next()
		if !ok {
			return nil
		}
		switch err, failed := v.(error); {
		case failed && ctx.Err() != nil:
			return ctx.Err()
		case failed && within.Err() != nil:
			return wrong(fmt.Sprintf("it was not done within %v", jqTime))
		case failed && halted(err):
			return nil
		case failed:
			return wrong(withoutValues(err))
		}
		if !take(v) {
			return nil
		}
	}
	return wrong(fmt.Sprintf("it has more than %d results", jqResults))
}

// matches reports whether one of the results is true, as select() would see it: neither false nor null.
func (x *expression) matches(ctx context.Context, doc any) (bool, error) {
	found := false
	err := x.results(ctx, doc, func(v any) bool {
		found = v != nil && v != false
		return !found
	})
	return found, err
}

// halted reports whether the program ended itself without an error.
func halted(err error) bool {
	h := (*gojq.HaltError)(nil)
	return errors.As(err, &h) && h.Value() == nil
}

// withoutValues is the text of an error of jq up to where it quotes values, which come from a record.
func withoutValues(err error) string {
	if _, own := errors.AsType[gojq.ValueError](err); own {
		return "the expression raised an error of its own"
	}
	text := err.Error()
	if i := strings.IndexAny(text, "(\"{[0123456789"); i >= 0 {
		text = text[:i]
	}
	return strings.TrimRight(oneline.Text(text), " :-")
}
