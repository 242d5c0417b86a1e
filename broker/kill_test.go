package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/broker"
)

const (
	childEnv  = "OMNIBUS_BROKER_TEST_DIR"
	childAddr = "OMNIBUS_BROKER_TEST_ADDR"
)

// child is the test binary as a broker that lives until it is killed or its standard input ends.
func child() int {
	b, err := broker.Start(context.Background(), broker.Config{Addr: os.Getenv(childAddr), Dir: os.Getenv(childEnv)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	r := b.Recovery()
	fmt.Println("ready", "fresh", r.Fresh, "clean", r.Clean, "producers", r.Producers, "segments", r.Segments, "cuts", len(r.Cuts), "took", r.Took)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := b.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ready string
}

func spawn(t *testing.T, dir, addr string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childEnv+"="+dir, childAddr+"="+addr)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _, err := bufio.NewReader(out).ReadLine()
	if err != nil || len(line) < 5 || string(line[:5]) != "ready" {
		_ = p.cmd.Process.Kill() // it is useless
		_ = p.cmd.Wait()         // likewise
		t.Fatalf("broker did not start: %s %v", line, err)
	}
	p.ready = string(line)
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // says that it was killed
}

func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.stdin.Close() // it ends by that, as Wait will tell
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestKillsLoseRepeatAndReorderNothing(t *testing.T) {
	const (
		kills   = 6
		between = 2500 // acknowledged records
		keys    = 100
		window  = 2000 // records under way
	)
	dir, addr := t.TempDir(), freeAddr(t)
	p := spawn(t, dir, addr)
	opts := []kgo.Opt{
		kgo.SeedBrokers(addr), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }), kgo.FetchMaxWait(50 * time.Millisecond),
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	topics := []string{"app.one", "app.two-2", "app.three"}
	for i, topic := range topics {
		createTopic(t, cl, topic, int32(i+1))
	}

	var (
		acked   atomic.Int64
		reached = make(chan struct{}, 1)
		slots   = make(chan struct{}, window)
		quit    = make(chan struct{})
		sending sync.WaitGroup
		sent    int
	)
	sending.Go(func() {
		for ; ; sent++ {
			select {
			case <-quit:
				return
			case slots <- struct{}{}:
			}
			r := &kgo.Record{Topic: topics[sent%len(topics)], Key: strconv.AppendInt(nil, int64(sent%keys), 10), Value: strconv.AppendInt(nil, int64(sent), 10)}
			cl.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
				<-slots
				if err != nil {
					t.Errorf("publish: %v", err)
				}
				if acked.Add(1)%between == 0 {
					select {
					case reached <- struct{}{}:
					default:
					}
				}
			})
		}
	})
	for i := range kills {
		<-reached
		commit(t, cl, "g", topics[0], int64(i+1))
		p.kill(t)
		p = spawn(t, dir, addr)
		t.Log(p.ready)
		if got := committed(t, cl, "g", topics[0]); got != int64(i+1) {
			t.Errorf("committed offset %d after the kill, want %d", got, i+1)
		}
	}
	<-reached
	close(quit)
	sending.Wait()
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	seen := make(map[string]int)
	for _, topic := range topics {
		last := make(map[string]int)
		back := 0
		for _, r := range readRecords(t, cl, topic) {
			seen[string(r.Value)]++
			n, err := strconv.Atoi(string(r.Value))
			if err != nil {
				t.Fatal(err)
			}
			key := string(r.Key)
			if before, ok := last[key]; ok && n <= before {
				back++
			}
			last[key] = n
		}
		if back > 0 {
			t.Errorf("%s: %d records went back within their key", topic, back)
		}
	}
	repeated, lost := 0, 0
	for i := range sent {
		switch n := seen[strconv.Itoa(i)]; {
		case n == 0:
			lost++
		case n > 1:
			repeated++
		}
	}
	t.Logf("%d records, %d kills", sent, kills)
	if lost > 0 || repeated > 0 {
		t.Errorf("%d records lost, %d repeated", lost, repeated)
	}
	p.end(t)

	p = spawn(t, dir, addr) // what came through the kills passes as left in order
	t.Log(p.ready)
	if _, err := kadm.NewClient(cl).ListTopics(t.Context()); err != nil {
		t.Error(err)
	}
	p.end(t)
}

func TestAnotherProcessIsNamed(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	p := spawn(t, dir, addr)
	defer p.end(t)
	pid := p.cmd.Process.Pid
	_, err := broker.Start(t.Context(), broker.Config{Dir: dir, Addr: addr})
	var inUse *broker.DirInUseError
	if !errors.As(err, &inUse) || inUse.PID != pid {
		t.Errorf("start in a directory of process %d: %v", pid, err)
	}
	_, err = broker.Start(t.Context(), broker.Config{Addr: addr})
	var taken *broker.PortTakenError
	if !errors.As(err, &taken) {
		t.Fatalf("start on an address of process %d: %v", pid, err)
	}
	if runtime.GOOS == "linux" && (taken.PID != pid || taken.Process == "") {
		t.Errorf("start on an address of process %d: %v", pid, err)
	}
}
