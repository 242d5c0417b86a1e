package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

type explainDoc struct {
	Schema  string           `json:"schema"`
	Subject string           `json:"subject"`
	Kind    string           `json:"kind"` // code, envelope, header, setting, event type, payload field, codes
	Title   string           `json:"title"`
	Text    string           `json:"text,omitzero"` // Markdown
	Exit    int              `json:"exit,omitzero"` // of a code
	Codes   []explainCode    `json:"codes,omitzero"`
	Setting *configSetting   `json:"setting,omitzero"`
	Event   *explainEventDoc `json:"event,omitzero"`
	Field   *explainField    `json:"field,omitzero"`
}

type explainCode struct {
	Code  string `json:"code"`
	Exit  int    `json:"exit"`
	Title string `json:"title"`
}

func newExplainCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "explain [CODE|FIELD|TOPIC|HEADER|SETTING]",
		Short: "Explain an error code, a field, an event type, a header or a setting",
		Example: `omnibus explain OMB-0301
omnibus explain envelope.causation_id
omnibus explain omninode.codegen.request.validate.v1
omnibus explain quality_assessed.quality_score
omnibus explain omnibus-target-group
omnibus explain KAFKA_MAX_IN_FLIGHT`,
		Args: a.wantArgs(0, 1, "one CODE, FIELD, TOPIC, HEADER or SETTING"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return runExplainCodes(a)
			}
			return runExplain(a, args[0])
		},
	}, formatPretty, formatJSON)
}

// runExplainCodes lists the codes.
func runExplainCodes(a *app) error {
	names, err := codeNames()
	if err != nil {
		return err
	}
	doc := explainDoc{Schema: schemaOf("explain"), Kind: "codes", Title: "error codes"}
	for _, name := range names {
		p, err := codePage(name)
		if err != nil {
			return err
		}
		doc.Codes = append(doc.Codes, explainCode{name, exitOf(name), strings.TrimPrefix(p.title, name+": ")})
	}
	return a.print(doc, func() error {
		t := newTable("CODE", "EXIT#", "WHAT")
		for _, c := range doc.Codes {
			t.add(c.Code, strconv.Itoa(c.Exit), c.Title)
		}
		return a.printTable(t)
	})
}

// exitOf is the exit code of "OMB-0201".
func exitOf(name string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "OMB-"))
	if err != nil {
		return 0
	}
	return code(n).exit()
}

func runExplain(a *app, subject string) error {
	for _, look := range []func(string) (explainDoc, bool, error){a.explainsCode, a.explainsEnvelope, a.explainsHeader, a.explainsSetting, a.explainsEvent} {
		doc, found, err := look(subject)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		doc.Schema, doc.Subject = schemaOf("explain"), subject
		return a.print(doc, func() error { return a.printExplained(doc) })
	}
	names, err := a.explainable()
	if err != nil {
		return err
	}
	return fail(codeSubject, "nothing is called %s", clip(subject, 120)).
		because("it is no error code, field, event type, header or setting").meant(subject, names).
		fix("omnibus explain lists the codes").fix("omnibus catalog list").fix("omnibus explain envelope")
}

func (a *app) printExplained(doc explainDoc) error {
	switch {
	case doc.Event != nil:
		return a.printEventPage(*doc.Event)
	case doc.Field != nil:
		return a.printPayloadField(*doc.Field)
	case doc.Setting != nil:
		return a.printSettingPage(*doc.Setting)
	}
	return a.printPage(page{doc.Title, doc.Text})
}

// explainsCode takes OMB-0201, omb-201 and 201.
func (a *app) explainsCode(subject string) (explainDoc, bool, error) {
	digits := strings.TrimPrefix(strings.ToUpper(subject), "OMB-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return explainDoc{}, false, nil //nolint:nilerr // it is no number, and may be something else
	}
	name := fmt.Sprintf("OMB-%04d", n)
	names, err := codeNames()
	if err != nil || !slices.Contains(names, name) {
		return explainDoc{}, false, err
	}
	p, err := codePage(name)
	return explainDoc{Kind: "code", Title: p.title, Text: p.text, Exit: exitOf(name)}, err == nil, err
}

// explainsEnvelope takes envelope, envelope.causation_id and causation_id.
func (a *app) explainsEnvelope(subject string) (explainDoc, bool, error) {
	p, err := readPage("pages/envelope.md")
	if err != nil {
		return explainDoc{}, false, err
	}
	head, fields := p.sections()
	if subject == "envelope" {
		for _, f := range fields {
			first, _, _ := strings.Cut(f.text, "\n\n")
			head.text += "\n\n## " + f.title + "\n\n" + first
		}
		return explainDoc{Kind: "envelope", Title: head.title, Text: head.text}, true, nil
	}
	name := strings.TrimPrefix(subject, "envelope.")
	for _, f := range fields {
		if f.title == name {
			return explainDoc{Kind: "envelope", Title: "envelope." + f.title, Text: f.text}, true, nil
		}
	}
	return explainDoc{}, false, nil
}

// explainsHeader takes a header's name.
func (a *app) explainsHeader(subject string) (explainDoc, bool, error) {
	p, err := readPage("pages/headers.md")
	if err != nil {
		return explainDoc{}, false, err
	}
	_, headers := p.sections()
	for _, h := range headers {
		if h.title == strings.ToLower(subject) {
			return explainDoc{Kind: "header", Title: "header " + h.title, Text: h.text}, true, nil
		}
	}
	return explainDoc{}, false, nil
}

// explainsSetting takes the environment name of a setting, or its key in omnibus.yaml.
func (a *app) explainsSetting(subject string) (explainDoc, bool, error) {
	for _, r := range a.settings.all {
		if r.env == subject || slices.Contains(r.also, subject) || r.key == subject && subject != "" {
			s := configSettingOf(r)
			return explainDoc{Kind: "setting", Title: r.env, Setting: &s}, true, nil
		}
	}
	return explainDoc{}, false, nil
}

func (a *app) printSettingPage(s configSetting) error {
	from := s.Origin
	if from == "" {
		from = "not set"
	}
	fields := []field{
		{"setting", s.Name},
		{"what", s.Doc},
		{"flag", s.Flag},
		{"key in the files", s.Key},
		{"also", strings.Join(s.Also, ", ")},
		{"value now", s.Value},
		{"from", from},
	}
	for _, l := range s.Over {
		fields = append(fields, field{"wins over", l.Value + " (" + l.Origin + ")"})
	}
	if s.Key != "" {
		fields = append(fields, field{"set it", "omnibus config set " + s.Key + "=VALUE"})
	}
	return a.printFields(fields...)
}

// explainable are all names that "explain" knows, but those of payload fields.
func (a *app) explainable() ([]string, error) {
	names, err := codeNames()
	if err != nil {
		return nil, err
	}
	for _, file := range []string{"envelope", "headers"} {
		p, err := readPage("pages/" + file + ".md")
		if err != nil {
			return nil, err
		}
		_, parts := p.sections()
		for _, s := range parts {
			if file == "envelope" {
				names = append(names, "envelope."+s.title)
			} else {
				names = append(names, s.title)
			}
		}
	}
	names = append(names, "envelope")
	for _, def := range settingTable() {
		names = append(names, def.env)
	}
	c, err := a.catalog()
	if err != nil {
		return nil, err
	}
	for s := range c.All() {
		names = append(names, string(s.Topic), s.Topic.Operation())
	}
	return names, nil
}
