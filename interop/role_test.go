package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// omnibus builds the program.
func omnibus(ctx context.Context, t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "omnibus")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/omnibus")
	build.Dir = ".."
	run(ctx, t, build, nil)
	return binary
}

// started is what the program tells once it is ready.
type started struct{ Registry string }

// role runs the program against a cluster, until it is ready, as a process of its own.
func role(ctx context.Context, t *testing.T, binary, addrs string, args ...string) (*process, started) {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, append([]string{"run", "-b", addrs, "--port-console", "0", "-o", "json"}, args...)...)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "KAFKA_BOOTSTRAP_SERVERS=")
	p := spawn(t, cmd)
	var told bytes.Buffer
	for line := range p.lines {
		told.Write(line)
		if string(line) == "}" { // the end of what it tells
			p.ignore()
			var s started
			if err := json.Unmarshal(told.Bytes(), &s); err != nil {
				t.Fatal(err)
			}
			return p, s
		}
	}
	t.Fatal("the process ended: ", p.end())
	return nil, started{}
}
