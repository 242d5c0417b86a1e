package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/registry/client"
)

type schemaRegisterOptions struct {
	file   string
	all    bool
	dryRun bool
}

type schemaRegisterDoc struct {
	Schema   string           `json:"schema"`
	Registry string           `json:"registry"`
	DryRun   bool             `json:"dry_run"`
	Subjects []registeredItem `json:"subjects"`
}

type registeredItem struct {
	Subject string `json:"subject"`
	Result  string `json:"result"`           // registered, exists, would be registered or refused
	Version int    `json:"version,omitzero"` // absent: not registered
	ID      int    `json:"id,omitzero"`
	GUID    string `json:"guid,omitzero"`
	Why     string `json:"why,omitzero"` // of refused
}

// What became of a registration.
const (
	resultRegistered = "registered"
	resultExists     = "exists"
	resultWould      = "would be registered"
	resultRefused    = "refused"
)

func newSchemaRegisterCmd(a *app) *cobra.Command {
	var o schemaRegisterOptions
	cmd := prints(&cobra.Command{
		Use:   "register SUBJECT|EVENT…",
		Short: "Register schemas, and say which id they have",
		Long: "An event type of the catalogue is registered as what its readers rely on: the schema of the whole event, under TOPIC-value. With -f the\n" +
			"file is registered as it is, under SUBJECT. What is registered already is said and not registered twice.",
		Example: `omnibus schema register omninode.codegen.request.validate.v1
omnibus schema register --all
omnibus schema register orders-value -f orders.json --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			least, most := 1, 1000
			switch {
			case o.all && o.file != "":
				return fail(codeConflict, "--all and -f cannot be used together").fix("use one of them")
			case o.all:
				least, most = 0, 0
			case o.file != "":
				most = 1
			}
			if err := a.wantArgs(least, most, "a SUBJECT or an EVENT, or --all")(cmd, args); err != nil {
				return err
			}
			return runSchemaRegister(cmd.Context(), a, o, args)
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "the `file` to register, instead of what the catalogue says")
	f.BoolVar(&o.all, "all", false, "every event type of the catalogue")
	f.BoolVar(&o.dryRun, "dry-run", false, "only ask whether the registry would take them")
	return cmd
}

func runSchemaRegister(ctx context.Context, a *app, o schemaRegisterOptions, names []string) error {
	desired, err := o.desired(a, names)
	if err != nil {
		return err
	}
	c, err := a.needRegistry()
	if err != nil {
		return err
	}
	doc := schemaRegisterDoc{Schema: schemaOf("schema.register"), Registry: c.URL(), DryRun: o.dryRun, Subjects: []registeredItem{}}
	err = a.withinEach(ctx, len(desired), func(ctx context.Context) error {
		plan, err := c.PlanSubjects(ctx, false, desired...)
		if err != nil {
			return err
		}
		refused := map[string]string{}
		missing := map[string]bool{}
		for _, ch := range plan.Changes {
			switch {
			case ch.Breaks != nil:
				refused[ch.Subject] = reason(ch.Breaks[0])
			case ch.Left == "":
				missing[ch.Subject] = true
			}
		}
		register := func() (map[string]int64, error) {
			counts := map[string]int64{resultRegistered: 0}
			for _, d := range desired {
				item := registeredItem{Subject: d.Subject, Result: resultExists}
				switch {
				case refused[d.Subject] != "":
					item.Result, item.Why = resultRefused, refused[d.Subject]
				case missing[d.Subject] && o.dryRun:
					item.Result = resultWould
				default:
					is, err := c.Register(ctx, d.Subject, d.Schema)
					if err != nil {
						return counts, err
					}
					item.Version, item.ID, item.GUID = is.Version, is.ID, is.GUID
					if missing[d.Subject] {
						item.Result = resultRegistered
						counts[resultRegistered]++
					}
				}
				doc.Subjects = append(doc.Subjects, item)
			}
			return counts, nil
		}
		if o.dryRun || len(missing) == 0 {
			_, err = register()
			return err
		}
		return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
			what := desired[0].Subject
			if len(desired) > 1 {
				what = count(len(desired), "subject", "subjects")
			}
			return deadletter.Open(b, "").Audited(ctx, "register", what, register)
		})
	})
	if err != nil {
		return err
	}
	if err := a.printRegistered(doc); err != nil {
		return err
	}
	return doc.refused(o.dryRun)
}

// desired are the schemas that the arguments mean.
func (o schemaRegisterOptions) desired(a *app, names []string) ([]client.DesiredSubject, error) {
	catalogue, err := a.catalog()
	if err != nil {
		return nil, err
	}
	if o.all {
		d, err := desiredOptions{}.desired(a, catalogue)
		return d.subjects, err
	}
	var all []client.DesiredSubject
	for _, name := range names {
		subject := name
		if o.file == "" {
			if _, isTopic := catalogue.Lookup(event.Topic(name)); isTopic {
				subject = event.Topic(name).Subject()
			} else if s, err := a.declared(strings.TrimSuffix(name, "-value")); err == nil {
				subject = s.Topic.Subject()
			}
		}
		text, err := a.desiredSchema(subject, o.file, catalogue)
		if err != nil {
			return nil, err
		}
		if text == nil {
			_, err := a.declared(name)
			return nil, err
		}
		all = append(all, client.DesiredSubject{Subject: subject, Schema: client.Schema{Text: string(text)}})
	}
	return all, nil
}

func (d schemaRegisterDoc) refused(dry bool) error {
	var f *failure
	n := 0
	for _, s := range d.Subjects {
		if s.Result != resultRefused {
			continue
		}
		n++
		if f == nil {
			f = fail(codeBreaking, "the registry refuses %s", s.Subject).at("registry", "%s", d.Registry).because("%s", clip(s.Why, 300)).
				fix("keep what readers and writers of the registered versions rely on, or make a new major version: omnibus schema check")
		}
	}
	if f == nil {
		return nil
	}
	if n > 1 {
		f.at("refused", "%d of %d", n, len(d.Subjects))
	}
	if !dry {
		f.at("others", "%s", "the table above says what became of them")
	}
	return f
}

func (a *app) printRegistered(doc schemaRegisterDoc) error {
	return a.print(doc, func() error {
		number := func(n int) string {
			if n == 0 {
				return "-"
			}
			return strconv.Itoa(n)
		}
		t := newTable("SUBJECT", "RESULT", "VERSION#", "ID#", "GUID")
		for _, s := range doc.Subjects {
			guid := s.GUID
			if guid == "" {
				guid = "-"
			}
			t.add(s.Subject, s.Result, number(s.Version), number(s.ID), guid)
		}
		return a.printTable(t)
	})
}
