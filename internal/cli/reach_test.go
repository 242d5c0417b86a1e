package cli_test

import (
	"testing"

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
