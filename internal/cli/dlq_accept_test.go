package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

// clinic is a broker whose events fail in group "picky", while group "other" takes them all.
type clinic struct {
	shell
	t    *testing.T
	b    *bus.Bus
	addr string
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	addr := startBroker(t)
	return &clinic{shell: newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr), t: t, b: openBus(t, addr), addr: addr}
}

// sight is what a group was given, by entity and score.
type sight struct {
	mu      sync.Mutex
	times   map[string]int
	total   int
	changed chan struct{}
}

func (s *sight) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times[what]++
	s.total++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sight) all() (map[string]int, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.times), s.total
}

// await returns once n deliveries have been seen.
func (s *sight) await(t *testing.T, n int) {
	t.Helper()
	for {
		s.mu.Lock()
		total, changed := s.total, s.changed
		s.mu.Unlock()
		if total >= n {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%d of %d deliveries", total, n)
		}
	}
}

// consume runs a group until stop.
func (c *clinic) consume(group string, handle func(id string, score float64) error) (*sight, func()) {
	c.t.Helper()
	seen := &sight{times: map[string]int{}, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- c.b.Consume(ctx, bus.Consumer{Group: group}, bus.Handle(func(_ context.Context, e bus.Event[intelligence.QualityAssessed]) error {
			err := handle(e.Payload.EntityID, e.Payload.QualityScore)
			seen.add(e.Payload.EntityID + " " + strconv.FormatFloat(e.Payload.QualityScore, 'g', -1, 64))
			return err
		}))
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(stop)
	return seen, stop
}

func fine(string, float64) error { return nil }

func broken(string, float64) error { return bus.Permanent(errors.New("no such entity")) }

// sicken publishes n events that fail in "picky", and returns once their dead letters are there.
func (c *clinic) sicken(n int, prefix string) {
	c.t.Helper()
	before := records(c.t, c.b, assessed+".dlq")
	events := make([]bus.Outgoing, n)
	for i := range events {
		events[i].Payload = intelligence.QualityAssessed{EntityID: prefix + strconv.Itoa(i), QualityScore: 0.5}
	}
	if _, err := c.b.PublishAll(c.t.Context(), events...); err != nil {
		c.t.Fatal(err)
	}
	_, stop := c.consume("picky", broken)
	c.dead(before + n)
	stop()
}

// dead returns once there are n records in the dead-letter topic.
func (c *clinic) dead(n int) {
	c.t.Helper()
	if n == 0 {
		return
	}
	i := 0
	for _, err := range c.b.Scan(c.t.Context(), bus.Range{Topics: globsOf(assessed + ".dlq"), Follow: true}) {
		if err != nil {
			c.t.Fatal(err)
		}
		if i++; i == n {
			return
		}
	}
	c.t.Fatalf("%d of %d dead letters", i, n)
}

// letter is what these tests look at of "dlq show -o json".
type letter struct {
	ID, State, Group string
	Record           struct {
		Value struct {
			Payload struct {
				EntityID string  `json:"entity_id"`
				Score    float64 `json:"quality_score"`
			}
		}
	}
	Draft *struct{ Note string }
}

func (c *clinic) letters(args ...string) []letter {
	c.t.Helper()
	out := c.must(c.t, "", append([]string{"dlq", "show", assessed, "--limit", "1000", "-o", "json"}, args...)...)
	var doc struct {
		Letters []letter `json:"dead_letters"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	return doc.Letters
}

func (c *clinic) states() map[string]int {
	c.t.Helper()
	out := c.must(c.t, "", "dlq", "list", "-o", "json")
	var doc struct {
		Topics []struct{ States map[string]int }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Topics) != 1 {
		c.t.Fatalf("%v\n%s", err, out)
	}
	return doc.Topics[0].States
}

// program starts the program in a process of its own, so that it can be sent signals.
func (c *clinic) program(args ...string) (*exec.Cmd, *strings.Builder) {
	c.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(c.t.Context()), os.Args[0], args...)
	cmd.Env, cmd.Dir = c.env, c.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = cmd.Process.Kill() }) // fails where it has ended
	return cmd, &stderr
}

// Row 4 and 8: a retry that is interrupted, then killed, loses nothing, goes on where it was, and reaches one group only.
func TestRetryThatIsInterruptedAndKilledLosesNothing(t *testing.T) {
	const n, inFlight = 300, 100
	c := newClinic(t)
	c.sicken(n, "doc-")
	other, _ := c.consume("other", fine)
	other.await(t, n)
	healed, _ := c.consume("picky", fine)
	do := c.planned(t, "dlq", "retry", assessed, "--rate", "150/s")

	cmd, stderr := c.program(do...)
	healed.await(t, 40)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("interrupted, it ends with %v\n%s", err, stderr)
	}
	resume, ok := strings.CutPrefix(lastLine(stderr.String()), "omnibus ")
	if !ok || !strings.HasPrefix(resume, "jobs resume ") {
		t.Fatalf("the last line does not say how to go on:\n%s", stderr)
	}
	if _, sent := healed.all(); sent >= n {
		t.Fatalf("all %d were sent before it could be interrupted", sent)
	}

	cmd, _ = c.program(strings.Fields(resume)...)
	_, before := healed.all()
	healed.await(t, before+40)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed

	r := c.run(t.Context(), "", strings.Fields(resume)...)
	if r.code != 0 {
		t.Fatalf("resume: exit %d\n%s%s", r.code, r.out, r.stderr)
	}
	r = c.run(t.Context(), "", strings.Fields(resume)...)
	check(t, wrong{exit: 9, code: "OMB-0908", says: "carried out already", advice: "omnibus jobs show"}, r)
	sent := records(t, c.b, assessed) - n
	healed.await(t, sent)
	times, total := healed.all()
	if len(times) != n || total < n || total > n+inFlight {
		t.Errorf("%d of %d events were handled, %d times in all; want each, and at most %d repeated by the kill", len(times), n, total, inFlight)
	}
	if states := c.states(); states["sent"] != n {
		t.Errorf("states %v, want %d sent", states, n)
	}
	if _, got := other.all(); got != n {
		t.Errorf("the other group handled %d of what was sent again to picky", got-n)
	}
	for _, l := range c.letters("--limit", "1") {
		if l.Group != "picky" {
			t.Errorf("group %q", l.Group)
		}
	}
}

// Row 5: what is sent is the edited copy alone; the original is kept.
func TestEditedEventIsSentAndTheOriginalKept(t *testing.T) {
	c := newClinic(t)
	c.sicken(2, "doc-")
	letters := c.letters()
	id := letters[0].ID
	event := c.must(t, "", "dlq", "export", id)
	var line struct{ Value json.RawMessage }
	if err := json.Unmarshal([]byte(event), &line); err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(line.Value), `"quality_score":0.5`, `"quality_score":0.75`, 1)
	out := c.must(t, edited, "dlq", "edit", id, "--note", "it was in halves")
	if !strings.Contains(out, "-       \"quality_score\": 0.5\n") || !strings.Contains(out, "+       \"quality_score\": 0.75\n") {
		t.Errorf("the diff is\n%s", out)
	}
	if states := c.states(); states["draft"] != 1 || states["pending"] != 1 {
		t.Errorf("states %v, want one draft and one pending", states)
	}
	if again := c.run(t.Context(), edited, "dlq", "edit", id); again.code != 0 || !strings.Contains(again.stderr, "nothing was changed") {
		t.Errorf("the same once more: exit %d\n%s%s", again.code, again.out, again.stderr)
	}
	healed, _ := c.consume("picky", fine)
	c.must(t, "", c.planned(t, "dlq", "retry", id)...)
	healed.await(t, 1)
	c.must(t, "", c.planned(t, "dlq", "retry", assessed)...) // the other one; nothing of the first is left to send
	healed.await(t, 2)
	times, _ := healed.all()
	want := map[string]int{letters[0].Record.Value.Payload.EntityID + " 0.75": 1, letters[1].Record.Value.Payload.EntityID + " 0.5": 1}
	if !maps.Equal(times, want) {
		t.Errorf("handled %v, want %v", times, want)
	}
	for _, l := range c.letters() {
		if l.Record.Value.Payload.Score != 0.5 || l.State != "sent" {
			t.Errorf("the original of %s is changed or not sent: %+v", l.ID, l)
		}
	}
}

// Row 6: what fails after a plan was made is neither retried nor hidden by it.
func TestPlanIsFrozen(t *testing.T) {
	c := newClinic(t)
	c.sicken(3, "early-")
	retry := c.planned(t, "dlq", "retry", assessed)
	resolve := c.planned(t, "dlq", "resolve", assessed, "--max", "2")
	c.sicken(2, "late-")
	healed, _ := c.consume("picky", fine)
	c.must(t, "", resolve...)
	if states := c.states(); states["resolved"] != 2 || states["pending"] != 3 {
		t.Errorf("after resolving two: %v", states)
	}
	out := c.must(t, "", retry...)
	if !strings.Contains(out, "sent          1\n") || !strings.Contains(out, "skipped       2\n") {
		t.Errorf("the plan of three, of which two were resolved meanwhile, says\n%s", out)
	}
	healed.await(t, 1)
	times, _ := healed.all()
	for what := range times {
		if !strings.HasPrefix(what, "early-") {
			t.Errorf("%s was sent, and is not in the plan", what)
		}
	}
	if states := c.states(); states["pending"] != 2 {
		t.Errorf("after the plan: %v, want the two late ones pending", states)
	}
}

// Row 7: what comes back again and again is quarantined, and a job that does no good stops.
func TestRetriesDoNotLoop(t *testing.T) {
	c := newClinic(t)
	c.sicken(1, "doc-")
	again, stop := c.consume("picky", broken)
	for n := 1; n <= 3; n++ {
		c.must(t, "", c.planned(t, "dlq", "retry", assessed)...)
		again.await(t, n)
		c.dead(1 + n)
	}
	r := c.run(t.Context(), "", c.planned(t, "dlq", "retry", assessed)...)
	if r.code != 8 || !strings.Contains(r.stderr, "OMB-0801") || !strings.Contains(r.out, "quarantined   1\n") {
		t.Errorf("the fourth time: exit %d\n%s%s", r.code, r.out, r.stderr)
	}
	if states := c.states(); states["quarantined"] != 1 {
		t.Errorf("states %v", states)
	}
	stop()
	c.sicken(150, "many-")
	c.consume("picky", broken)
	r = c.run(t.Context(), "", "dlq", "retry", assessed, "--execute", "--rate", "30/s")
	if r.code != 8 || !strings.Contains(r.stderr, "OMB-0802") || !strings.HasPrefix(lastLine(r.stderr), "omnibus jobs resume ") {
		t.Errorf("a retry of what fails again: exit %d\n%s%s", r.code, r.out, r.stderr)
	}
	if out := c.must(t, "", "jobs", "list"); !strings.Contains(out, "stopped") {
		t.Errorf("jobs list says\n%s", out)
	}
}

// Row 20: every mutation is on record, with who and what became of it.
func TestEveryMutationIsAudited(t *testing.T) {
	c := newClinic(t)
	c.sicken(2, "doc-")
	id := c.letters()[0].ID
	lines := c.must(t, "", "dlq", "export", id)
	var line struct{ Value json.RawMessage }
	if err := json.Unmarshal([]byte(lines), &line); err != nil {
		t.Fatal(err)
	}
	plan := c.planned(t, "dlq", "retry", assessed)
	job := plan[len(plan)-1]
	c.must(t, strings.Replace(string(line.Value), ":0.5", ":0.75", 1), "dlq", "edit", id)
	c.must(t, "", "jobs", "cancel", job)
	c.must(t, "", "jobs", "resume", job)
	c.must(t, "", "dlq", "resolve", id, "--state", "sent", "--execute", "--note", "by hand")
	c.must(t, "", "dlq", "purge", id, "--state", "resolved", "--execute", "--confirm", "1")
	c.must(t, "", "dlq", "restore", id, "--execute")
	c.must(t, "", "dlq", "retry", id, "--execute")
	c.must(t, lines, "dlq", "import")

	found := map[string]int{}
	out := c.must(t, "", "consume", "omninode.audit.operator_action.v1", "-o", "ndjson")
	for l := range strings.Lines(out) {
		var rec struct {
			Value struct {
				Payload struct{ Operator, Action, Subject, Outcome string }
			}
		}
		if err := json.Unmarshal([]byte(l), &rec); err != nil {
			t.Fatal(err)
		}
		p := rec.Value.Payload
		if !strings.Contains(p.Operator, "@") || p.Subject == "" {
			t.Errorf("the record does not say who or what: %s", l)
		}
		found[p.Action+" "+p.Outcome]++
	}
	for _, what := range []string{
		"edit started", "edit done", "cancel started", "cancel done", "resume started", "retry done", "resolve started", "resolve done",
		"purge started", "purge done", "restore started", "restore done", "retry started", "import started", "import done",
	} {
		if found[what] == 0 {
			t.Errorf("no record of %q; there are %v", what, fmt.Sprint(found))
		}
	}
}

// An event that somebody else wrote, with less than an envelope has, can be corrected from its exported line.
func TestForeignEventIsCorrectedFromItsExport(t *testing.T) {
	c := newClinic(t)
	c.must(t, `{"topic":"`+assessed+`","key":"k","value":{"payload":{"entity":"doc-1","quality_score":0.5}}}`, "publish", "--batch")
	_, stop := c.consume("picky", fine)
	c.dead(1)
	stop()
	line := c.must(t, "", "dlq", "export")
	c.must(t, strings.Replace(line, `"entity":`, `"entity_id":`, 1), "dlq", "edit", assessed)
	healed, _ := c.consume("picky", fine)
	c.must(t, "", "dlq", "retry", assessed, "--execute")
	healed.await(t, 1)
	if times, _ := healed.all(); times["doc-1 0.5"] != 1 {
		t.Errorf("handled %v", times)
	}
}
