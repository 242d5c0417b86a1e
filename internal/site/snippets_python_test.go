//go:build parts

package site_test

import (
	"bufio"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/parts"
	"github.com/omninode-ai/omnibus/schema"
)

// TestPythonSnippetsPublishAndRead runs what a reader copies from a page: what one program publishes follows the schema that producers
// are held against, has the key that the catalogue says, and is what the other program reads.
func TestPythonSnippetsPublishAndRead(t *testing.T) {
	const requirements, cache = "../../interop/python/requirements.txt", "../../.cache"
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := parts.InstallPython(ctx, cache, requirements); err != nil {
		t.Fatal(err)
	}
	python, err := parts.Python(cache, requirements)
	if err != nil {
		t.Fatal(err)
	}
	br, err := broker.Start(ctx, broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	b, err := bus.Open(ctx, bus.Config{Brokers: br.Addrs(), Service: "pages", Catalog: contracts.Catalog()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.EnsureTopics(ctx); err != nil {
		t.Fatal(err)
	}
	c := configOf(t, contracts.Catalog())
	c.About.Brokers = br.Addrs()
	files := pages(t, c)
	for _, topic := range []event.Topic{"omninode.intelligence.event.quality_assessed.v1", "omninode.codegen.response.validate.v1"} {
		page := files["events/"+string(topic)+".html"]
		if out, err := exec.CommandContext(ctx, python, "-c", snippet(t, page, "python-publish")).CombinedOutput(); err != nil {
			t.Fatalf("%s: publish: %v\n%s", topic, err, out)
		}
		spec, _ := contracts.Catalog().Lookup(topic)
		whole, err := schema.Compose(spec.Schema, schema.Producer)
		if err != nil {
			t.Fatal(err)
		}
		s, err := schema.Parse(whole)
		if err != nil {
			t.Fatal(err)
		}
		var id string
		for r, err := range b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(topic)}}) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Scan(r.Value); err != nil {
				t.Errorf("%s: %v\n%s", topic, err, r.Value)
			}
			e, err := event.Decode(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			id = e.ID.String()
			if key := string(r.Key); key == "" || spec.Key == "" && key != string(e.CorrelationID) || !strings.Contains(string(r.Value), key) {
				t.Errorf("%s: key %q of %s", topic, key, r.Value)
			}
		}
		read := exec.CommandContext(ctx, python, "-c", snippet(t, page, "python-read"))
		out, err := read.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := read.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if id == "" || !strings.HasPrefix(line, id) {
			t.Errorf("%s: read %q, %v; published %q", topic, line, err, id)
		}
		if err := read.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = read.Wait() // it was killed
	}
}
