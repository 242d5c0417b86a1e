package cli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A log need not end with a record: with the marker of a transaction, or with nothing where all was deleted. What reads to the end
// has to find it all the same, with a group and without.
func TestConsumeEndsWhateverLiesAtTheTail(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	s.must(t, "", "publish", assessed, `{"entity_id":"doc-1","quality_score":0.5}`)
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	transact := func(partition int32, value string, how kgo.TransactionEndTry) {
		t.Helper()
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: assessed, Partition: partition, Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(err)
		}
	}
	transact(0, "committed", kgo.TryCommit)
	transact(1, "taken back", kgo.TryAbort)
	transact(2, "deleted", kgo.TryCommit)
	var gone kadm.Offsets
	gone.AddOffset(assessed, 2, -1, -1)
	if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), gone); err != nil {
		t.Fatal(err)
	}

	for _, how := range [][]string{{}, {"--last", "5"}, {"--group", "reader"}, {"--group", "looker", "--peek"}, {"--where", "true"}} {
		within, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		r := s.run(within, "", append([]string{"consume", assessed, "-o", "line"}, how...)...)
		cancel()
		if r.code != 0 || strings.Count(r.out, "\n") != 2 || !strings.Contains(r.out, "committed") {
			t.Errorf("consume %v: exit %d, want the event and what was committed\n%s%s", how, r.code, r.out, r.stderr)
		}
	}
	if r := s.run(t.Context(), "", "lag", "reader", "--fail-over", "0"); r.code != 0 {
		t.Errorf("a group that has read all there is lags: exit %d\n%s%s", r.code, r.out, r.stderr)
	}
}
