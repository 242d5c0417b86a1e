package cli_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/internal/parts"
)

// A container asks the address that it can reach, and is told the name to go on with.
func TestUpTellsClientsTheNameThatItAdvertises(t *testing.T) {
	s := newShell(t)
	ports, err := parts.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(ports[0])
	out, in := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() {
		ended <- s.into(ctx, in, "up", "--ephemeral", "--services", "none", "--port-kafka", port, "--port-console", "0", "--port-registry", "0",
			"--listen", "0.0.0.0", "--insecure-listen", "--advertise", "bus.example:19092")
		_ = in.Close()
	}()
	kafka := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 2 && f[0] == "Kafka" {
			kafka = f[1]
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			break
		}
	}
	if kafka != "bus.example:19092" {
		t.Errorf("it says that Kafka is at %q", kafka)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:" + port))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	asking, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(asking, client)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range metadata.Brokers {
		if got := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))); got != "bus.example:19092" {
			t.Errorf("clients are sent to %s", got)
		}
	}
	if len(metadata.Brokers) != 1 {
		t.Errorf("%d brokers, want 1", len(metadata.Brokers))
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}
