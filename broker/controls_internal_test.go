package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestCloseWaitsForARequestOnItsWay: the broker inside takes the order to shut down while a control looks at a request, and
// handles that request afterwards. Its producer would then not be known after the next start, and what it sends again be in the
// log twice.
func TestCloseWaitsForARequestOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Dir: t.TempDir(), Network: new(Network), Addr: "127.0.0.1:9092"}
		b, err := Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		cl, err := kgo.NewClient(
			kgo.SeedBrokers(b.Addrs()...), kgo.Dialer(cfg.Network.Dial), kgo.DefaultProduceTopic("app.a"), kgo.ConsumeTopics("app.a"),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second), kgo.ProducerLinger(0),
		)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "app.a"); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord("0")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		looking, look := make(chan struct{}), make(chan struct{})
		b.controls.add(kmsg.Produce, func(kmsg.Request) (kmsg.Response, error, bool) {
			close(looking)
			<-look
			return nil, nil, false
		})
		acked := make(chan error, 1)
		cl.Produce(t.Context(), kgo.StringRecord("1"), func(_ *kgo.Record, err error) { acked <- err })
		<-looking
		closed := make(chan error, 1)
		go func() { closed <- b.Close() }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("closed while a request was on its way: %v", err)
		default:
		}
		close(look)
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		if b, err = Start(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}()
		if err := <-acked; err != nil {
			t.Error(err)
		}
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord("2")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for len(got) == 0 || got[len(got)-1] != "2" {
			for _, r := range cl.PollFetches(t.Context()).Records() {
				got = append(got, string(r.Value))
			}
		}
		if diff := cmp.Diff([]string{"0", "1", "2"}, got); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}
