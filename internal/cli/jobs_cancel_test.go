package cli_test

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/cli"
)

// TestRunThatSomebodyCancelsSaysSo: the job ends while another terminal runs it.
func TestRunThatSomebodyCancelsSaysSo(t *testing.T) {
	c := newClinic(t)
	c.sicken(20, "doc-")
	plan := c.planned(t, "dlq", "retry", assessed, "--rate", "2/s")
	began := make(chan struct{})
	var said strings.Builder
	progress := regexp.MustCompile(`[1-9]\d* of 20`)
	stderr := writerFunc(func(p []byte) (int, error) {
		said.Write(p)
		if began != nil && progress.Match(p) {
			close(began)
			began = nil
		}
		return len(p), nil
	})
	under := began
	done := make(chan int, 1)
	go func() {
		p := cli.Process{Args: plan, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: stderr, Environ: c.env, Dir: c.dir}
		done <- p.Run(t.Context())
	}()
	select {
	case <-under:
	case code := <-done:
		t.Fatalf("it ended before it was canceled: exit %d\n%s", code, said.String())
	}
	c.must(t, "", "jobs", "cancel", plan[len(plan)-1])
	if code := <-done; code != 8 || !strings.Contains(said.String(), "OMB-0803") || !strings.HasPrefix(lastLine(said.String()), "omnibus jobs resume ") {
		t.Errorf("exit %d, want 8 with OMB-0803 and how to go on\n%s", code, said.String())
	}
}
