package deadletter

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/audit"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// auditTopic is where the audit records go.
var auditTopic = audit.OperatorAction{}.EventTopic()

// What became of an action, in its audit record.
const (
	outcomeStarted = "started"
	outcomeDone    = "done"
)

// EnsureAudit makes the audit topic where it is missing: a mutation that cannot be recorded is refused.
func (d *Desk) EnsureAudit(ctx context.Context) error {
	if _, err := d.bus.EnsureTopics(ctx, auditTopic); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// record writes who did what, and returns once it is acknowledged.
func (d *Desk) record(ctx context.Context, a audit.OperatorAction) error {
	a.Operator, a.OccurredAt = d.by, time.Now()
	var err error
	if _, declared := d.bus.Catalog().Lookup(auditTopic); declared {
		_, err = d.bus.Publish(ctx, a)
	} else {
		err = d.recordUndeclared(ctx, a)
	}
	if err != nil {
		return fmt.Errorf("audit record of %s %s (%s): %w", a.Action, a.Subject, a.Outcome, err)
	}
	return nil
}

// recordUndeclared is for a bus whose catalogue is not the platform's: the event is the same.
func (d *Desk) recordUndeclared(ctx context.Context, a audit.OperatorAction) error {
	payload, err := jsonx.Marshal(a)
	if err != nil {
		return err
	}
	e := event.New(ctx, auditTopic, payload, event.Source{Service: d.bus.Service(), Instance: d.by}, a.OccurredAt)
	value, err := e.AppendJSON(nil)
	if err != nil {
		return err
	}
	_, err = d.bus.Append(ctx, bus.Record{Topic: auditTopic, Key: []byte(a.Subject), Value: value, Headers: []bus.Header{
		{Name: "content-type", Value: []byte("application/json")},
		{Name: "omnibus-event-id", Value: []byte(e.ID.String())},
		{Name: "omnibus-event-type", Value: []byte(e.Type)},
		{Name: "omnibus-correlation-id", Value: []byte(e.CorrelationID)},
	}})
	return err
}

// Audited does something that is not about dead letters between two audit records in the operator's name: one that it began, one of how
// it ended. Where the first cannot be written, nothing is done; where the second cannot, the error says that it was done.
func (d *Desk) Audited(ctx context.Context, action, subject string, do func() (counts map[string]int64, err error)) error {
	if err := d.EnsureAudit(ctx); err != nil {
		return err
	}
	return d.audited(ctx, audit.OperatorAction{Action: action, Subject: subject}, do)
}

// audited does something to subject between its two audit records. Where the first cannot be written, nothing is done; where the
// second cannot, the error says that it was done.
func (d *Desk) audited(ctx context.Context, a audit.OperatorAction, do func() (counts map[string]int64, err error)) error {
	a.Outcome = outcomeStarted
	if err := d.record(ctx, a); err != nil {
		return err
	}
	var failed error
	a.Counts, failed = do()
	a.Outcome = outcomeDone
	if failed != nil {
		a.Outcome, a.Note = "failed", cut(failed.Error())
	}
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	if err := d.record(rest, a); err != nil {
		if failed != nil {
			return fmt.Errorf("%w (and: %w)", failed, err)
		}
		return fmt.Errorf("%s %s is done, but not recorded: %w", a.Action, a.Subject, err)
	}
	return failed
}

// maxNote is how many characters of a note the audit record takes.
const maxNote = 2000

func cut(note string) string {
	if utf8.RuneCountInString(note) <= maxNote {
		return note
	}
	return string([]rune(note)[:maxNote-1]) + "…"
}
