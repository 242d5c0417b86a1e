package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/stack"
)

func checkUp(ctx context.Context, e *exam) []Finding {
	up := e.cfg.Up
	switch {
	case !up.Running:
		return []Finding{{Skip, "none runs here", ""}}
	case up.URL == "":
		return []Finding{{Warn, "it is still starting", "omnibus status, again in a few seconds"}}
	}
	var r stack.Readiness
	if err := ask(ctx, up.URL+"/readyz", &r); err != nil {
		return []Finding{{Fail, fmt.Sprintf("process %d does not answer at %s/readyz: %s", up.PID, up.URL, why(err)), "look at its log; omnibus down, then omnibus up"}}
	}
	return judgeReadiness(up, r)
}

// judgeReadiness passes on what the stack says of itself.
func judgeReadiness(up Up, r stack.Readiness) []Finding {
	var found []Finding
	for _, reason := range r.Reasons {
		found = append(found, Finding{Fail, "not ready: " + reason, "docs/how-to/read-health.md"})
	}
	if !r.Ready && len(found) == 0 {
		found = append(found, Finding{Fail, "it is not ready, and does not say why", "look at its log"})
	}
	for _, d := range r.Degraded {
		found = append(found, Finding{Warn, "degraded: " + d, "docs/how-to/read-health.md"})
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, fmt.Sprintf("process %d is ready", up.PID), ""})
	}
	return found
}

func checkFaults(ctx context.Context, e *exam) []Finding {
	up := e.cfg.Up
	if !up.Running || up.URL == "" {
		return []Finding{{Skip, "no \"omnibus up\" runs here", ""}}
	}
	var doc stack.Faults
	if err := ask(ctx, up.URL+"/faults", &doc); err != nil {
		return []Finding{{Skip, fmt.Sprintf("%s/faults does not tell: %s", up.URL, why(err)), ""}}
	}
	return judgeFaults(doc.Faults)
}

func judgeFaults(faults []stack.Fault) []Finding {
	var found []Finding
	for _, f := range faults {
		topic := f.Topic
		if topic == "" {
			topic = "all topics"
		}
		found = append(found, Finding{
			Warn, fmt.Sprintf("fault %d makes %s of %s fail, %d times by now", f.ID, f.Key, topic, f.Hits), "omnibus fault clear " + strconv.Itoa(f.ID),
		})
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, "none is set", ""})
	}
	return found
}

// ask gets a document of the running stack. One that says that it is not ready comes with status 503, and is an answer.
func ask(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("it answers %s", res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	return jsonx.Unmarshal(b, into)
}
