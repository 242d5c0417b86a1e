package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUpSaysWhatItIsAndWhatToTryNext(t *testing.T) {
	for _, c := range []struct{ name, line string }{
		{"up", "up --port-kafka 0 --port-console 0 --port-registry 0 --data kept"},
		{"up_ephemeral", "up --port-kafka 0 --port-console 0 --port-registry 0 --services none --ephemeral"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var out strings.Builder
			code := s.into(ctx, writerFunc(func(p []byte) (int, error) {
				if strings.Contains(string(p), "Ctrl-C to stop") {
					stop()
				}
				return out.Write(p)
			}), strings.Fields(c.line)...)
			if code != 0 {
				t.Errorf("told to stop, it exits with %d, want 0", code)
			}
			said := strings.ReplaceAll(out.String(), s.dir, "<dir>")
			golden(t, "output/"+c.name, scrub(said))
			_, err := os.Stat(filepath.Join(s.dir, "kept", "kafka"))
			if kept := err == nil; kept != (c.name == "up") {
				t.Errorf("data is kept: %t", kept)
			}
		})
	}
}

func TestUpStopsWhereItsBannerCannotBeWritten(t *testing.T) {
	s := newShell(t)
	if code := s.into(t.Context(), brokenPipe{}, "up", "--ephemeral", "--port-kafka", "0", "--port-console", "0", "--port-registry", "0", "--services", "none"); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}
