package cli

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// catalogExportDoc is the whole catalogue in one document.
type catalogExportDoc struct {
	Schema string                `json:"schema"`
	Title  string                `json:"title"`
	Events []catalogExportedType `json:"events"`
}

type catalogExportedType struct {
	catalogItem
	Title            string                     `json:"title"`
	Domain           string                     `json:"domain"`
	Pattern          event.Pattern              `json:"pattern,omitzero"` // request, response, event, audit
	RetentionSeconds float64                    `json:"retention_seconds"`
	Subject          string                     `json:"subject"`
	DeadLetters      event.Topic                `json:"dead_letters"`
	Deprecated       *catalogDeprecation        `json:"deprecated,omitzero"`
	Supersedes       event.Topic                `json:"supersedes,omitzero"`
	DualUntil        string                     `json:"dual_until,omitzero"` // the last day
	Aliases          map[string]string          `json:"aliases,omitzero"`
	Defaults         map[string]json.RawMessage `json:"defaults,omitzero"`
	Replies          event.Topic                `json:"replies,omitzero"`
	Answers          []event.Topic              `json:"answers,omitzero"` // of a response: the requests
	AliasOf          event.Topic                `json:"alias_of,omitzero"`
	File             string                     `json:"file"`
	Fields           []catalogField             `json:"fields"`
	Rules            []string                   `json:"rules,omitzero"`    // on the payload as a whole
	Examples         []json.RawMessage          `json:"examples,omitzero"` // whole events
	JSONSchema       json.RawMessage            `json:"json_schema"`
}

type catalogDeprecation struct {
	Since  string `json:"since,omitzero"`
	Sunset string `json:"sunset,omitzero"` // the last day
}

type catalogField struct {
	Path     string   `json:"path"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Limits   []string `json:"limits,omitzero"`
	Doc      string   `json:"doc,omitzero"`
}

type catalogExportOptions struct{ out, title string }

var catalogExports = []string{"asyncapi", "markdown", "json"}

func newCatalogExportCmd(a *app) *cobra.Command {
	var o catalogExportOptions
	cmd := prints(&cobra.Command{
		Use:   "export asyncapi|markdown|json",
		Short: "Write the whole catalogue as one document for other tools",
		Long: "asyncapi is an AsyncAPI 3.0.0 document: topics, services, requests with their replies, and the schema of whole events. Brokers and\n" +
			"registry are those of the settings. The same catalogue and settings give the same bytes.",
		Example: `omnibus catalog export asyncapi --out asyncapi.json
omnibus catalog export asyncapi -o yaml
omnibus catalog export markdown --out events.md
omnibus catalog export json`,
		ValidArgs: catalogExports,
		Args:      a.wantArgs(1, 1, "one of asyncapi, markdown and json"),
		RunE:      func(_ *cobra.Command, args []string) error { return runCatalogExport(a, args[0], o) },
	}, formatRaw, formatJSON, formatYAML)
	cmd.Flags().StringVar(&o.out, "out", "", "write to this `file`; a name that ends in .yaml is YAML")
	cmd.Flags().StringVar(&o.title, "title", "Event catalogue", "`title` of the document")
	return cmd
}

func runCatalogExport(a *app, what string, o catalogExportOptions) error {
	if !slices.Contains(catalogExports, what) {
		return fail(codeArgs, "there is no export %q", clip(what, 60)).meant(what, catalogExports).fix("omnibus catalog export asyncapi, markdown or json")
	}
	asked := strings.HasPrefix(a.settings.get("OMNIBUS_OUTPUT").origin, "flag") && a.format != formatRaw
	if what == "markdown" && asked {
		return fail(codeConflict, "-o %s and an export in Markdown", a.format).because("Markdown is printed as it is").fix("leave -o out")
	}
	entries, err := a.entries()
	if err != nil {
		return err
	}
	var b []byte
	switch what {
	case "asyncapi":
		about, err := a.aboutCatalogue(o.title)
		if err != nil {
			return err
		}
		b, err = catalogue.AsyncAPI(entries, about)
		if err != nil {
			return err
		}
	case "markdown":
		b, err = catalogue.Markdown(entries, o.title)
	default:
		b, err = jsonx.MarshalIndent(exportedCatalogue(entries, o.title))
	}
	if err != nil {
		return err
	}
	named := filepath.Ext(o.out) == ".yaml" || filepath.Ext(o.out) == ".yml"
	if what != "markdown" && (a.format == formatYAML || named && !asked) {
		if b, err = yamlOf(b); err != nil {
			return err
		}
	}
	b = append(slices.Clip(b), '\n')
	if b[len(b)-2] == '\n' {
		b = b[:len(b)-1]
	}
	if o.out == "" {
		_, err = a.out.Write(b)
		return err
	}
	if err := os.WriteFile(a.path(o.out), b, 0o644); err != nil { //nolint:gosec // a catalogue is for everyone to read
		return fail(codeFile, "cannot write %s", o.out).because("%s", plainPathError(err)).fix("--out with another name")
	}
	a.hint("%s in %s", count(len(entries), "event type", "event types"), o.out)
	return nil
}

// entries are the event types of the catalogue as they are shown.
func (a *app) entries() ([]catalogue.Entry, error) {
	c, err := a.catalog()
	if err != nil {
		return nil, err
	}
	entries, err := catalogue.Read(c)
	if err != nil {
		return nil, fail(codeLint, "the catalogue cannot be described").because("%s", oneline.Text(err.Error())).fix("omnibus schema lint")
	}
	return entries, nil
}

// aboutCatalogue is what the settings say about where the events are. No login goes into a document.
func (a *app) aboutCatalogue(title string) (catalogue.About, error) {
	about := catalogue.About{Title: title, Protocol: "kafka"}
	for host := range strings.SplitSeq(a.settings.get("KAFKA_BOOTSTRAP_SERVERS").value, ",") {
		about.Brokers = append(about.Brokers, strings.TrimSpace(host))
	}
	if strings.HasSuffix(strings.ToUpper(a.settings.get("KAFKA_SECURITY_PROTOCOL").value), "SSL") {
		about.Protocol = "kafka-secure"
	}
	if registry, ok := a.settings.lookup("SCHEMA_REGISTRY_URL"); ok {
		u, err := url.Parse(registry)
		if err != nil || u.Host == "" {
			return about, fail(codeSettings, "SCHEMA_REGISTRY_URL is not the URL of a registry").fix("write it as http://127.0.0.1:8084")
		}
		u.User = nil
		about.Registry = u.String()
	}
	return about, nil
}

func exportedCatalogue(entries []catalogue.Entry, title string) catalogExportDoc {
	doc := catalogExportDoc{Schema: schemaOf("catalog.export"), Title: title, Events: []catalogExportedType{}}
	for _, e := range entries {
		x := catalogExportedType{
			catalogItem: catalogItemOf(e.Spec), Title: e.Title, Domain: e.Domain, Pattern: e.Topic.Pattern(), RetentionSeconds: e.Retention.Seconds(),
			Subject: e.Subject, DeadLetters: e.Topic.DLQ(), Supersedes: e.Supersedes, DualUntil: catalogue.LastDay(e.DualUntil), Aliases: e.Aliases,
			Defaults: e.Defaults, Replies: e.Replies, Answers: e.Answers, AliasOf: e.AliasOf, File: e.File, Fields: []catalogField{}, Rules: e.Rules,
			JSONSchema: e.Schema,
		}
		if d := e.Deprecated; d != nil {
			x.Deprecated = &catalogDeprecation{catalogue.Day(d.Since), catalogue.Day(d.Sunset)}
		}
		for _, f := range e.Fields {
			x.Fields = append(x.Fields, catalogField{f.Path, f.Type, f.Required, f.Limits, f.Doc})
		}
		for _, one := range e.Events {
			x.Examples = append(x.Examples, one.Event)
		}
		doc.Events = append(doc.Events, x)
	}
	return doc
}
