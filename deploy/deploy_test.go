package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/internal/cli"
)

const network = "omninode_bridge_omninode-bridge-network" // as the quick reference calls it

func TestComposeFiles(t *testing.T) {
	files, err := filepath.Glob("compose.*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range problems(t.Context(), b) {
				t.Error(problem)
			}
			for _, m := range regexp.MustCompile(`(?m)^#\s+omnibus (.+)$`).FindAllSubmatch(b, -1) { // what the comment says to run
				if err := accepts(t.Context(), strings.Fields(string(m[1]))); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestMistakesInComposeFilesAreFound(t *testing.T) {
	b, err := os.ReadFile("compose.up.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"    volumes:", "    volume:", "field volume not found"},
		{"build:\n      context: ..\n      dockerfile: deploy/Dockerfile", "restart: always", "neither image nor build"},
		{"dockerfile: deploy/Dockerfile", "dockerfile: Dockerfile", "no such file"},
		{"--insecure-listen", "--insecurely", "has no flag --insecurely"},
		{`"omnibus:9092"`, `"bus:9092"`, "nothing tells clients that name"},
		{"KAFKA_BOOTSTRAP_SERVERS: omnibus:9092", "KAFKA_BOOTSTRAP_SERVERS: bus:9092", "nobody answers at bus:9092"},
		{"- omnibus-data:/data", "- data:/data", "volume data is not declared"},
		{"127.0.0.1:8050:8050", "8050:8050", "open to other machines"},
		{"    external: true", "    external: false", "none of its networks is the network of omninode_bridge"},
		{"      omnibus:\n        condition", "      bus:\n        condition", "depends on bus, which is not there"},
		{"healthcheck:", "x-healthcheck:", "no health check"},
	} {
		wrong := strings.ReplaceAll(string(b), c.from, c.to)
		if wrong == string(b) {
			t.Errorf("%q is not in the file", c.from)
		}
		if got := fmt.Sprint(problems(t.Context(), []byte(wrong))); !strings.Contains(got, c.want) {
			t.Errorf("with %q: %s, want %q", c.to, got, c.want)
		}
	}
}

// compose is what the files here use of the Compose specification; anything else is unknown.
type compose struct {
	Services map[string]service
	Networks map[string]struct {
		External bool
		Name     string
	}
	Volumes map[string]struct{}
}

type service struct {
	Image string
	Build *struct {
		Context, Dockerfile string
	}
	ContainerName string `yaml:"container_name"`
	Command       []string
	Environment   map[string]string
	Volumes       []string
	Ports         []string
	Networks      []string
	ExtraHosts    []string `yaml:"extra_hosts"`
	DependsOn     map[string]struct {
		Condition string
	} `yaml:"depends_on"`
	Healthcheck *struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
	Restart     string
	StopGrace   string         `yaml:"stop_grace_period"`
	Annotations map[string]any `yaml:",inline"` // only those that begin with x-
}

// problems says what is wrong with a Compose file.
func problems(ctx context.Context, file []byte) (found []error) {
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	var c compose
	d := yaml.NewDecoder(bytes.NewReader(file))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return []error{err}
	}
	joined := false
	for name, n := range c.Networks {
		joined = joined || name == network && (n.External || n.Name == network)
	}
	if !joined {
		say("none of its networks is the network of omninode_bridge")
	}
	for name, s := range c.Services {
		for key := range s.Annotations {
			if !strings.HasPrefix(key, "x-") {
				say("%s: field %s not found", name, key)
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				say("%s: %w", name, err)
			}
			if err := accepts(ctx, s.Command); err != nil {
				say("%s: %w", name, err)
			}
			if i := slices.Index(s.Command, "--advertise"); i >= 0 && !c.answers(s.Command[i+1]) {
				say("%s: nothing tells clients that name: %s", name, s.Command[i+1])
			}
		} else if s.Image == "" {
			say("%s: neither image nor build", name)
		}
		for _, n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				say("%s: network %s is not declared", name, n)
			}
		}
		for _, v := range s.Volumes {
			if source, _, _ := strings.Cut(v, ":"); !strings.HasPrefix(source, ".") && !strings.HasPrefix(source, "/") {
				if _, ok := c.Volumes[source]; !ok {
					say("%s: volume %s is not declared", name, source)
				}
			}
		}
		for _, p := range s.Ports {
			if !regexp.MustCompile(`^127\.0\.0\.1:\d+:\d+$`).MatchString(p) {
				say("%s: port %s is open to other machines", name, p)
			}
		}
		for on, how := range s.DependsOn {
			other, ok := c.Services[on]
			switch {
			case !ok:
				say("%s: depends on %s, which is not there", name, on)
			case how.Condition == "service_healthy" && other.Healthcheck == nil:
				say("%s: waits until %s is healthy, which has no health check", name, on)
			}
		}
		if addr, ok := s.Environment["KAFKA_BOOTSTRAP_SERVERS"]; ok && !c.answers(addr) {
			say("%s: nobody answers at %s", name, addr)
		}
	}
	return found
}

// answers tells whether an address means a service of the file, or the host for one that says so.
func (c compose) answers(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "9092" {
		return false
	}
	for name, s := range c.Services {
		if host == name || host == s.ContainerName || slices.Contains(s.ExtraHosts, host+":host-gateway") {
			return true
		}
	}
	return false
}

// accepts asks our command line whether it would take args.
func accepts(ctx context.Context, args []string) error {
	var said bytes.Buffer
	if code := cli.Run(ctx, append(slices.Clone(args), "--help"), strings.NewReader(""), io.Discard, &said); code != 0 {
		return fmt.Errorf("omnibus %s: exit %d: %w", strings.Join(args, " "), code, errors.New(said.String()))
	}
	return nil
}
