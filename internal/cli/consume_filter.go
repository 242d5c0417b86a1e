package cli

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// filterOptions say which records are meant; all of them have to fit.
type filterOptions struct {
	types       []string
	correlation string
	headers     []string
	failed      string
	where       string
}

func (o *filterOptions) filters(f *pflag.FlagSet) {
	f.StringVar(&o.where, "where", "", "only what this jq `expression` is true of: '.payload.quality_score > 0.9'")
	f.StringSliceVar(&o.types, "event-type", nil, "only events of this `type` or pattern; may be repeated")
	f.StringVarP(&o.correlation, "correlation", "c", "", "only events of the flow with this `id`")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "only records with this header, `name=value` or name; may be repeated")
	f.StringVar(&o.failed, "error", "", "only dead letters of this class, or with this `text` in their error")
	f.StringVar(&o.correlation, "correlation-id", "", "")
	f.Lookup("correlation-id").Hidden = true
}

// filter decides about records.
type filter struct {
	types       []event.Glob
	correlation event.CorrelationID
	headers     []bus.Header // a nil value: any
	failed      string
	where       *expression
}

func (o filterOptions) filter() (*filter, error) {
	f := &filter{types: globs(o.types), correlation: event.CorrelationID(o.correlation), failed: strings.ToLower(o.failed)}
	if o.correlation != "" && !f.correlation.Valid() {
		return nil, fail(codeFlagValue, "the correlation id is not 1 to 128 printable characters").fix("--correlation flow-7")
	}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, "=")
		if name == "" {
			return nil, fail(codeFlagValue, "%q is not a header", clip(h, 60)).fix("--header name=value").fix("--header name, where any value will do")
		}
		one := bus.Header{Name: name}
		if ok {
			one.Value = []byte(value)
		}
		f.headers = append(f.headers, one)
	}
	if o.where == "" {
		return f, nil
	}
	var err error
	f.where, err = compileJQ("--where", o.where)
	return f, err
}

// matches decides about one record. An error is that of --where.
func (f *filter) matches(ctx context.Context, v *view) (bool, error) {
	for _, want := range f.headers {
		if !slices.ContainsFunc(v.Headers, func(h bus.Header) bool {
			return h.Name == want.Name && (want.Value == nil || h.Value != nil && bytes.Equal(h.Value, want.Value))
		}) {
			return false, nil
		}
	}
	if f.failed != "" && (!v.Topic.IsDLQ() || !failedWith(bus.ParseDeadLetter(v.Record), f.failed)) {
		return false, nil
	}
	if f.correlation != "" && (v.event() == nil || v.event().CorrelationID != f.correlation) {
		return false, nil
	}
	if len(f.types) > 0 && (v.event() == nil || !slices.ContainsFunc(f.types, func(g event.Glob) bool { return g.Match(v.event().Type) })) {
		return false, nil
	}
	if f.where == nil {
		return true, nil
	}
	return f.where.matches(ctx, v.doc())
}

// failedWith reports whether a dead letter is of the class that text names, or has it in the type or the message of its error.
func failedWith(d bus.DeadLetter, text string) bool {
	return d.Class == text || strings.Contains(strings.ToLower(d.Type+"\n"+d.Message), text)
}
