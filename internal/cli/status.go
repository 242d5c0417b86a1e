package cli

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/stack"
)

// drainTime is how long a stack may take to stop: its consumers drain for 30 s.
const drainTime = 45 * time.Second

type statusDoc struct {
	Schema   string   `json:"schema"`
	PID      int      `json:"pid"`
	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons"`
	Degraded []string `json:"degraded"`
	Brokers  []string `json:"brokers"`
	URL      string   `json:"url"`
	Registry string   `json:"registry"`
	Data     string   `json:"data"`
	Services []string `json:"services"`
	Started  string   `json:"started"`
}

func newStatusCmd(a *app) *cobra.Command {
	cmd := prints(&cobra.Command{
		Use:   "status",
		Short: "Say what \"omnibus up\" runs, and whether it is ready",
		Example: `omnibus status
omnibus status -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), a) },
	}, formatTable, formatJSON)
	dataFlag(cmd.Flags())
	return cmd
}

func runStatus(ctx context.Context, a *app) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	s, running, err := readState(dir)
	if err != nil {
		return cannotRead(lockPath(dir), err)
	}
	if !running {
		return fail(codeNotRunning, "Omnibus does not run here").at("data", "%s", dir).because("no \"omnibus up\" holds the data directory").fix("omnibus up")
	}
	doc := statusDoc{
		Schema: schemaOf("status"), PID: s.PID, Brokers: append([]string{}, s.Brokers...), URL: s.URL, Registry: s.Registry, Services: append([]string{}, s.Services...),
		Started: s.Started, Reasons: []string{"starting"}, Degraded: []string{},
	}
	if s.Keeps {
		doc.Data = dir
	}
	if s.URL != "" {
		ready := a.askReady(ctx, s.URL)
		doc.Ready, doc.Reasons, doc.Degraded = ready.Ready, append([]string{}, ready.Reasons...), append([]string{}, ready.Degraded...)
	}
	return a.print(doc, func() error {
		state := a.paint(green, "ready")
		switch {
		case !doc.Ready:
			state = a.paint(yellow, "not ready") + ": " + strings.Join(doc.Reasons, "; ")
		case len(doc.Degraded) > 0:
			state = a.paint(green, "ready") + ", " + a.paint(yellow, "degraded")
		}
		data, services := doc.Data, strings.Join(doc.Services, ", ")
		if data == "" {
			data = "nothing is kept"
		}
		if services == "" {
			services = "none"
		}
		fields := []field{{"state", state}}
		for _, what := range doc.Degraded {
			fields = append(fields, field{"degraded", what})
		}
		return a.printFields(append(
			fields,
			field{"process", strconv.Itoa(doc.PID)}, field{"kafka", strings.Join(doc.Brokers, ",")}, field{"registry", doc.Registry}, field{"health", doc.URL + "/readyz"},
			field{"data", data}, field{"services", services}, field{"started", sinceText(a, doc.Started)},
		)...)
	})
}

// askReady asks a running stack. One that does not answer is not ready.
func (a *app) askReady(ctx context.Context, url string) stack.Readiness {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	var r stack.Readiness
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return stack.Readiness{Reasons: []string{"its health address is unusable"}}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return stack.Readiness{Reasons: []string{"it does not answer at " + url}}
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || jsonx.Unmarshal(b, &r) != nil {
		return stack.Readiness{Reasons: []string{"its answer at " + url + " cannot be read"}}
	}
	return r
}
