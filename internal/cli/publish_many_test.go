package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/cli"
)

// account is what a batch prints as JSON.
type account struct {
	Published, Failed     int
	Acknowledged, Unknown [][2]int
	Next                  int
	Failures              []struct{ Line int }
}

// piped is a "publish --batch" whose lines come one after another.
type piped struct {
	in          *io.PipeWriter
	out, stderr bytes.Buffer
	code        chan int
}

func (s shell) pipe(ctx context.Context, args ...string) *piped {
	r, w := io.Pipe()
	c := &piped{in: w, code: make(chan int, 1)}
	p := cli.Process{
		Args: append([]string{"publish", "--batch", "-", "-o", "json"}, args...), Stdin: r, Stdout: &c.out, Stderr: &c.stderr, Environ: s.env, Dir: s.dir,
	}
	go func() {
		c.code <- p.Run(ctx)
		_ = r.Close() // so that nobody goes on writing
	}()
	return c
}

// lines writes the lines of these numbers.
func (c *piped) lines(from, to int) {
	for i := from; i <= to; i++ {
		_, _ = fmt.Fprintf(c.in, `{"topic":%q,"key":"k%d","value":{"n":%d}}`+"\n", assessed, i%7, i) // nobody reads on where the command has ended
	}
}

func (c *piped) account(t *testing.T) account {
	t.Helper()
	var doc account
	if err := json.Unmarshal(c.out.Bytes(), &doc); err != nil {
		t.Fatalf("%v: %s%s", err, &c.out, &c.stderr)
	}
	return doc
}

// arrived returns once n records are in the topic.
func arrived(t *testing.T, b *bus.Bus, topic event.Topic, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, err := range b.Scan(ctx, bus.Range{Topics: globsOf(event.Glob(topic)), Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if n--; n == 0 {
			return
		}
	}
	t.Fatalf("%d records are missing", n)
}

func TestCtrlCSaysFromWhichLineToGoOn(t *testing.T) {
	addr := startBroker(t)
	b := openBus(t, addr)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c := newShell(t).pipe(ctx, "-b", addr)
	c.lines(1, 30)
	arrived(t, b, assessed, 30)
	stop()
	if code := <-c.code; code != 130 {
		t.Errorf("exit %d, want 130\n%s", code, &c.stderr)
	}
	if diff := cmp.Diff(account{Published: 30, Acknowledged: [][2]int{{1, 30}}, Next: 31, Failures: []struct{ Line int }{}}, c.account(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(c.stderr.String(), "tail -n +31 FILE | omnibus publish --batch -") {
		t.Errorf("it does not say how to go on: %s", &c.stderr)
	}
}

func TestABrokerThatDiesInTheMiddleOfABatch(t *testing.T) {
	br, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	addr := br.Addrs()[0]
	b := openBus(t, addr)
	if _, err := b.EnsureTopics(t.Context(), assessed); err != nil {
		t.Fatal(err)
	}
	c := newShell(t).pipe(t.Context(), "-b", addr, "--timeout", "2s")
	c.lines(1, 20)
	_, _ = io.WriteString(c.in, "not JSON\n\n")
	arrived(t, b, assessed, 20)
	if err := br.Close(); err != nil {
		t.Fatal(err)
	}
	c.lines(23, 40)
	if err := c.in.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-c.code; code != 4 && code != 6 {
		t.Errorf("exit %d, want 4 or 6: not reachable, or nobody knows", code)
	}
	doc := c.account(t)
	if doc.Published != 20 || doc.Failed != 1 || doc.Next != 23 || doc.Failures[0].Line != 21 {
		t.Errorf("%+v, want 20 published, line 21 failed, and 23 to go on from", doc)
	}
	if diff := cmp.Diff([][2]int{{1, 20}}, doc.Acknowledged); diff != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
	if len(doc.Unknown) > 0 && doc.Unknown[0][0] < 23 {
		t.Errorf("unknown %v, want none before line 23", doc.Unknown)
	}
	for _, says := range []string{addr, "lines 1-20", "tail -n +23 FILE"} {
		if !strings.Contains(c.stderr.String(), says) {
			t.Errorf("%q is not in %s", says, &c.stderr)
		}
	}
}

func TestPublishToADeadBrokerNamesTheHost(t *testing.T) {
	away := freeAddr(t)
	s := newShell(t)
	for _, args := range [][]string{{assessed, scored("1")}, {"--batch"}, {"--raw", "x", "y"}, {assessed, scored("1"), "--count", "5"}} {
		r := s.run(t.Context(), `{"topic":"x","value":{}}`, append([]string{"publish", "-b", away}, args...)...)
		if r.code != 4 || !strings.Contains(r.stderr, away) {
			t.Errorf("%v: exit %d, %s; want 4 and %s", args, r.code, r.stderr, away)
		}
	}
}

func TestLinesOfATopicThatIsNotThereFailFast(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, `{"topic":%q,"value":{}}`+"\n", []string{assessed, "nothing.there"}[i%2])
	}
	began := time.Now()
	r := s.run(t.Context(), lines.String(), "publish", "--batch")
	if r.code != 8 || !strings.Contains(r.out, "published 1000, failed 1000") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.stderr)
	}
	if took := time.Since(began); took > 5*time.Minute { // asking costs two seconds, so that it would be half an hour
		t.Errorf("it took %v: every line asked for the topic", took)
	}
}
