package selftest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

const (
	stuckKey     = "stuck"         // its event is never finished by the member that is killed
	bound        = time.Second     // P4: what is finished longer ago was committed
	untilCommit  = 2 * time.Second // after which everything finished has to be committed
	mostInKill   = 5000            // so that the completed set fits into the commit metadata
	memberTakes  = 2 * time.Millisecond
	memberFlight = 20
)

// killing is what was seen of a killed member.
type killing struct {
	finished map[mark]time.Time // by the member, before it was killed
	at       time.Time          // when it was killed
	behind   map[mark]bool      // finished long before, behind the unfinished event of their partition
	again    map[mark]int       // handled after the kill
}

// late are those that came again although they had to be committed.
func (k *killing) late(which func(mark) bool) []string {
	var out []string
	for _, m := range inOrder(k.again) {
		when, ok := k.finished[m]
		if ago := k.at.Sub(when); ok && ago > bound && which(m) {
			out = append(out, fmt.Sprintf("%v came again, finished %v before the kill", m, ago.Round(time.Millisecond)))
		}
	}
	return out
}

// Member is the process that is killed: it handles the events of the run, says so on out, and never finishes one of them. It ends
// when in does, so that it does not outlive whoever started it.
func Member(ctx context.Context, open Opener, run Run, in io.Reader, out io.Writer) error {
	catalog, err := run.catalog()
	if err != nil {
		return err
	}
	b, err := open(ctx, catalog, func(*bus.Config) {})
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // it publishes nothing but dead letters, which are waited for
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // it ends with the process at the latest: a read cannot be called off
		_, _ = io.Copy(io.Discard, in) // whatever ends it, nobody is there any more
		cancel()
	}()
	var mu sync.Mutex
	return b.Consume(ctx, run.consumer("killed", memberFlight), bus.HandleType(run.topic("killed"), handlerOf(func(ctx context.Context, m mark, _ bus.Delivery) error {
		if m.key == stuckKey {
			<-ctx.Done()
			return ctx.Err()
		}
		pause(ctx, memberTakes)
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintf(out, "%s %d %d\n", m.key, m.n, time.Now().UnixNano())
		return err
	})))
}

// readMember reads one line of Member.
func readMember(line string) (m mark, when time.Time, err error) {
	f := strings.Fields(line)
	if len(f) != 3 {
		return m, when, fmt.Errorf("a line of the member has %d fields", len(f))
	}
	n, err := strconv.Atoi(f[1])
	if err != nil {
		return m, when, err
	}
	nanos, err := strconv.ParseInt(f[2], 10, 64)
	return mark{f[0], n}, time.Unix(0, nanos), err
}

// killed kills a member, in a process of its own, in the middle of its work, and lets another go on.
func (s *suite) killed(ctx context.Context) (o outcome, err error) {
	if s.cfg.Member == nil {
		return o, &untestedError{"no process was there to be killed"}
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	n := min(s.cfg.Events, mostInKill) / 2 / keys * keys
	early, late := series(n, 0), series(n, n/keys)
	stuck := mark{stuckKey, 0}
	at, err := s.send(ctx, "killed", append([]mark{stuck}, early...))
	if err != nil {
		return o, err
	}
	l := newLedger()
	k := &killing{finished: map[mark]time.Time{}, behind: map[mark]bool{}}
	if err := s.runMember(ctx, fail, l, k, setOf(early), late); err != nil {
		return o, err
	}
	for m := range setOf(early) {
		if c := at[m]; c.Partition == at[stuck].Partition && c.Offset > at[stuck].Offset && k.at.Sub(k.finished[m]) > bound {
			k.behind[m] = true
		}
	}
	wanted := setOf(append(append([]mark{stuck}, early...), late...))
	s.cfg.Progress("P4: waiting until the cluster notices that the member is gone")
	after := newLedger()
	stop := s.consume(ctx, fail, "killed", memberFlight, after.handled("", memberTakes, nil))
	defer stop() //nolint:errcheck // where it matters it was called before
	missing := map[mark]bool{}
	for m := range wanted {
		if _, ok := k.finished[m]; !ok {
			missing[m] = true
		}
	}
	err = after.await(ctx, after.all(missing))
	if err == nil { // whatever comes again has come by then
		err = s.settled(ctx, "killed")
	}
	if stopped := stop(); err == nil {
		err = stopped
	}
	k.again = after.times
	s.kill = k
	repeated := 0
	total := make(map[mark]int, len(wanted))
	for m := range k.finished {
		total[m]++
		if after.times[m] > 0 {
			repeated++
		}
	}
	for m, times := range after.times {
		total[m] += times
	}
	o.did = fmt.Sprintf("killed a process (SIGKILL) that had finished %d of %d events", len(k.finished), len(wanted))
	o.faults = k.late(func(mark) bool { return true })
	if err == nil {
		o.faults = append(o.faults, lost(wanted, total)...)
	}
	o.evidence = fmt.Sprintf("none lost; %d came twice, all finished in the last second before the kill", repeated)
	return o, err
}

// runMember starts the member, waits until it has finished early, publishes late, and kills it in the midst of that.
func (s *suite) runMember(ctx context.Context, fail context.CancelCauseFunc, l *ledger, k *killing, early map[mark]bool, late []mark) error {
	cmd := s.cfg.Member(ctx, s.run)
	stdin, err := cmd.StdinPipe() // held open: its end is the member's
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return &untestedError{"the other process does not start: " + err.Error()}
	}
	var once sync.Once
	killed := false
	end := func() {
		once.Do(func() {
			_ = cmd.Process.Kill() // it may have ended already
			_ = cmd.Wait()         // says that it was killed
			_ = stdin.Close()      // closed by Wait
		})
	}
	defer end()
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			m, when, err := readMember(lines.Text())
			if err != nil {
				continue // the last line may be half of one
			}
			l.mu.Lock()
			k.finished[m] = when
			l.mu.Unlock()
			_ = l.end(m, 1, "member", nil) // it returns what it is given
		}
		l.mu.Lock()
		ended := !killed
		l.mu.Unlock()
		if ended {
			fail(errors.New("the other process ended by itself"))
		}
	}()
	err = l.await(ctx, l.all(early))
	if err == nil && !pause(ctx, untilCommit) {
		err = context.Cause(ctx)
	}
	if err == nil {
		_, err = s.send(ctx, "killed", late)
	}
	if err == nil {
		err = l.await(ctx, func() bool { return len(l.times) >= len(early)+len(late)/3 })
	}
	l.mu.Lock()
	killed = true
	k.at = time.Now()
	l.mu.Unlock()
	_ = cmd.Process.Kill() // it may have ended already
	<-reading              // what it had said is read before Wait closes the pipe
	end()
	if err != nil && said.Len() > 0 {
		return fmt.Errorf("%w; the other process says: %s", err, strings.TrimSpace(said.String()))
	}
	return err
}

// completedSet looks at the same kill again: what was finished behind an unfinished event travels in the commit's metadata, so
// that a broker which drops or cuts it shows here.
func (s *suite) completedSet(context.Context) (o outcome, err error) {
	if s.kill == nil {
		return o, &untestedError{"the kill before did not get that far"}
	}
	o.did = fmt.Sprintf("%d events of the killed process were finished behind one that was not", len(s.kill.behind))
	if len(s.kill.behind) == 0 {
		return o, &untestedError{"no event lay behind the unfinished one; use more events or fewer partitions"}
	}
	o.faults = s.kill.late(func(m mark) bool { return s.kill.behind[m] })
	o.evidence = "none of them came again"
	return o, nil
}
