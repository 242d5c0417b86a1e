package stack_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	contract "github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config() stack.Config {
	return stack.Config{
		Bus:    bus.Config{Service: "stack-test", Catalog: contracts.Catalog()},
		Broker: &broker.Config{}, HTTP: "127.0.0.1:0",
	}
}

// whileUp runs a stack and, once it is ready, fn; then it stops the stack.
func whileUp(t *testing.T, cfg stack.Config, fn func(info stack.Info)) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	return stack.Run(ctx, cfg, func(info stack.Info) {
		fn(info)
		stop()
	})
}

func open(t *testing.T, brokers []string) *bus.Bus {
	t.Helper()
	b, err := bus.Open(t.Context(), bus.Config{Brokers: brokers, Service: "client", Catalog: contracts.Catalog()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStackIsReadyWithEveryTopicOfTheCatalogue(t *testing.T) {
	err := whileUp(t, config(), func(info stack.Info) {
		b := open(t, info.Brokers)
		defer b.Close()
		topics, err := b.Topics(t.Context(), "omninode.*")
		if err != nil {
			t.Fatal(err)
		}
		if len(topics) != contracts.Catalog().Len() {
			t.Errorf("%d topics, and %d event types", len(topics), contracts.Catalog().Len())
		}
		if status, r := readiness(t, info.URL); status != http.StatusOK || !r.Ready || len(r.Reasons) != 0 {
			t.Errorf("readyz says %d %+v", status, r)
		}
		if res := get(t, info.URL+"/livez"); res.status != http.StatusOK {
			t.Errorf("livez says %d", res.status)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStackAnswersRequests(t *testing.T) {
	cfg := config()
	cfg.Services = stack.Services()
	err := whileUp(t, cfg, func(info stack.Info) {
		b := open(t, info.Brokers)
		defer b.Close()
		if _, err := b.Publish(t.Context(), contract.StampRequest{Content: "hello"}, bus.WithCorrelation("flow-1")); err != nil {
			t.Fatal(err)
		}
		for r, err := range b.Scan(t.Context(), bus.Range{Topics: []event.Glob{"omninode.bridge.response.stamp.v1"}, Follow: true}) {
			if err != nil {
				t.Fatal(err)
			}
			e, err := event.Decode(r.Value)
			if err != nil || e.CorrelationID != "flow-1" {
				t.Errorf("answered with %s, %v", r.Value, err)
			}
			break
		}
		metrics := string(get(t, info.URL+"/metrics").body)
		for _, series := range []string{ // of the service's bus, and of the stack's own
			`messaging_client_sent_messages_total{error_type="",messaging_destination_name="_omnibus.ready",`,
			`omnibus_consumer_in_flight{messaging_consumer_group_name="bridge"}`,
			`omnibus_consumer_lag_measured 1`,
		} {
			if !strings.Contains(metrics, series) {
				t.Errorf("/metrics lacks %s", series)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStackKeepsDataFromOneStartToTheNext(t *testing.T) {
	cfg := config()
	cfg.Broker.Dir = filepath.Join(t.TempDir(), "kafka")
	var sent bus.Result
	err := whileUp(t, cfg, func(info stack.Info) {
		b := open(t, info.Brokers)
		defer b.Close()
		results, err := b.PublishAll(t.Context(), bus.Outgoing{Payload: contract.StampRequest{Content: "kept"}})
		if err != nil {
			t.Fatal(err)
		}
		sent = results[0]
	})
	if err != nil {
		t.Fatal(err)
	}
	err = whileUp(t, cfg, func(info stack.Info) {
		if !info.Recovery.Clean {
			t.Error("the stop before was not clean")
		}
		if len(info.Differences) != 0 {
			t.Errorf("topics differ from the catalogue that made them: %v", info.Differences)
		}
		b := open(t, info.Brokers)
		defer b.Close()
		for r, err := range b.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(sent.Topic)}, Last: 1}) {
			if err != nil || r.Partition != sent.Partition || r.Offset != sent.Offset {
				t.Errorf("found %v, %v; want what was published before the stop", r.Coordinates(), err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStackRunsWithABrokerElsewhere(t *testing.T) {
	br, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	cfg := config()
	cfg.Broker, cfg.Bus.Brokers, cfg.Services = nil, br.Addrs(), stack.Services()
	err = whileUp(t, cfg, func(info stack.Info) {
		if info.Dir != "" || info.Brokers[0] != br.Addrs()[0] {
			t.Errorf("it runs with %v, in %q", info.Brokers, info.Dir)
		}
		b := open(t, info.Brokers)
		defer b.Close()
		if _, err := b.Groups(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStackRefusesAServiceThatIsServedAlready(t *testing.T) {
	stamp := contract.StampRequest{}.EventTopic()
	whileConsumed(t, event.Glob(stamp), func(brokers []string) {
		cfg := config()
		cfg.Broker, cfg.Bus.Brokers, cfg.Services = nil, brokers, stack.Services()
		err := whileUp(t, cfg, func(stack.Info) { t.Error("it started") })
		var served *stack.ServedError
		if !errors.As(err, &served) || served.Group != "other" || served.Topic != stamp {
			t.Errorf("Run = %v, want a ServedError that names group and topic", err)
		}
	})
}

func TestStackStartsBesideASinkOfEverything(t *testing.T) {
	whileConsumed(t, "omninode.bridge.*", func(brokers []string) {
		cfg := config()
		cfg.Broker, cfg.Bus.Brokers, cfg.Services = nil, brokers, stack.Services()
		if err := whileUp(t, cfg, func(stack.Info) {}); err != nil {
			t.Error(err)
		}
	})
}

// whileConsumed runs fn while the group "other" of a broker holds what glob matches.
func whileConsumed(t *testing.T, glob event.Glob, fn func(brokers []string)) {
	t.Helper()
	br, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	b := open(t, br.Addrs())
	defer b.Close()
	if _, err := b.EnsureTopics(t.Context(), contract.StampRequest{}.EventTopic(), contract.StampResponse{}.EventTopic()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done, handled := make(chan error, 1), make(chan struct{}, 10)
	go func() {
		done <- b.Consume(ctx, bus.Consumer{Group: "other"}, bus.HandlePattern(glob, func(context.Context, bus.Delivery) error {
			handled <- struct{}{}
			return nil
		}))
	}()
	if _, err := b.Publish(t.Context(), contract.StampRequest{Content: "hello"}); err != nil {
		t.Fatal(err)
	}
	<-handled // so the group holds the topic
	fn(br.Addrs())
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStackNamesWhatIsInTheWay(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, cfg := range map[string]stack.Config{
		"health": func() stack.Config { c := config(); c.HTTP = ln.Addr().String(); return c }(),
		"kafka":  func() stack.Config { c := config(); c.Broker.Addr = ln.Addr().String(); return c }(),
	} {
		err := whileUp(t, cfg, func(stack.Info) { t.Errorf("%s: it started", name) })
		var taken *broker.PortTakenError
		if !errors.As(err, &taken) || taken.Addr != ln.Addr().String() {
			t.Errorf("%s: Run = %v, want a PortTakenError", name, err)
		}
	}
	cfg := config()
	cfg.HTTP = "192.0.2.1:0" // an address for documentation, which nobody has
	var listen *stack.ListenError
	if err := whileUp(t, cfg, func(stack.Info) { t.Error("it started") }); !errors.As(err, &listen) {
		t.Errorf("Run = %v, want a ListenError", err)
	}
	cfg = config()
	cfg.Services = []string{"bridge", "tunnel"}
	var unknown *stack.UnknownServiceError
	if err := whileUp(t, cfg, func(stack.Info) { t.Error("it started") }); !errors.As(err, &unknown) || unknown.Name != "tunnel" {
		t.Errorf("Run = %v, want an UnknownServiceError", err)
	}
}

func TestStackReachesItsBrokerWhateverItAdvertises(t *testing.T) {
	cfg := config()
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Broker.Addr, cfg.Broker.Advertise = addr, "broker.invalid:"+port
	err = whileUp(t, cfg, func(info stack.Info) {
		if info.Brokers[0] != "broker.invalid:"+port {
			t.Errorf("clients are told %v", info.Brokers)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

type response struct {
	status int
	body   []byte
}

func get(t *testing.T, url string) response {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{res.StatusCode, body}
}

func readiness(t *testing.T, url string) (int, stack.Readiness) {
	t.Helper()
	res := get(t, url+"/readyz")
	var r stack.Readiness
	if err := jsonx.Unmarshal(res.body, &r); err != nil {
		t.Fatal(err)
	}
	return res.status, r
}
