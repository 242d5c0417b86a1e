package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/registry"
)

// another bus over the same broker.
func another(t *testing.T, b *bus.Bus, network *broker.Network, service string) *bus.Bus {
	t.Helper()
	out, err := bus.Open(t.Context(), bus.Config{Brokers: b.Brokers(), Service: service, Catalog: catalog(t), Dial: network.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	})
	return out
}

// bench is a broker with a bus, and the way to it.
func bench(t *testing.T) (*bus.Bus, *broker.Network) {
	t.Helper()
	network := new(broker.Network)
	br, err := broker.Start(t.Context(), broker.Config{Addr: "127.0.0.1:9092", Network: network})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
	return bustest.Over(t, bus.Config{Brokers: br.Addrs(), Service: "first", Catalog: catalog(t), Dial: network.Dial}).Bus, network
}

// eventually asks until the answer is want.
func (c *client) eventually(method, path, body, want string) {
	c.t.Helper()
	last := ""
	for c.t.Context().Err() == nil {
		status, got := c.do(method, path, body)
		if last = statusLine(status) + trim(got); last == want {
			return
		}
	}
	c.t.Fatalf("%s %s: %s, want %s", method, path, last, want)
}

func TestASecondRegistryReadsAndRefusesChangesAndTakesOver(t *testing.T) {
	b, network := bench(t)
	first := serve(t, b)
	first.writable()
	second := serve(t, another(t, b, network, "second"))
	first.do("POST", "/subjects/a/versions", jsonSchema(t, object))
	second.eventually("GET", "/subjects", "", `200 ["a"]`)
	refusal := `503 {"error_code":50003,"message":"OMB-0914: this registry serves reads only: the writer is ` + first.url + `; send changes there"}`
	second.eventually("DELETE", "/subjects/a", "", refusal) // while they choose, nobody knows
	for _, change := range []struct{ method, path, body string }{
		{"PUT", "/config", `{"compatibility":"NONE"}`},
		{"PUT", "/mode", `{"mode":"READONLY"}`},
		{"POST", "/subjects/b/versions", jsonSchema(t, named)},
	} {
		second.steps(t, step{change.method, change.path, change.body, refusal})
	}
	if status, _ := second.do("POST", "/subjects/a/versions", jsonSchema(t, object)); status != 200 { // it is there already
		t.Errorf("register what is there: %d", status)
	}
	first.steps(t, step{"PUT", "/config/a", `{"compatibility":"NONE"}`, `200 {"compatibility":"NONE"}`}) // that another one came changes nothing
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second.writable()
	second.do("POST", "/subjects/b/versions", jsonSchema(t, named))
	second.steps(
		t,
		step{"GET", "/subjects", "", `200 ["a","b"]`},
		step{"GET", "/schemas/ids/2/subjects", "", `200 ["b"]`},
	)
}

// A writer that was asleep while another one took over has its state and its lease as it left them. What it writes then must not
// come into the log, or two schemas have one id.
func TestAWriterThatWasAsleepIsStopped(t *testing.T) {
	b, network := bench(t)
	if err := b.EnsureState(t.Context(), registry.Topic); err != nil {
		t.Fatal(err)
	}
	one, two := bus.Leadership{Group: "one", Topic: registry.Topic, Name: "one"}, bus.Leadership{Group: "two", Topic: registry.Topic, Name: "two"}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 2)
	asleep, awake := make(chan struct{}), make(chan struct{})
	woken := make(chan error, 1)
	write := func(w *bus.Writer, text string) error {
		_, err := w.Write(bus.Record{Key: []byte("k"), Value: []byte(text)}, bus.Record{Key: []byte("k2"), Value: []byte(text)})
		return err
	}
	// Two groups, so that neither lease ends: as if the first had not been told yet.
	go func() {
		done <- b.Lead(ctx, one, func(ctx context.Context, w *bus.Writer) error {
			select {
			case <-asleep: // this is the second time
				<-ctx.Done()
				return nil
			default:
			}
			if err := write(w, "before"); err != nil {
				t.Error(err)
			}
			close(asleep)
			<-awake
			woken <- write(w, "too late")
			return nil
		})
	}()
	<-asleep
	other := another(t, b, network, "second")
	wrote := make(chan error, 1)
	go func() {
		done <- other.Lead(ctx, two, func(ctx context.Context, w *bus.Writer) error {
			select {
			case wrote <- write(w, "after"):
			default:
			}
			<-ctx.Done()
			return nil
		})
	}()
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	close(awake)
	if err := <-woken; !errors.Is(err, bus.ErrFenced) || !errors.Is(err, bus.ErrNotSent) {
		t.Errorf("the first writes after the second: %v, want %v", err, bus.ErrFenced)
	}
	end()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var values []string
	for rec, err := range b.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(registry.Topic)}}) {
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, string(rec.Value))
	}
	if diff := cmp.Diff([]string{"before", "before", "after", "after"}, values); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

func TestARestartFindsWhatWasThere(t *testing.T) {
	b, _ := bench(t)
	first := serve(t, b)
	first.writable()
	for _, change := range []struct{ method, path, body string }{
		{"POST", "/subjects/a/versions", jsonSchema(t, object)},
		{"PUT", "/config", `{"compatibility":"NONE"}`},
		{"POST", "/subjects/a/versions", jsonSchema(t, named)},
		{"POST", "/subjects/b/versions", jsonSchema(t, named)},
		{"POST", "/subjects/gone/versions", jsonSchema(t, demanding)},
		{"DELETE", "/subjects/gone", ""},
		{"DELETE", "/subjects/gone?permanent=true", ""},
		{"DELETE", "/subjects/b", ""},
		{"PUT", "/config/a", `{"compatibility":"FULL","alias":"x"}`},
		{"PUT", "/mode/a", `{"mode":"READONLY"}`},
	} {
		if status, got := first.do(change.method, change.path, change.body); status != 200 {
			t.Fatalf("%s %s: %d %s", change.method, change.path, status, got)
		}
	}
	read := []string{"/schemas?deleted=true", "/config", "/config/a", "/mode", "/mode/a", "/schemas/ids/1", "/schemas/ids/2?fetchMaxId=true", "/schemas/ids/3"}
	before := map[string]string{}
	for _, path := range read {
		_, before[path] = first.do("GET", path, "")
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := serve(t, b)
	after := map[string]string{}
	for _, path := range read {
		_, after[path] = second.do("GET", path, "")
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
	second.writable()
	if _, got := second.do("POST", "/subjects/new/versions", jsonSchema(t, `{"type":"null"}`)); !strings.Contains(got, `"id":4,`) { // 3 was given once
		t.Errorf("the next id: %s", got)
	}
}

func TestTheRecordsAreThoseOfOtherRegistries(t *testing.T) {
	b, _ := bench(t)
	c := serve(t, b)
	c.writable()
	for _, change := range []struct{ method, path, body string }{
		{"POST", "/subjects/a/versions", jsonSchema(t, object)},
		{"POST", "/subjects/a/versions", `{"schemaType":"JSON","schema":"{\"type\":\"object\",\"title\":\"x\"}","metadata":{"properties":{"k":"v"}},"references":[{"name":"n","subject":"a","version":1}]}`},
		{"PUT", "/config/a", `{"compatibility":"FULL"}`},
		{"PUT", "/config", `{"compatibility":"NONE"}`},
		{"PUT", "/mode/a", `{"mode":"READWRITE"}`},
		{"DELETE", "/subjects/a/versions/2", ""},
		{"DELETE", "/subjects/a", ""},
		{"DELETE", "/subjects/a/versions/2?permanent=true", ""},
		{"DELETE", "/config", ""},
	} {
		if status, got := c.do(change.method, change.path, change.body); status != 200 {
			t.Fatalf("%s %s: %d %s", change.method, change.path, status, got)
		}
	}
	var got []string
	for rec, err := range b.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(registry.Topic)}}) {
		if err != nil {
			t.Fatal(err)
		}
		value := "null"
		if rec.Value != nil {
			value = string(rec.Value)
		}
		got = append(got, string(rec.Key)+" "+value)
	}
	want := []string{
		`{"keytype":"NOOP","magic":0} {}`,
		`{"keytype":"SCHEMA","subject":"a","version":1,"magic":1} {"subject":"a","version":1,"id":1,"md5":"AfwFbu1YyI/hxQf82E3Utw==","schemaType":"JSON","schema":"{\"type\":\"object\"}","deleted":false}`,
		`{"keytype":"SCHEMA","subject":"a","version":2,"magic":1} {"subject":"a","version":2,"id":2,"md5":"uaYl2SvjtcW/a+AzOlPE9g==","schemaType":"JSON","references":[{"name":"n","subject":"a","version":1}],"metadata":{"properties":{"k":"v"}},"schema":"{\"type\":\"object\",\"title\":\"x\"}","deleted":false}`,
		`{"keytype":"CONFIG","subject":"a","magic":0} {"subject":"a","compatibilityLevel":"FULL"}`,
		`{"keytype":"CONFIG","subject":null,"magic":0} {"compatibilityLevel":"NONE"}`,
		`{"keytype":"MODE","subject":"a","magic":0} {"subject":"a","mode":"READWRITE"}`,
		`{"keytype":"SCHEMA","subject":"a","version":2,"magic":1} {"subject":"a","version":2,"id":2,"md5":"uaYl2SvjtcW/a+AzOlPE9g==","schemaType":"JSON","references":[{"name":"n","subject":"a","version":1}],"metadata":{"properties":{"k":"v"}},"schema":"{\"type\":\"object\",\"title\":\"x\"}","deleted":true}`,
		`{"keytype":"DELETE_SUBJECT","subject":"a","magic":0} {"subject":"a","version":1}`,
		`{"keytype":"MODE","subject":"a","magic":0} null`,
		`{"keytype":"CONFIG","subject":"a","magic":0} null`,
		`{"keytype":"NOOP","magic":0} {"maxId":2}`,
		`{"keytype":"SCHEMA","subject":"a","version":2,"magic":1} null`,
		`{"keytype":"CONFIG","subject":null,"magic":0} null`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
}

func TestATopicThatCannotKeepSchemasIsRefused(t *testing.T) {
	for name, settings := range map[string]struct {
		desired bus.DesiredTopic
		want    string
	}{
		"partitions": {bus.DesiredTopic{Name: registry.Topic, Partitions: 3, Configs: map[string]string{"cleanup.policy": "compact"}}, "it has 3 partitions"},
		"policy":     {bus.DesiredTopic{Name: registry.Topic, Partitions: 1, Configs: map[string]string{"cleanup.policy": "delete"}}, "cleanup.policy=compact"},
		"both":       {bus.DesiredTopic{Name: registry.Topic, Partitions: 1, Configs: map[string]string{"cleanup.policy": "compact,delete"}}, "cleanup.policy is compact,delete"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := bench(t)
			plan, err := b.PlanTopics(t.Context(), false, settings.desired)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.ApplyTopics(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			ln := listen(t)
			err = registry.New(b, "http://x", registry.Options{}).Run(t.Context(), ln, func() { t.Error("it serves") })
			if unfit := (*registry.UnfitTopicError)(nil); !errors.As(err, &unfit) || !strings.Contains(err.Error(), settings.want) {
				t.Errorf("%v, want %s", err, settings.want)
			}
		})
	}
}
