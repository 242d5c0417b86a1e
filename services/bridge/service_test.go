package bridge_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/contracts"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/services/bridge"
)

// withBridge runs test in a bubble with a bus and the bridge on it.
func withBridge(t *testing.T, test func(t *testing.T, b *bustest.Bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		start(t, b)
		test(t, b)
	})
}

// start runs the bridge until the test ends.
func start(t *testing.T, b *bustest.Bench) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- bridge.Run(ctx, b.Bus, bridge.Config{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func publish(t *testing.T, b *bustest.Bench, p event.Payload) event.Envelope {
	t.Helper()
	e, err := b.Publish(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ask publishes a request and waits for its response.
func ask[Res event.Payload](t *testing.T, b *bustest.Bench, req event.Payload) (Res, event.Envelope) {
	t.Helper()
	e := publish(t, b, req)
	res, from := await[Res](t, b, e.CorrelationID)
	if from.CausationID != e.ID {
		t.Errorf("%s is caused by %s, want the request %s", from.Type, from.CausationID, e.ID)
	}
	return res, e
}

func await[T event.Payload](t *testing.T, b *bustest.Bench, id event.CorrelationID) (T, event.Envelope) {
	t.Helper()
	var got T
	d := b.Await(got.EventTopic(), id)
	if err := json.Unmarshal(d.Envelope.Payload, &got); err != nil {
		t.Fatal(err)
	}
	return got, d.Envelope
}

// awaitDead waits for the first dead letter of a topic.
func awaitDead(t *testing.T, b *bustest.Bench, topic event.Topic) bus.DeadLetter {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bustest.Patience)
	defer cancel()
	for d, err := range b.DeadLetters(ctx, bus.Range{Topics: []event.Glob{event.Glob(topic.DLQ())}, Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Fatal("no dead letter")
	return bus.DeadLetter{}
}

// announcements waits for n announcements of stamps that were made because of cause.
func announcements(t *testing.T, b *bustest.Bench, cause event.ID, n int) []event.Envelope {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bustest.Patience)
	defer cancel()
	var got []event.Envelope
	all := bus.Range{Topics: []event.Glob{event.Glob(contract.MetadataStamped{}.EventTopic())}, Follow: true}
	for rec, err := range b.Scan(ctx, all) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.Decode(rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		if e.CausationID == cause {
			got = append(got, e)
		}
		if len(got) == n {
			return got
		}
	}
	t.Fatalf("%d announcements because of %s within %v, want %d", len(got), cause, bustest.Patience, n)
	return nil
}

func TestStampIsAnsweredAndAnnounced(t *testing.T) {
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		got, req := ask[contract.StampResponse](t, b, contract.StampRequest{
			Content: "package a\n", FilePath: "a.go", ContentType: "text/x-go", Namespace: "test", Metadata: map[string]any{"author": "me"},
		})
		h := bridge.Sum([]byte("package a\n"))
		s := bridge.Stamp{Kind: bridge.Lightweight, UID: bridge.UID(req.ID, h), Hash: h, Time: req.Time}
		want := contract.StampResponse{
			BLAKE3Hash: h.String(), Metadata: map[string]any{"author": "me"}, StampTime: req.Time, StampID: s.UID.String(),
			Stamp: text(t, s), StampedContent: string(apply(t, []byte("package a\n"), s)),
			StampType: contract.StampTypeLightweight, Namespace: "test", MetadataVersion: "0.1",
			PerformanceMetrics: &contract.StampResponsePerformanceMetrics{FileSizeBytes: new(int64(10)), PerformanceGrade: "A"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("response (-want +got):\n%s", diff)
		}
		announced, from := await[contract.MetadataStamped](t, b, req.CorrelationID)
		wantEvent := contract.MetadataStamped{
			BLAKE3Hash: h.String(), Namespace: "test", ContentType: "text/x-go", StampID: s.UID.String(), FilePath: "a.go",
			FileSizeBytes: new(int64(10)), HashAlgorithm: contract.HashAlgorithmBLAKE3, StampType: contract.StampTypeLightweight,
			CreatedAt: req.Time,
		}
		if diff := cmp.Diff(wantEvent, announced); diff != "" {
			t.Errorf("announcement (-want +got):\n%s", diff)
		}
		if from.CausationID != req.ID {
			t.Errorf("announcement is caused by %s, want %s", from.CausationID, req.ID)
		}
		if d := b.Await(from.Type, req.CorrelationID); string(d.Key) != h.String() {
			t.Errorf("announcement has key %q, want the hash", d.Key)
		}
	})
}

func TestStampTakesContentAsItIs(t *testing.T) {
	stamped := string(apply(t, []byte("x\n"), stampFor(bridge.Rich, []byte("x\n"))))
	binary := "\xff\xd8\x00binary"
	tests := map[string]struct {
		request any // a StampRequest, or JSON for what that type leaves out
		content string
		kind    bridge.Kind
	}{
		"text":                       {contract.StampRequest{Content: "a\r\n  b  \n\n\n\n"}, "a\r\n  b  \n\n\n\n", bridge.Lightweight},
		"rich":                       {contract.StampRequest{Content: "# A\n", StampType: contract.StampTypeRich}, "# A\n", bridge.Rich},
		"bytes":                      {contract.StampRequest{ContentBase64: base64.StdEncoding.EncodeToString([]byte(binary))}, binary, bridge.Lightweight},
		"text in base64":             {contract.StampRequest{ContentBase64: "YWJj"}, "abc", bridge.Lightweight},
		"stamped before":             {contract.StampRequest{Content: stamped}, "x\n", bridge.Lightweight},
		"empty":                      {json.RawMessage(`{"content":""}`), "", bridge.Lightweight},
		"empty in base64":            {json.RawMessage(`{"content_base64":""}`), "", bridge.Lightweight},
		"protocol of the same major": {contract.StampRequest{Content: "a", ProtocolVersion: "1.7"}, "a", bridge.Lightweight},
	}
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		for name, tt := range tests {
			payload, err := json.Marshal(tt.request)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := ask[contract.StampResponse](t, b, raw{contract.StampRequest{}.EventTopic(), payload})
			if want := bridge.Sum([]byte(tt.content)).String(); got.BLAKE3Hash != want {
				t.Errorf("%s: hash %s, want %s", name, got.BLAKE3Hash, want)
			}
			out := []byte(got.StampedContent)
			if got.StampedContentBase64 != "" {
				if out, err = base64.StdEncoding.DecodeString(got.StampedContentBase64); err != nil || got.StampedContent != "" {
					t.Errorf("%s: stamped content %q and %q, %v", name, got.StampedContent, got.StampedContentBase64, err)
				}
			}
			if stamps, rest := bridge.Find(out); len(stamps) != 1 || stamps[0].Kind != tt.kind || string(rest) != tt.content {
				t.Errorf("%s: stamps %v on %q, want one %s on %q", name, stamps, rest, tt.kind, tt.content)
			}
		}
	})
}

// raw is a payload as JSON: what the contract's type would leave out can be said.
type raw struct {
	topic   event.Topic
	payload json.RawMessage
}

func (r raw) EventTopic() event.Topic      { return r.topic }
func (r raw) MarshalJSON() ([]byte, error) { return r.payload, nil }

func TestRichStampKeepsWhatTheRequestSays(t *testing.T) {
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		op := event.NewID()
		got, req := ask[contract.StampResponse](t, b, contract.StampRequest{
			Content: "# A\n", StampType: contract.StampTypeRich, FilePath: "a.md", ContentType: "text/markdown", OpID: op.String(),
			Metadata: map[string]any{"author": "me"}, IntelligenceData: map[string]any{"quality_score": 0.9}, MetadataVersion: "0.2",
		})
		stamps, _ := bridge.Find([]byte(got.StampedContent))
		h := bridge.Sum([]byte("# A\n"))
		want := []bridge.Stamp{{
			Kind: bridge.Rich, UID: bridge.UID(op, h), Hash: h, Time: req.Time,
			File: bridge.File{
				Path: "a.md", Size: 4, ContentType: "text/markdown", Namespace: "omninode.services.metadata", MetadataVersion: "0.2",
				Metadata: []byte(`{"author":"me","intelligence_data":{"quality_score":0.9}}`),
			},
		}}
		if diff := cmp.Diff(want, stamps); diff != "" {
			t.Errorf("stamp (-want +got):\n%s", diff)
		}
		if got.OpID != op.String() || got.MetadataVersion != "0.2" {
			t.Errorf("op_id %q, metadata_version %q, want the request's", got.OpID, got.MetadataVersion)
		}
	})
}

func TestARequestDeliveredTwiceAnnouncesTheSame(t *testing.T) {
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		for _, p := range []event.Payload{
			contract.StampRequest{Content: "one"},
			contract.BatchStampRequest{Contents: []json.RawMessage{json.RawMessage(`"two"`), json.RawMessage(`"two"`)}},
		} {
			e := publish(t, b, p)
			if _, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}); err != nil {
				t.Fatal(err)
			}
			want := 1
			if batch, ok := p.(contract.BatchStampRequest); ok {
				want = len(batch.Contents)
			}
			byID := make(map[event.ID][]string)
			for _, s := range announcements(t, b, e.ID, 2*want) {
				byID[s.ID] = append(byID[s.ID], string(s.Payload))
			}
			if len(byID) != want {
				t.Errorf("%s: %d distinct announcements, want %d", p.EventTopic(), len(byID), want)
			}
			for id, payloads := range byID {
				if len(payloads) != 2 || payloads[0] != payloads[1] {
					t.Errorf("announcement %s was made as %q, want twice the same", id, payloads)
				}
			}
		}
	})
}

// The announcement can be published and the answer cannot, for longer than all retries take: the request waits, and then
// nothing is lost, doubled or a dead letter.
func TestARequestWaitsWhileItCannotBeAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(broker.Network)
		cluster := brokertest.Start(t, broker.Config{Addr: "127.0.0.1:9092", Network: network})
		b := bustest.Over(t, bus.Config{Brokers: cluster.Addrs(), Service: "test", Catalog: contracts.Catalog(), Dial: network.Dial})
		start(t, b)
		topic := contract.StampResponse{}.EventTopic()
		fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(topic), Err: kerr.NotEnoughReplicas, Count: -1})
		req := publish(t, b, contract.StampRequest{Content: "a"})
		b.Elapse(5 * time.Minute)
		if fault.Hits() == 0 {
			t.Error("no answer was tried")
		}
		if got := b.Dead(req.Type); len(got) != 0 {
			t.Errorf("dead letters %+v, want none", got)
		}
		fault.Remove()
		await[contract.StampResponse](t, b, req.CorrelationID)
		ids := make(map[event.ID]bool)
		for _, s := range bustest.Published[contract.MetadataStamped](b) {
			ids[s.Envelope.ID] = true
		}
		if len(ids) != 1 {
			t.Errorf("%d distinct announcements, want 1", len(ids))
		}
	})
}

func TestABadStampRequestIsAnnouncedAndKept(t *testing.T) {
	large := map[string]any{"x": strings.Repeat("x", 70_000)}
	tests := map[string]struct {
		request contract.StampRequest
		reason  string
		path    string
	}{
		"broken base64":        {contract.StampRequest{ContentBase64: "YWJ"}, "content_base64: illegal base64", "/content_base64"},
		"two contents":         {contract.StampRequest{Content: "a", ContentBase64: "YWJj"}, "content and content_base64 are both given", "/content_base64"},
		"protocol of tomorrow": {contract.StampRequest{Content: "a", ProtocolVersion: "2.0"}, "protocol_version: the bridge speaks 1.0", "/protocol_version"},
		"too much metadata":    {contract.StampRequest{Content: "a", Metadata: large}, "metadata of 70008 bytes", "/metadata"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withBridge(t, func(t *testing.T, b *bustest.Bench) {
				tt.request.FilePath = "a.go"
				e := publish(t, b, tt.request)
				failed, _ := await[contract.ValidationFailed](t, b, e.CorrelationID)
				if failed.ContentHash != e.ID.String() || !strings.HasPrefix(failed.Reason, tt.reason) || failed.FilePath != "a.go" {
					t.Errorf("announced %+v, want reason %q of request %s", failed, tt.reason, e.ID)
				}
				if len(failed.ValidationErrors) != 1 || failed.ValidationErrors[0].Path != tt.path {
					t.Errorf("errors %+v, want one at %s", failed.ValidationErrors, tt.path)
				}
				dead := awaitDead(t, b, e.Type)
				if dead.Class != bus.ClassPermanent || !strings.Contains(dead.Message, tt.reason) {
					t.Errorf("dead letter of class %q: %q, want %q", dead.Class, dead.Message, tt.reason)
				}
				if got := bustest.Published[contract.StampResponse](b); len(got) != 0 {
					t.Errorf("answered as stamped: %+v", got)
				}
			})
		})
	}
}

func TestAStampTooLargeToGoBackIsAnsweredWithoutItsContent(t *testing.T) {
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		got, req := ask[contract.StampResponse](t, b, contract.StampRequest{Content: strings.Repeat("x", 999_000)})
		if got.StampedContent != "" || got.Stamp == "" {
			t.Errorf("stamped content of %d bytes, stamp %q, want the stamp alone", len(got.StampedContent), got.Stamp)
		}
		await[contract.MetadataStamped](t, b, req.CorrelationID)
		if got := bustest.Published[contract.MetadataStamped](b); len(got) != 1 {
			t.Errorf("%d announcements, want 1", len(got))
		}
	})
}

func TestBatchItemsFailAlone(t *testing.T) {
	item := func(format string, args ...any) json.RawMessage { return fmt.Appendf(nil, format, args...) }
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		got, req := ask[contract.BatchStampResponse](t, b, contract.BatchStampRequest{
			Namespace: "batch",
			Contents: []json.RawMessage{
				item(`"plain"`),
				item(`{"id":"broken","content_base64":"YWJ"}`),
				item(`{"id":"bytes","content_base64":"/9j/","namespace":"own","file_path":"a.jpg"}`),
				item(`{"id":"none"}`),
				item(`{"id":"both","content":"a","content_base64":"YQ=="}`),
				item(`{"id":"empty","content":""}`),
				item(`"plain"`),
				item(`{"id":"bytes","content":"again"}`),
			},
		})
		hash := func(s string) string { return bridge.Sum([]byte(s)).String() }
		want := contract.BatchStampResponse{
			SuccessCount: 5, FailedCount: 3,
			Results: []contract.Result{
				{ID: "0", Success: true, BLAKE3Hash: hash("plain")},
				{ID: "broken", Error: "content_base64: illegal base64 data at input byte 0"},
				{ID: "bytes", Success: true, BLAKE3Hash: hash("\xff\xd8\xff")},
				{ID: "none", Error: "content and content_base64 are both missing"},
				{ID: "both", Error: "content and content_base64 are both given, want one"},
				{ID: "empty", Success: true, BLAKE3Hash: hash("")},
				{ID: "6", Success: true, BLAKE3Hash: hash("plain")},
				{ID: "bytes", Success: true, BLAKE3Hash: hash("again")},
			},
		}
		ignore := cmp.Options{
			cmpopts.IgnoreFields(contract.Result{}, "StampID", "Stamp"), cmpopts.IgnoreFields(contract.BatchStampResponse{}, "ProcessingTimeMS"),
		}
		if diff := cmp.Diff(want, got, ignore); diff != "" {
			t.Errorf("response (-want +got):\n%s", diff)
		}
		ids := make(map[string]bool)
		for _, r := range got.Results {
			if r.Success != (r.Stamp != "") || r.Success != (r.StampID != "") {
				t.Errorf("item %s: success %t with stamp %q", r.ID, r.Success, r.Stamp)
			}
			if r.Success && ids[r.StampID] {
				t.Errorf("item %s: stamp id %s twice", r.ID, r.StampID)
			}
			ids[r.StampID] = true
		}
		var files, namespaces []string
		for _, s := range bustest.Published[contract.MetadataStamped](b) {
			if s.Envelope.CausationID != req.ID {
				t.Errorf("announcement caused by %s, want %s", s.Envelope.CausationID, req.ID)
			}
			files, namespaces = append(files, s.Payload.FilePath), append(namespaces, s.Payload.Namespace)
		}
		if diff := cmp.Diff([]string{"", "", "", "", "a.jpg"}, files, cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("announced files (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"batch", "batch", "batch", "batch", "own"}, namespaces, cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("announced namespaces (-want +got):\n%s", diff)
		}
	})
}

// A thousand rich stamps do not fit into one answer; their hashes do.
func TestABatchTooLargeToGoBackIsAnsweredWithoutItsStamps(t *testing.T) {
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		req := contract.BatchStampRequest{StampType: contract.StampTypeRich}
		for i := range 1000 {
			req.Contents = append(req.Contents, fmt.Appendf(nil, `{"id":"%d","content":"","metadata":{"x":%q}}`, i, strings.Repeat(`>`, 200)))
		}
		got, _ := ask[contract.BatchStampResponse](t, b, req)
		if got.SuccessCount != 1000 || len(got.Results) != 1000 {
			t.Errorf("%d of %d stamped, want all 1000", got.SuccessCount, len(got.Results))
		}
		if r := got.Results[999]; r.ID != "999" || r.Stamp != "" || r.StampID == "" {
			t.Errorf("last result %+v, want a stamp id and no stamp", r)
		}
	})
}

func TestVerifyIsAnswered(t *testing.T) {
	content := []byte("one\n")
	line := string(apply(t, content, stampFor(bridge.Lightweight, content)))
	rich := stampFor(bridge.Rich, content)
	rich.File.Namespace, rich.File.Path = "ns", "a.md"
	block := string(apply(t, content, rich))
	right, other := bridge.Sum(content).String(), bridge.Sum(nil).String()
	tests := map[string]struct {
		request contract.VerifyRequest
		valid   bool
		stamps  *int64
		reason  string // its beginning
		facts   string // in the metadata
		failed  bool   // announced as validation_failed
	}{
		"a stamped text":      {request: contract.VerifyRequest{Content: line}, valid: true, stamps: new(int64(1)), facts: `"timestamp":"2026-11-24T12:00:00.005Z"`},
		"a rich stamp":        {request: contract.VerifyRequest{Content: block}, valid: true, stamps: new(int64(1)), facts: `"namespace":"ns","file_path":"a.md"`},
		"bytes":               {request: contract.VerifyRequest{ContentBase64: base64.StdEncoding.EncodeToString([]byte(line))}, valid: true, stamps: new(int64(1)), facts: "{"},
		"the expected hash":   {request: contract.VerifyRequest{Content: line, ExpectedHash: right}, valid: true, stamps: new(int64(1)), facts: "{"},
		"the hash beside":     {request: contract.VerifyRequest{Content: line, BLAKE3Hash: right}, valid: true, stamps: new(int64(1)), facts: "{"},
		"another one":         {request: contract.VerifyRequest{Content: line, ExpectedHash: other}, stamps: new(int64(1)), reason: "content is not the expected one", facts: "{", failed: true},
		"another one beside":  {request: contract.VerifyRequest{Content: line, BLAKE3Hash: other}, stamps: new(int64(1)), reason: "content is not the expected one", facts: "{", failed: true},
		"changed content":     {request: contract.VerifyRequest{Content: line + "x"}, stamps: new(int64(1)), reason: "content differs from its lightweight stamp", facts: "{", failed: true},
		"no stamp":            {request: contract.VerifyRequest{Content: "plain"}, stamps: new(int64(0)), reason: "no stamp found", facts: "null", failed: true},
		"a hash alone":        {request: contract.VerifyRequest{BLAKE3Hash: right}, reason: "the bridge keeps no record of its stamps", facts: "null"},
		"two expected hashes": {request: contract.VerifyRequest{Content: line, BLAKE3Hash: right, ExpectedHash: other}, reason: "expected_hash and blake3_hash differ", facts: "null"},
		"broken base64":       {request: contract.VerifyRequest{ContentBase64: "YWJ"}, reason: "content_base64: illegal base64", facts: "null"},
		"two contents":        {request: contract.VerifyRequest{Content: "a", ContentBase64: "YQ=="}, reason: "content and content_base64 are both given", facts: "null"},
	}
	withBridge(t, func(t *testing.T, b *bustest.Bench) {
		for name, tt := range tests {
			got, req := ask[contract.VerifyResponse](t, b, tt.request)
			if got.Valid != tt.valid || !strings.HasPrefix(got.Reason, tt.reason) || got.Valid != (got.Reason == "") {
				t.Errorf("%s: valid %t, reason %q, want %q", name, got.Valid, got.Reason, tt.reason)
			}
			if diff := cmp.Diff(tt.stamps, got.StampsFound); diff != "" {
				t.Errorf("%s: stamps found (-want +got):\n%s", name, diff)
			}
			if tt.stamps != nil && int64(len(got.ValidationDetails)) != *tt.stamps {
				t.Errorf("%s: details %+v, want one per stamp", name, got.ValidationDetails)
			}
			if !strings.Contains(string(got.Metadata), tt.facts) {
				t.Errorf("%s: metadata %s, want %s in it", name, got.Metadata, tt.facts)
			}
			if tt.failed {
				failed, _ := await[contract.ValidationFailed](t, b, req.CorrelationID)
				if failed.Reason != got.Reason || failed.ContentHash != got.CurrentHash {
					t.Errorf("%s: announced %+v, want reason %q of %s", name, failed, got.Reason, got.CurrentHash)
				}
			}
		}
		announced := 0
		for _, tt := range tests {
			if tt.failed {
				announced++
			}
		}
		if got := bustest.Published[contract.ValidationFailed](b); len(got) != announced {
			t.Errorf("%d failures announced, want %d", len(got), announced)
		}
	})
}
