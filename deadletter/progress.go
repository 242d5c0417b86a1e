package deadletter

import (
	"context"
	"time"
)

// Progress is how far a job is. Done, Skipped, Quarantined, Failed and Left add up to Total.
type Progress struct {
	Total       int      `json:"total"`
	Done        int      `json:"done"`        // sent, or marked
	Skipped     int      `json:"skipped"`     // somebody else dealt with them meanwhile
	Quarantined int      `json:"quarantined"` // had come back too often
	Failed      int      `json:"failed"`      // could not be sent; the errors are in Errors
	Left        int      `json:"left"`
	Held        int      `json:"held"`         // of Left: another run is about to act on them
	Again       int      `json:"failed_again"` // of those that this run sent: back among the dead letters
	PerSecond   float64  `json:"per_second"`   // measured since the run began
	State       JobState `json:"-"`
	Errors      []string `json:"errors,omitzero"` // of Failed, at most 10
}

const maxErrors = 10

// ETA is how long the rest will take at the measured speed; 0: not known.
func (p Progress) ETA() time.Duration {
	if p.PerSecond <= 0 {
		return 0
	}
	return time.Duration(float64(p.Left) / p.PerSecond * float64(time.Second))
}

func (p *Progress) fail(id string, err error) {
	p.Failed++
	p.Left--
	if len(p.Errors) < maxErrors {
		p.Errors = append(p.Errors, id+": "+err.Error())
	}
}

// counts are the numbers for the audit record.
func (p Progress) counts() map[string]int64 {
	out := map[string]int64{"total": int64(p.Total)}
	for name, n := range map[string]int{
		"done": p.Done, "skipped": p.Skipped, "quarantined": p.Quarantined, "failed": p.Failed, "left": p.Left, "failed_again": p.Again,
	} {
		if n > 0 {
			out[name] = int64(n)
		}
	}
	return out
}

// pace spreads sends over time: n of them take n/perSecond seconds, and there are no bursts to make up for a wait.
type pace struct {
	perSecond float64 // ≤ 0: no limit
	free      time.Time
}

// delay is how long to wait at now before n more may go.
func (p *pace) delay(now time.Time, n int) time.Duration {
	if p.perSecond <= 0 {
		return 0
	}
	if p.free.Before(now) {
		p.free = now
	}
	wait := p.free.Sub(now)
	p.free = p.free.Add(time.Duration(float64(n) / p.perSecond * float64(time.Second)))
	return wait
}

// pause waits, or returns why not.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
