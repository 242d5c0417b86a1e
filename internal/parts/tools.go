package parts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// Tool is a command of the machine that a part needs.
type Tool struct {
	Name    string // the command
	Package string // Debian's packages that bring it
	For     string // what needs it
	missing func(ctx context.Context) string
}

// Tools returns the commands that the whole test needs besides Go.
func Tools() []Tool {
	return []Tool{
		{Name: "java", Package: "openjdk-17-jre-headless", For: "Apache Kafka", missing: missingJava},
		{Name: "mvn", Package: "maven", For: "the download of Apache Kafka's jars"},
		{Name: "cc", Package: "gcc libc6-dev", For: "the race detector and librdkafka"},
		{Name: "b3sum", Package: "b3sum", For: "a second opinion on BLAKE3 hashes"},
		{Name: "bash", Package: "bash", For: "the quick reference"},
		{Name: "uuidgen", Package: "uuid-runtime", For: "the quick reference"},
		{Name: "python3", Package: "python3 python3-venv", For: "the Python clients of Kafka", missing: missingPython},
		{Name: "node", Package: "nodejs", For: "the judge of AsyncAPI documents and the compiler of TypeScript", missing: missingNode},
		{Name: "npm", Package: "npm", For: "the packages of Node"},
		{Name: "kcat", Package: "kcat", For: "another opinion on what is in Kafka", missing: missingKcat},
	}
}

// Need makes sure that the machine has tools. What is missing it installs with apt-get where it runs as root on Debian,
// having said why on log; elsewhere it returns an error with the command to run.
func Need(ctx context.Context, log io.Writer, tools []Tool) error {
	var why, packages []string
	for _, t := range tools {
		if reason := t.lack(ctx); reason != "" {
			why = append(why, fmt.Sprintf("%s (for %s)", reason, t.For))
			packages = append(packages, strings.Fields(t.Package)...)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	reasons := strings.Join(why, "; ")
	install := append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, packages...)
	command := strings.Join(install, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%s: install it; on Debian: sudo %s", reasons, command)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s: only root may install it; run: sudo %s", reasons, command)
	}
	_, _ = fmt.Fprintf(log, "%s: running %s\n", reasons, command) // a log that cannot be written stops nothing
	for _, args := range [][]string{{"apt-get", "update", "-q"}, install} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: run %s: %w\n%s", reasons, strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// lack says why t cannot be used, or nothing.
func (t Tool) lack(ctx context.Context) string {
	if _, err := exec.LookPath(t.Name); err != nil {
		return t.Name + " is missing"
	}
	if t.missing == nil {
		return ""
	}
	return t.missing(ctx)
}

const oldestJava = 17

var javaVersion = regexp.MustCompile(`version "(\d+)`)

func missingJava(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput()
	if err != nil {
		return "java does not run"
	}
	m := javaVersion.FindSubmatch(out)
	if m == nil {
		return "java does not tell its version"
	}
	if v, err := strconv.Atoi(string(m[1])); err != nil || v < oldestJava {
		return fmt.Sprintf("java is version %s, older than %d", m[1], oldestJava)
	}
	return ""
}

const oldestPython = "3.10"

// missingPython asks for what "python3 -m venv" needs, which Debian has in a package of its own.
func missingPython(ctx context.Context) string {
	const program = "import sys\nif sys.version_info < (3, 10): sys.exit(3)\nimport ensurepip, venv"
	err := exec.CommandContext(ctx, "python3", "-c", program).Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &exit) && exit.ExitCode() == 3:
		return "python3 is older than " + oldestPython
	}
	return "python3 has no venv"
}

const oldestNode = 20

func missingNode(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return "node does not run"
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	if v, err := strconv.Atoi(major); err != nil || v < oldestNode {
		return fmt.Sprintf("node is version %s, older than %d", strings.TrimSpace(string(out)), oldestNode)
	}
	return ""
}

// missingKcat asks for the version that tells JSON, which the tests read.
func missingKcat(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "kcat", "-V").CombinedOutput()
	if err != nil {
		return "kcat does not run"
	}
	if !bytes.Contains(out, []byte("Version 1.7.")) {
		return "kcat is not version 1.7"
	}
	return ""
}
