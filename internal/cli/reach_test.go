package cli_test

import (
	"net"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/broker"
)

func TestRefusedLoginIsNamed(t *testing.T) {
	br, err := broker.Start(t.Context(), broker.Config{SASL: []broker.User{{Mechanism: "PLAIN", Name: "ann", Password: "right"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	addr := br.Addrs()[0]
	login := func(password string) shell {
		return newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr, "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM=PLAIN",
			"KAFKA_SASL_USERNAME=ann", "KAFKA_SASL_PASSWORD="+password)
	}
	login("right").must(t, "", "topics", "list")
	r := login("hunter2").run(t.Context(), "", "topics", "list")
	check(t, wrong{exit: 5, code: "OMB-0501", says: addr + " (from environment KAFKA_BOOTSTRAP_SERVERS)", advice: "KAFKA_SASL_USERNAME"}, r)
	shown := login("hunter2").must(t, "", "config", "show", "--origin", "-o", "json")
	if lines := lineSet(shown); lines["      \"value\": \"hunter2\",\n"] {
		t.Error("config show prints the password")
	}
}

// TestSilentBrokerIsNotWaitedForLongerThanAsked: a port that takes connections and says nothing.
func TestSilentBrokerIsNotWaitedForLongerThanAsked(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	began := time.Now()
	r := newShell(t).run(t.Context(), "", "topics", "list", "-b", ln.Addr().String(), "--timeout", "200ms")
	check(t, wrong{exit: 4, code: "OMB-0401", says: "does not answer in time", advice: "-b HOST:PORT"}, r)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it waited %v for a --timeout of 200ms", took)
	}
}
