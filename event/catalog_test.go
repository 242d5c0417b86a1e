package event_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
)

const sold = `{
	"description":"An article was sold.","x-version":"1.2.0",
	"x-omnibus":{"topic":"omninode.shop.event.sold.v1","owner":"shop","producers":["shop"],"consumers":["stock"],"key":"/article","tier":"high",
		"retention":"48h","aliases":{"sku":"article"},"defaults":{"count":1},"alias_of":"omninode.shop.event.gone.v1","strict_envelope":true,"wire":"header"},
	"type":"object","examples":[{"article":"A1"}]}`

func TestReadCatalog(t *testing.T) {
	request := `{"x-omnibus":{"topic":"omninode.shop.request.sell.v1","replies":"omninode.shop.response.sell.v1"}}`
	c, err := event.ReadCatalog(fstest.MapFS{
		"shop/event/sold.v1.json":   {Data: []byte(sold)},
		"shop/request/sell.v1.json": {Data: []byte(request)},
		"shop/README.md":            {Data: []byte("no schema")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Spec{
		{
			Topic: "omninode.shop.event.sold.v1", Version: "1.2.0", Doc: "An article was sold.", Owner: "shop", Producers: []string{"shop"},
			Consumers: []string{"stock"}, Key: "article", Tier: "high", Partitions: 6, Retention: 48 * time.Hour,
			Aliases: map[string]string{"sku": "article"}, Defaults: map[string]json.RawMessage{"count": json.RawMessage("1")},
			AliasOf: "omninode.shop.event.gone.v1", Strict: true, Wire: "header", Schema: []byte(sold), Examples: []json.RawMessage{json.RawMessage(`{"article":"A1"}`)},
			File: "shop/event/sold.v1.json",
		},
		{
			Topic: "omninode.shop.request.sell.v1", Version: "1.0.0", Tier: "default", Partitions: 3, Retention: 7 * 24 * time.Hour,
			Replies: "omninode.shop.response.sell.v1", Schema: []byte(request), File: "shop/request/sell.v1.json",
		},
	}
	if diff := cmp.Diff(want, slices.Collect(c.All())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for topic, want := range map[event.Topic]bool{
		"omninode.shop.event.sold.v1": true, "omninode.shop.event.sold.v1.dlq": true, "omninode.shop.event.sold.v2": false,
	} {
		if s, ok := c.Lookup(topic); ok != want || ok && s.Topic != topic.Source() {
			t.Errorf("Lookup(%s) = %s, %v", topic, s.Topic, ok)
		}
	}
	if c.Len() != 2 {
		t.Errorf("Len = %d", c.Len())
	}
}

func TestReadCatalogReportsEveryFile(t *testing.T) {
	bad := map[string]struct{ src, why string }{
		"cut.json":       {`{`, "unexpected EOF"},
		"twice.json":     {`{"a":1,"a":2,"x-omnibus":{"topic":"a"}}`, "duplicate"},
		"plain.json":     {`{"type":"object"}`, `no "x-omnibus" member`},
		"topic.json":     {`{"x-omnibus":{}}`, "0 characters"},
		"illegal.json":   {`{"x-omnibus":{"topic":"a b"}}`, "Kafka allows"},
		"tier.json":      {`{"x-omnibus":{"topic":"a","tier":"top"}}`, `tier "top"`},
		"days.json":      {`{"x-omnibus":{"topic":"a","retention":"7 days"}}`, `retention "7 days"`},
		"wire.json":      {`{"x-omnibus":{"topic":"a","wire":"guid"}}`, `wire "guid"`},
		"backwards.json": {`{"x-omnibus":{"topic":"a","retention":"-1h"}}`, `retention "-1h"`},
		"kind.json":      {`{"x-omnibus":{"topic":7}}`, "topic"},
		"since.json":     {`{"x-omnibus":{"topic":"a"},"x-deprecated":{"since":"soon"}}`, `x-deprecated.since "soon"`},
		"sunset.json":    {`{"x-omnibus":{"topic":"a"},"x-deprecated":{"sunset":"2027-02-30"}}`, `x-deprecated.sunset "2027-02-30"`},
		"old.json":       {`{"x-omnibus":{"topic":"a"},"x-deprecated":"yes"}`, "x-deprecated: want"},
		"heir.json":      {`{"x-omnibus":{"topic":"a"},"x-supersedes":"a b"}`, "x-supersedes: "},
		"ever.json":      {`{"x-omnibus":{"topic":"b.v2","dual_publish":{}},"x-supersedes":"b.v1"}`, `"until" is missing`},
		"orphan.json":    {`{"x-omnibus":{"topic":"b.v2","dual_publish":{"until":"2027-06-01"}}}`, `"x-supersedes" is missing`},
		"until.json":     {`{"x-omnibus":{"topic":"b.v2","dual_publish":{"until":"June"}},"x-supersedes":"b.v1"}`, `until "June"`},
	}
	fsys := fstest.MapFS{"good.json": {Data: []byte(sold)}}
	for name, f := range bad {
		fsys[name] = &fstest.MapFile{Data: []byte(f.src)}
	}
	_, err := event.ReadCatalog(fsys)
	if err == nil {
		t.Fatal("no error")
	}
	for name, f := range bad {
		i := strings.Index(err.Error(), name+": ")
		if i < 0 || !strings.Contains(strings.SplitN(err.Error()[i:], "\n", 2)[0], f.why) {
			t.Errorf("the error does not say %q of %s:\n%v", f.why, name, err)
		}
	}
	if strings.Contains(err.Error(), "good.json") {
		t.Errorf("a good file is blamed:\n%v", err)
	}
}

func TestCatalogRefuses(t *testing.T) {
	if _, err := event.ReadCatalog(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "no schema file") {
		t.Errorf("nothing to read: %v", err)
	}
	_, err := event.ReadCatalog(fstest.MapFS{"a.json": {Data: []byte(sold)}, "b.json": {Data: []byte(sold)}})
	if err == nil || !strings.Contains(err.Error(), "a.json") || !strings.Contains(err.Error(), "b.json") {
		t.Errorf("a topic in two files: %v", err)
	}
	for _, topic := range []event.Topic{"", "a b", "omninode.shop.event.sold.v1.dlq"} {
		if _, err := event.NewCatalog(event.Spec{Topic: topic}); err == nil {
			t.Errorf("topic %q is accepted", topic)
		}
	}
}

func TestPartitionsFollowTheTier(t *testing.T) {
	for tier, want := range map[string]int{"high": 6, "medium": 3, "low": 1, "default": 3, "": 3} {
		c, err := event.NewCatalog(event.Spec{Topic: "a", Tier: tier})
		if err != nil {
			t.Fatal(err)
		}
		if s, _ := c.Lookup("a"); s.Partitions != want {
			t.Errorf("tier %q: %d partitions, want %d", tier, s.Partitions, want)
		}
	}
}

func TestNormalize(t *testing.T) {
	spec := event.Spec{
		Aliases:  map[string]string{"code": "code_content", "source": "code_content"},
		Defaults: map[string]json.RawMessage{"node_type": json.RawMessage(`"effect"`), "limit": json.RawMessage(`5`)},
	}
	for _, tc := range []struct{ name, in, want string }{
		{"alias and defaults", `{"code":"x"}`, `{"code_content":"x","limit":5,"node_type":"effect"}`},
		{"default overridden", `{"code_content":"x","node_type":"reducer","limit":1}`, `{"code_content":"x","node_type":"reducer","limit":1}`},
		{"null is a value", `{"limit":null,"node_type":null}`, `{"limit":null,"node_type":null}`},
		{"alias below the top", `{"a":{"code":1},"limit":1,"node_type":"x"}`, `{"a":{"code":1},"limit":1,"node_type":"x"}`},
		{"alias as a value", `{"a":"code","limit":1,"node_type":"x"}`, `{"a":"code","limit":1,"node_type":"x"}`},
		{"the rest untouched", `{"n":1.10,"big":12345678901234567890,"limit":1}`, `{"big":12345678901234567890,"limit":1,"n":1.10,"node_type":"effect"}`},
	} {
		got, err := spec.Normalize([]byte(tc.in))
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.name, got, err, tc.want)
		}
	}
	for _, in := range []string{`{"code":"x","code_content":"x"}`, `{"code":"x","source":"x"}`, `[]`, `{"code":1,"code":2}`, `{`} {
		if got, err := spec.Normalize([]byte(in)); err == nil {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestNormalizeReturnsWhatNeedsNoChange(t *testing.T) {
	aliased := event.Spec{Aliases: map[string]string{"code": "code_content"}}
	in := []byte(`{ "code_content" : 1 }`)
	got, err := aliased.Normalize(in)
	if err != nil || &got[0] != &in[0] {
		t.Errorf("%s, %v: not the same bytes", got, err)
	}
}

func TestReadVersions(t *testing.T) {
	c, err := event.ReadCatalog(fstest.MapFS{
		"sold.v1.json": {Data: []byte(`{"x-omnibus":{"topic":"omninode.shop.event.sold.v1"},"x-deprecated":{"since":"2026-11-01","sunset":"2027-05-31"}}`)},
		"sold.v2.json": {Data: []byte(`{"x-omnibus":{"topic":"omninode.shop.event.sold.v2","dual_publish":{"until":"2027-05-31"}},"x-supersedes":"omninode.shop.event.sold.v1"}`)},
		"lost.v1.json": {Data: []byte(`{"x-omnibus":{"topic":"omninode.shop.event.lost.v1"},"x-deprecated":true}`)},
		"kept.v1.json": {Data: []byte(`{"x-omnibus":{"topic":"omninode.shop.event.kept.v1"},"x-deprecated":false}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	type versions struct {
		Supersedes event.Topic
		DualUntil  time.Time
		Deprecated *event.Deprecation
	}
	got := map[string]versions{}
	for s := range c.All() {
		got[s.File] = versions{s.Supersedes, s.DualUntil, s.Deprecated}
	}
	day := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	want := map[string]versions{
		"sold.v1.json": {Deprecated: &event.Deprecation{Since: day(2026, 11, 1), Sunset: day(2027, 5, 31)}},
		"sold.v2.json": {Supersedes: "omninode.shop.event.sold.v1", DualUntil: day(2027, 6, 1)}, // through the last day
		"lost.v1.json": {Deprecated: &event.Deprecation{}},
		"kept.v1.json": {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
