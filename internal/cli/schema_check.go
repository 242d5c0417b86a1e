package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/internal/govern"
	"github.com/omninode-ai/omnibus/schema"
)

type schemaCheckOptions struct {
	against, level, policy, waivers string
	explain                         bool
}

type schemaCheckDoc struct {
	Schema   string         `json:"schema"`
	Against  string         `json:"against"`
	Commit   string         `json:"commit,omitzero"`
	Level    schema.Level   `json:"level"`
	Policy   schema.Policy  `json:"policy"`
	Files    int            `json:"files"`
	Changed  int            `json:"changed"`
	Versions int            `json:"versions"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Waived   int            `json:"waived"`
	Findings []checkFinding `json:"findings"`
}

type checkFinding struct {
	lintFinding
	Path           string          `json:"path,omitzero"`
	Direction      string          `json:"direction,omitzero"`
	Against        string          `json:"against,omitzero"`
	Breaks         string          `json:"breaks,omitzero"`
	CounterExample json.RawMessage `json:"counter_example,omitzero"`
	Refusal        string          `json:"refusal,omitzero"`
	Waiver         *checkWaiver    `json:"waiver,omitzero"`
}

type checkWaiver struct {
	Reason   string `json:"reason"`
	Approver string `json:"approver,omitzero"`
	Expires  string `json:"expires,omitzero"`
}

// waiversFile is where waivers are, unless a flag says otherwise.
const waiversFile = ".schema-waivers.yaml"

func newSchemaCheckCmd(a *app) *cobra.Command {
	var o schemaCheckOptions
	cmd := prints(&cobra.Command{
		Use:   "check [DIR|FILE…] --against SOURCE",
		Short: "Check what changes of schema files break, before anybody is broken",
		Long: `Without a path it checks the catalogue of --catalog, or else the directory schemas. SOURCE is what the files were:

  git:REF         a branch, tag or commit of the repository that the files are in, and everything that they were on the way to it
  tag:NAME        the same of a tag
  dir:PATH        another directory
  registry[:URL]  every version that is registered of the event types, as schemas of whole events

Every change is held against the roles: producers are closed, consumers are open. What an earlier change broke, and somebody let pass,
is not told again. Only registry reads from the network.`,
		Example: `omnibus schema check --against git:main
omnibus schema check schemas/events --against tag:v1.4.0 -o github
omnibus schema check --against dir:../released --explain
omnibus schema check --against registry`,
		RunE: func(cmd *cobra.Command, args []string) error { return runSchemaCheck(cmd.Context(), a, o, args) },
	}, formatText, formatJSON, formatJUnit, formatGitHub)
	f := cmd.Flags()
	f.StringVar(&o.against, "against", "", "what the files were, `source`: git:REF, tag:NAME, dir:PATH or registry[:URL]")
	f.StringVar(&o.level, "level", "FULL_TRANSITIVE", "who must be able to read whom, `level`: NONE, BACKWARD, FORWARD or FULL, and each with _TRANSITIVE")
	f.StringVar(&o.policy, "policy", "ROLE", "how schemas are compared, `policy`: ROLE, STRICT or LENIENT")
	f.StringVar(&o.waivers, "waivers", waiversFile, "what may pass, and why, `file`")
	f.BoolVar(&o.explain, "explain", false, "say of each break what the rule is, and what the reader says")
	return cmd
}

func runSchemaCheck(ctx context.Context, a *app, o schemaCheckOptions, paths []string) error {
	options := govern.Options{Today: a.now()}
	var err error
	if options.Level, options.Policy, err = judging(o.level, o.policy); err != nil {
		return err
	}
	if options.Waivers, err = a.readWaivers(o.waivers); err != nil {
		return err
	}
	source, err := a.against(o.against)
	if err != nil {
		return err
	}
	roots, err := a.schemaRoots(paths)
	if err != nil {
		return err
	}
	var files []govern.File
	for _, r := range roots {
		found, err := r.files()
		if err != nil {
			return err
		}
		files = append(files, found...)
		options.Lint = append(options.Lint, r.lint()...)
	}
	transitive := strings.HasSuffix(string(options.Level), "_TRANSITIVE")
	past, err := source.past(ctx, roots, files, transitive)
	if err != nil {
		return err
	}
	if len(files) == 0 && len(past.all) == 0 {
		return fail(codeFile, "there is no schema file").because("no name below %s ends in .json, neither now nor in %s", roots[0].name, o.against).fix("omnibus schema check DIR --against %s", o.against)
	}
	report := govern.Review(files, past.all, options)
	doc := schemaCheckDoc{
		Schema: schemaOf("schema.check"), Against: o.against, Commit: past.commit, Level: options.Level, Policy: options.Policy,
		Files: report.Files, Changed: report.Changed, Versions: report.Versions, Findings: []checkFinding{},
	}
	for _, f := range report.Findings {
		doc.add(checkFindingOf(f))
	}
	if err := a.printCheck(doc, o.explain); err != nil {
		return err
	}
	if past.left > 0 {
		a.hint("note: of each schema the newest %d versions were looked at; %s older", maxVersions, count(past.left, "version is", "versions are"))
	}
	return doc.verdict(a, report)
}

// judging reads --level and --policy.
func judging(level, policy string) (schema.Level, schema.Policy, error) {
	l, err := schema.ParseLevel(level)
	if err != nil {
		return "", "", fail(codeFlagValue, "%q is not a compatibility level", clip(level, 60)).
			meant(strings.ToUpper(level), []string{"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"}).
			fix("--level NONE, BACKWARD, FORWARD or FULL, and each but NONE with _TRANSITIVE")
	}
	p, err := schema.ParsePolicy(policy)
	if err != nil {
		return "", "", fail(codeFlagValue, "%q is not a policy", clip(policy, 60)).
			meant(strings.ToUpper(policy), []string{"ROLE", "STRICT", "LENIENT"}).fix("--policy ROLE, STRICT or LENIENT")
	}
	return l, p, nil
}

func checkFindingOf(f govern.Finding) checkFinding {
	out := checkFinding{
		lintFinding: lintFinding{f.File, f.Line, f.Column, string(f.Severity), f.Rule, f.Message, f.Fix},
		Path:        f.Path, Direction: f.Direction, Against: f.Against, Breaks: f.Breaks, CounterExample: f.CounterExample, Refusal: f.Refusal,
	}
	if w := f.Waiver; w != nil {
		out.Waiver = &checkWaiver{Reason: w.Reason, Approver: w.Approver}
		if !w.Expires.IsZero() {
			out.Waiver.Expires = w.Expires.Format("2006-01-02")
		}
	}
	return out
}

func (d *schemaCheckDoc) add(f checkFinding) {
	switch f.Level {
	case "error":
		d.Errors++
	case "warning":
		d.Warnings++
	case "waived":
		d.Waived++
	}
	d.Findings = append(d.Findings, f)
}

// printCheck prints the document in the form that is asked for.
func (a *app) printCheck(doc schemaCheckDoc, explain bool) error {
	all := make([]printedFinding, len(doc.Findings))
	for i, f := range doc.Findings {
		all[i] = f.printed(explain)
	}
	return a.printFindings(doc, "schema check", all)
}

// printed is what people are told of a finding.
func (f checkFinding) printed(explain bool) printedFinding {
	p := printedFinding{lintFinding: f.lintFinding}
	if f.Path != "" && f.Rule != govern.RuleVersion && f.Rule != govern.RuleKey { // they name it themselves
		p.Message = f.Path + " " + f.Message
	}
	p.more = append(p.more, field{"breaks", f.Breaks}, field{"example", string(f.CounterExample)})
	if explain {
		p.more = append(p.more, field{"refused", f.Refusal}, field{"rule", ruleText(f.Direction)})
	}
	if w := f.Waiver; w != nil {
		text := w.Reason
		if w.Approver != "" {
			text += " (" + w.Approver + ")"
		}
		if w.Expires != "" {
			text += ", until " + w.Expires
		}
		p.more = append(p.more, field{"waived", text})
	}
	return p
}

// ruleText says why a difference in that direction breaks somebody.
func ruleText(direction string) string {
	switch direction {
	case "backward":
		return "who reads with the new schema must accept whatever a producer wrote with the old one: events stay in topics, and producers are not replaced at once"
	case "forward":
		return "who still reads with the old schema must accept whatever a producer writes with the new one: consumers are not replaced at once"
	}
	return ""
}

// verdict is the error where something has to be done.
func (d *schemaCheckDoc) verdict(a *app, report govern.Report) error {
	held := fmt.Sprintf("%s changed, held against %s", countOf(d.Changed, d.Files, "schema"), count(d.Versions, "earlier version", "earlier versions"))
	switch {
	case report.Breaking:
		return fail(codeBreaking, "the change breaks who reads or writes these events").
			at("against", "%s at %s", d.Against, d.Level).because("%s: %s", held, count(d.Errors, "error", "errors")).
			fix("do as the findings say, from the top").fix("write down in %s why one may pass", waiversFile)
	case d.Errors > 0:
		return fail(codeGovernance, "the change breaks nobody, and is not written down as it should be").
			at("against", "%s at %s", d.Against, d.Level).because("%s: %s", held, count(d.Errors, "error", "errors")).fix("do as the findings say, from the top")
	}
	waived := ""
	if d.Waived > 0 {
		waived = "; " + count(d.Waived, "finding is waived", "findings are waived")
	}
	a.hint("%s, nothing breaks%s", held, waived)
	return nil
}

func countOf(n, of int, what string) string {
	return fmt.Sprintf("%d of %s", n, count(of, what, what+"s"))
}
