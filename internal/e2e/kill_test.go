// Package e2e holds tests that run the programs themselves.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// TestFifteenKillsUnderLoad kills "omnibus up" again and again while every file of a part of the standard library goes through
// it as a stamp request. Nothing may be missing, and no file may have two announcements that differ: not in that run, which
// lives through it all, and not in a second one, which publishes the same ids again.
func TestFifteenKillsUnderLoad(t *testing.T) {
	const kills = 15
	omnibus, stampdir := build(t, "cmd/omnibus"), build(t, "examples/stampdir")
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address) // freeAddress made it
	dir := t.TempDir()
	files := filepath.Join(runtime.GOROOT(), "src", "cmd") //nolint:staticcheck // any big tree of real files will do

	start := func() *exec.Cmd { return up(t, omnibus, dir, port) }
	broker := start()
	first := make(chan string, 1)
	began := make(chan struct{})
	go func() { first <- stamp(t, stampdir, files, address, began) }()
	<-began
	for range kills {
		// Long enough to be in the middle of things, short enough to be in the middle of recovery too.
		wait := time.NewTimer(400 * time.Millisecond)
		<-wait.C
		kill(t, broker)
		broker = start()
	}
	check(t, "run over the kills", <-first)
	check(t, "run after them", stamp(t, stampdir, files, address, nil))
	kill(t, broker)
}

func build(t *testing.T, pkg string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(pkg))
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, root+"/"+pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return binary
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

// up starts the stack and returns once it is ready.
func up(t *testing.T, omnibus, dir, port string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), omnibus, "up", "--data", dir, "--port-kafka", port, "--port-console", "0", "--port-registry", "0")
	cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP_SERVERS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // fails where the test has killed it already
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			return cmd
		}
	}
	_ = cmd.Wait() // stderr says why
	t.Fatalf("omnibus up ended before it was ready:\n%s", stderr.String())
	return nil
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // says that it was killed
}

// stamp runs stampdir and returns its summary. It closes began, if that is not nil, once the first file is stamped.
func stamp(t *testing.T, stampdir, files, address string, began chan<- struct{}) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), stampdir, files)
	cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP_SERVERS="+address)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Error(err)
		return ""
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return ""
	}
	moving := regexp.MustCompile(`\] [1-9]\d* of`)
	lines := bufio.NewScanner(stderr)
	lines.Split(bufio.ScanRunes)
	var said strings.Builder
	for lines.Scan() {
		said.WriteString(lines.Text())
		if began != nil && lines.Text() == "d" && moving.MatchString(said.String()) {
			close(began)
			began = nil
		}
	}
	if began != nil {
		close(began)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stampdir: %v\n%s", err, said.String())
	}
	return stdout.String()
}

func check(t *testing.T, what, summary string) {
	t.Helper()
	number := func(name string) int {
		m := regexp.MustCompile(`(?m)^` + name + `\s+(\d+)`).FindStringSubmatch(summary)
		if m == nil {
			t.Fatalf("%s: no %q in the summary:\n%s", what, name, summary)
		}
		n, _ := strconv.Atoi(m[1]) // the pattern says digits
		return n
	}
	if number("requested") < 300 || number("stamped") != number("requested") || number("missing")+number("duplicates")+number("mismatches") != 0 {
		t.Errorf("%s:\n%s", what, summary)
	}
}
