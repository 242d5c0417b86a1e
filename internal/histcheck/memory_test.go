package histcheck_test

import (
	"bytes"
	"io"
	"iter"
	"runtime"
	"strconv"
	"testing"

	"github.com/omninode-ai/omnibus/internal/histcheck"
)

// TestCheckerStaysSmall: a million events have to fit well into 300 MB.
func TestCheckerStaysSmall(t *testing.T) {
	const (
		events     = 50_000
		keys       = 480
		partitions = 12
		most       = 250 // bytes for each event
	)
	runtime.GC()
	var before, within runtime.MemStats
	runtime.ReadMemStats(&before)
	log := func(yield func(histcheck.Record, error) bool) {
		for p := range partitions {
			for i := p; i < events; i += partitions {
				if !yield(histcheck.Record{Topic: "t", Partition: int32(p), Offset: int64(i / partitions), Event: numbered(i, keys), Valid: true}, nil) {
					return
				}
			}
		}
	}
	producer := lines("p", func(yield func(histcheck.Line) bool) {
		for i := range events {
			e := numbered(i, keys)
			yield(histcheck.Line{Kind: histcheck.Invoke, Topic: "t", Event: &e})
			if !yield(histcheck.Line{Kind: histcheck.OK, Topic: "t", Partition: int32(i % partitions), Offset: int64(i / partitions), Event: &e}) {
				return
			}
		}
	})
	consumer := lines("c", func(yield func(histcheck.Line) bool) {
		for i := range events {
			e := numbered(i, keys)
			l := histcheck.Line{Kind: histcheck.Start, Group: "g", Topic: "t", Partition: int32(i % partitions), Offset: int64(i / partitions), Event: &e, Run: int64(i)}
			yield(l)
			l.Kind, l.Event = histcheck.Done, nil
			yield(l)
			if l.Kind, l.Taken = histcheck.Commit, 1; i >= events-partitions {
				l.Offset++
				yield(l)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&within)
	})
	rep, err := histcheck.Check(histcheck.Input{Ledgers: []histcheck.Source{producer, consumer}, Log: log, Groups: map[string][]string{"g": {"t"}}})
	if err != nil {
		t.Fatal(err)
	}
	if !rep.OK() || rep.Events != events || rep.Lines != 4*events+partitions {
		t.Errorf("%d events, %d lines, findings %v", rep.Events, rep.Lines, rep.Findings)
	}
	each := int64(within.HeapAlloc-before.HeapAlloc) / events
	t.Logf("%d bytes for each event", each)
	if each > most {
		t.Errorf("%d bytes for each event, want at most %d", each, most)
	}
}

func numbered(i, keys int) histcheck.Event {
	return histcheck.Event{Producer: "p", Seq: int64(i + 1), Key: "k" + strconv.Itoa(i%keys), KeySeq: int64(i/keys + 1), ID: strconv.Itoa(i), CRC: uint32(i)}
}

// lines is a ledger that is made while it is read.
func lines(process string, seq iter.Seq[histcheck.Line]) histcheck.Source {
	return histcheck.Source{Name: process, Open: func() (io.ReadCloser, error) {
		next, stop := iter.Pull(seq)
		return &made{process: process, next: next, stop: stop}, nil
	}}
}

type made struct {
	process string
	next    func() (histcheck.Line, bool)
	stop    func()
	wall    int64
	rest    bytes.Reader
}

func (m *made) Read(b []byte) (int, error) {
	if m.rest.Len() == 0 {
		l, ok := m.next()
		if !ok {
			return 0, io.EOF
		}
		m.wall += 1000
		l.Process, l.Wall, l.Mono = m.process, m.wall, m.wall
		text, err := l.AppendJSON(nil)
		if err != nil {
			return 0, err
		}
		m.rest.Reset(text)
	}
	return m.rest.Read(b)
}

func (m *made) Close() error {
	m.stop()
	return nil
}
