package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

// schemaApply is the kind of a plan of topics and subjects.
const schemaApply = "schema apply"

// wholePlan is what has to be done so that a cluster and its registry are what they should be: topics first, because an event can be
// published once there is one, then subjects.
type wholePlan struct {
	Topics   bus.TopicPlan      `json:"topics"`
	Subjects client.SubjectPlan `json:"subjects"`
}

func (p wholePlan) changes() int { return len(p.Topics.Changes) + len(p.Subjects.Changes) }
func (p wholePlan) doable() int  { return p.Topics.Doable() + p.Subjects.Doable() }

// breaking are the subjects whose new schema the registry would refuse.
func (p wholePlan) breaking() (all []client.SubjectChange) {
	for _, c := range p.Subjects.Changes {
		if c.Breaks != nil {
			all = append(all, c)
		}
	}
	return all
}

type wholePlanDoc struct {
	Schema   string             `json:"schema"`
	Executed bool               `json:"executed"`
	Plan     *planItem          `json:"plan"` // null: nothing to do
	Topics   []bus.TopicChange  `json:"topics"`
	Subjects []subjectChangeDoc `json:"subjects"`
	Left     int                `json:"left"` // of them, that are not done
	Next     string             `json:"next,omitzero"`
}

type subjectChangeDoc struct {
	Subject string   `json:"subject"` // empty: the registry itself
	Do      string   `json:"do"`      // register or level
	Have    string   `json:"have"`
	Want    string   `json:"want"`
	Left    string   `json:"left,omitzero"`
	Breaks  []string `json:"breaks,omitempty"`
	Warning string   `json:"warning,omitzero"`
}

func wholePlanDocOf(name string, p wholePlan) wholePlanDoc {
	doc := wholePlanDoc{
		Schema: schemaOf(name), Topics: append([]bus.TopicChange{}, p.Topics.Changes...), Subjects: []subjectChangeDoc{}, Left: p.changes() - p.doable(),
	}
	for _, c := range p.Subjects.Changes {
		doc.Subjects = append(doc.Subjects, subjectChangeDoc{c.Subject, c.Do, c.Have, c.Want, c.Left, c.Breaks, c.Warning})
	}
	return doc
}

const wholeHelp = "Without -f, topics and subjects should be what the catalogue says: each event type has its topic, the topic of its dead letters, and the\n" +
	"schema of its whole event under TOPIC-value. A file lists them:\n\n" +
	"  topics:                        # as for topics apply\n" +
	"    - name: omninode.codegen.request.validate.v1\n" +
	"      partitions: 6\n" +
	"  registry: {level: FULL_TRANSITIVE, policy: ROLE}\n" +
	"  subjects:\n" +
	"    - subject: omninode.codegen.request.validate.v1-value\n" +
	"      schema: validate.json      # left out: what the catalogue says of its topic\n" +
	"      level: FULL_TRANSITIVE     # left out: as it is\n" +
	"      policy: ROLE\n\n" +
	"Nothing is ever deleted. What takes something away, a level that protects less too, is shown and left, unless --shrink says otherwise.\n" +
	"A schema that the registry would refuse is shown with the reason, and then nothing is applied."

func newSchemaPlanCmd(a *app) *cobra.Command {
	var o desiredOptions
	var out string
	cmd := prints(&cobra.Command{
		Use:   "plan [PATTERN…]",
		Short: "Say what has to be done so that topics and subjects are what they should be",
		Long:  "The plan is kept under an id: \"schema apply --plan ID\" does exactly that, or nothing where something changed meanwhile.\n\n" + wholeHelp,
		Example: `omnibus schema plan
omnibus schema plan 'omninode.codegen.*'
omnibus schema plan -f onex.yaml --out plan.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.patterns = args
			return runSchemaPlan(cmd.Context(), a, o, out)
		},
	}, formatTable, formatJSON)
	o.flags(cmd.Flags())
	cmd.Flags().StringVar(&out, "out", "", "write the plan to this `file` too, for \"schema apply FILE\"")
	return cmd
}

func runSchemaPlan(ctx context.Context, a *app, o desiredOptions, out string) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		var plan wholePlan
		var kept bus.KeptPlan
		err := a.within(ctx, func(ctx context.Context) (err error) {
			if plan, err = o.whole(ctx, a, b); err != nil || plan.doable() == 0 || plan.breaking() != nil {
				return err
			}
			kept, err = a.keep(ctx, b, schemaApply, plan)
			return err
		})
		if err != nil {
			return err
		}
		doc := wholePlanDocOf("schema.plan", plan)
		if kept.ID != "" {
			doc.Plan = planItemOf(kept)
			doc.Next = a.commandLine("schema", "apply", "--execute", "--plan", kept.ID)
		}
		if out != "" && kept.ID != "" {
			if err := a.writePlan(out, kept); err != nil {
				return err
			}
			doc.Next = a.commandLine("schema", "apply", "--execute", out)
		}
		if err := a.printWholePlan(doc); err != nil {
			return err
		}
		if doc.Next != "" {
			a.hint("to do it: %s", doc.Next)
		}
		return breaks(plan)
	})
}

// writePlan writes a kept plan to a file.
func (a *app) writePlan(file string, kept bus.KeptPlan) error {
	text, err := jsonx.MarshalIndent(kept)
	if err == nil {
		err = os.WriteFile(a.path(file), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fail(codeWrite, "cannot write the plan to %s", file).because("%s", plainPathError(err)).fix("--out with a file that can be written")
	}
	return nil
}

// breaks is the failure of a plan that the registry would refuse in part, or nil.
func breaks(p wholePlan) error {
	all := p.breaking()
	if all == nil {
		return nil
	}
	f := fail(codeBreaking, "%s", count(len(all), "schema would be refused by the registry", "schemas would be refused by the registry"))
	for _, c := range all[:min(3, len(all))] {
		f.at("subject", "%s: %s", c.Subject, clip(reason(c.Breaks[0]), 300))
	}
	return f.because("they are not compatible with versions that are registered").
		fix("keep what readers and writers of these versions rely on, or make a new major version: omnibus schema check").
		fix("omnibus schema diff shows the change")
}

// whole compares the cluster and its registry with what is desired.
func (o desiredOptions) whole(ctx context.Context, a *app, b *bus.Bus) (p wholePlan, err error) {
	desired, err := o.desired(a, b.Catalog())
	if err != nil {
		return p, err
	}
	c, err := a.needRegistry()
	if err != nil {
		return p, err
	}
	// Its record is written before the plan is carried out: it must not be a part of it.
	if err = deadletter.Open(b, "").EnsureAudit(ctx); err != nil {
		return p, err
	}
	if p.Topics, err = b.PlanTopics(ctx, o.shrink, desired.topics...); err != nil {
		return p, err
	}
	p.Subjects, err = c.PlanSubjects(ctx, o.shrink, desired.subjects...)
	return p, err
}

// desired is what the file says, or else the catalogue, as far as the patterns match.
func (o desiredOptions) desired(a *app, catalogue *event.Catalog) (desiredState, error) {
	var d desiredState
	if o.file != "" {
		var err error
		if d, err = a.readDesired(o.file); err != nil {
			return d, err
		}
	} else {
		for s := range catalogue.All() {
			d.topics = append(d.topics, bus.DesiredTopic{Name: s.Topic})
			if len(s.Schema) > 0 {
				d.subjects = append(d.subjects, client.DesiredSubject{Subject: s.Topic.Subject()})
			}
		}
	}
	if len(o.patterns) > 0 {
		patterns := globs(o.patterns)
		d.registry = client.Rule{}
		d.topics = slices.DeleteFunc(d.topics, func(t bus.DesiredTopic) bool { return !matches(patterns, t.Name) })
		d.subjects = slices.DeleteFunc(d.subjects, func(s client.DesiredSubject) bool {
			return !matches(patterns, event.Topic(s.Subject)) && !matches(patterns, event.Topic(strings.TrimSuffix(s.Subject, "-value")))
		})
	}
	if d.registry != (client.Rule{}) {
		d.subjects = append(d.subjects, client.DesiredSubject{Rule: d.registry})
	}
	if len(d.topics)+len(d.subjects) == 0 {
		return d, fail(codeEmpty, "%s says nothing about such topics and subjects", o.source()).
			because("nothing in it matches %s", quoted(o.patterns)).fix("omnibus catalog list").fix("leave the pattern out")
	}
	for i, s := range d.subjects {
		if s.Subject == "" {
			continue
		}
		text, err := a.desiredSchema(s.Subject, d.files[s.Subject], catalogue)
		if err != nil {
			return d, err
		}
		if text == nil && s.Rule == (client.Rule{}) {
			return d, fail(codeSubject, "nothing says what subject %s should be", clip(s.Subject, 120)).
				because("%s gives it no schema and no level, and the catalogue has no topic of this name", o.source()).fix("add schema: FILE to it")
		}
		d.subjects[i].Schema.Text = string(text)
	}
	return d, nil
}

// desiredSchema is the text to register under a subject: that of its file, or what the catalogue says of its topic, or nil.
func (a *app) desiredSchema(subject, file string, catalogue *event.Catalog) ([]byte, error) {
	if file != "" {
		text, err := os.ReadFile(a.path(file))
		if err != nil {
			return nil, cannotRead(file, err)
		}
		if _, err := schema.Parse(text); err != nil {
			return nil, fail(codeLint, "%s holds no schema that can be registered", file).because("%s", clip(oneline.Text(err.Error()), 300)).
				fix("omnibus schema lint %s", shellWord(filepath.Dir(file)))
		}
		return schema.Canonical(text)
	}
	topic, isValue := strings.CutSuffix(subject, "-value")
	s, declared := catalogue.Lookup(event.Topic(topic))
	if !isValue || !declared || len(s.Schema) == 0 {
		return nil, nil
	}
	return schema.Registrable(s.Schema)
}

func (a *app) printWholePlan(doc wholePlanDoc) error {
	return a.print(doc, func() error {
		if len(doc.Topics)+len(doc.Subjects) == 0 {
			return a.printf("No changes\n")
		}
		fields := []field{{"changes", fmt.Sprintf("%d, and %d left as they are", len(doc.Topics)+len(doc.Subjects)-doc.Left, doc.Left)}}
		if doc.Plan != nil {
			state := "planned"
			if doc.Executed {
				state = "done: the cluster and the registry show them all"
			}
			fields = append(fields, field{"plan", doc.Plan.ID}, field{"state", state})
		}
		if err := a.printFields(fields...); err != nil {
			return err
		}
		t := newTable("WHAT", "NAME", "CHANGE", "HAVE", "WANT", "NOTE")
		for _, c := range doc.Topics {
			what, want := topicChangeText(c)
			t.add("topic", string(c.Topic), what, cmp.Or(c.Have, "-"), want, noteOf(c.Left, c.Warning))
		}
		for _, c := range doc.Subjects {
			note := noteOf(c.Left, c.Warning)
			if c.Breaks != nil {
				note += ": " + clip(reason(c.Breaks[0]), 120)
			}
			t.add("subject", cmp.Or(c.Subject, "(the registry)"), c.Do, cmp.Or(c.Have, "-"), c.Want, note)
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		return a.printTable(t)
	})
}

var verbose = regexp.MustCompile(`errorType:\s*"([A-Z_]+)", description:\s*"(.*)"}`)

// reason is what a registry says of a difference, without its punctuation.
func reason(message string) string {
	if m := verbose.FindStringSubmatch(message); m != nil {
		message = m[1] + ": " + m[2]
	}
	return oneline.Text(message)
}

func noteOf(left, warning string) string {
	if left != "" {
		return "left: " + left
	}
	return warning
}
