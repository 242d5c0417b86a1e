package deadletter

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/audit"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const maxLine = 64 << 20 // bytes: what a broker may be made to take, in base64

// Export writes the chosen dead letters, one line of JSON each, with every byte of their newest copy, and returns how many. The
// form is described in docs/formats/deadletter-export.md.
func (d *Desk) Export(ctx context.Context, s Selector, w io.Writer) (int, error) {
	snap, err := d.List(ctx, s)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(w)
	n := 0
	items := make([]item, len(snap.Letters))
	for i, l := range snap.Letters {
		items[i] = itemOf(l)
	}
	for batch := range batches(items) {
		found, err := d.bodies(ctx, batch)
		if err != nil {
			return n, fmt.Errorf("export: %w", err)
		}
		for _, i := range batch {
			at := i.edition.coordinates()
			dead, ok := found[at]
			if !ok {
				return n, fmt.Errorf("export %s: %w: retention has taken it meanwhile", at, ErrNotFound)
			}
			doc := lineOf(dead.Record)
			doc.ID, doc.State = snap.Letters[n].ID, snap.Letters[n].State
			b, err := jsonx.Marshal(doc)
			if err != nil {
				return n, fmt.Errorf("export %s: %w", at, err)
			}
			if _, err := out.Write(append(b, '\n')); err != nil {
				return n, fmt.Errorf("export: %w", err)
			}
			n++
		}
	}
	if err := out.Flush(); err != nil {
		return n, fmt.Errorf("export: %w", err)
	}
	return n, nil
}

// Imported says what became of the lines of an import.
type Imported struct {
	Written int // new here
	Known   int // already there: the same dead letter, of the same failure or a later one
}

// Import writes exported dead letters into the dead-letter topics that they name, of this cluster, byte for byte. What is there
// already is left out, so an import can be run again. It ends at the first line that it cannot read; those before it are written.
func (d *Desk) Import(ctx context.Context, r io.Reader) (Imported, error) {
	var in Imported
	if err := d.ensure(ctx); err != nil {
		return in, err
	}
	err := d.audited(ctx, audit.OperatorAction{Action: "import", Subject: "dead letters"}, func() (map[string]int64, error) {
		i := importer{desk: d, known: map[event.Topic]*contents{}}
		err := i.read(ctx, r)
		in = i.imported
		return map[string]int64{"written": int64(in.Written), "known": int64(in.Known)}, err
	})
	return in, err
}

// LineError says which line of an import cannot be read.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

type importer struct {
	desk     *Desk
	known    map[event.Topic]*contents
	imported Imported
	batch    []bus.Record
	bytes    int
}

// contents is what a dead-letter topic holds: the newest copy of each dead letter, and the records that nobody of ours wrote,
// which have no identity but their bytes.
type contents struct {
	newest  map[string]edition
	foreign map[[sha256.Size]byte]bool
}

func (i *importer) read(ctx context.Context, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		rec, err := parseLine(lines.Bytes())
		if err != nil {
			return errors.Join(fmt.Errorf("import: %w", &LineError{n, err}), i.flush(ctx))
		}
		if err := i.take(ctx, rec); err != nil {
			return fmt.Errorf("import: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return errors.Join(fmt.Errorf("import: %w", &LineError{n + 1, err}), i.flush(ctx))
	}
	return i.flush(ctx)
}

func (i *importer) take(ctx context.Context, rec bus.Record) error {
	there, ok := i.known[rec.Topic]
	if !ok {
		var err error
		if there, err = i.desk.contents(ctx, rec.Topic); err != nil {
			return err
		}
		i.known[rec.Topic] = there
	}
	if !there.add(bus.ParseDeadLetter(rec)) {
		i.imported.Known++
		return nil
	}
	i.batch = append(i.batch, rec)
	i.bytes += len(rec.Key) + len(rec.Value)
	if len(i.batch) >= maxBatch || i.bytes >= maxBytes {
		return i.flush(ctx)
	}
	return nil
}

func (i *importer) flush(ctx context.Context) error {
	results, err := i.desk.bus.Append(ctx, i.batch...)
	for _, r := range results {
		if r.Err == nil {
			i.imported.Written++
		}
	}
	i.batch, i.bytes = nil, 0
	return err
}

// contents reads a dead-letter topic, and makes it where it is missing.
func (d *Desk) contents(ctx context.Context, topic event.Topic) (*contents, error) {
	if _, err := d.bus.EnsureTopics(ctx, topic); err != nil {
		return nil, err
	}
	c := &contents{newest: map[string]edition{}, foreign: map[[sha256.Size]byte]bool{}}
	for dead, err := range d.bus.DeadLetters(ctx, bus.Range{Topics: []event.Glob{event.Glob(topic)}}) {
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", topic, err)
		}
		c.add(dead)
	}
	return c, nil
}

// add reports whether a dead letter is new. Where it lies here and there does not matter.
func (c *contents) add(dead bus.DeadLetter) bool {
	if dead.Origin == dead.Coordinates() && dead.Group == "" {
		sum := digest(dead.Record)
		known := c.foreign[sum]
		c.foreign[sum] = true
		return !known
	}
	id, e := IdentityOf(dead).key(), editionOf(dead)
	e.Topic, e.Partition, e.Offset = "", 0, 0
	if have, ok := c.newest[id]; ok && have.covers(e) {
		return false
	}
	c.newest[id] = e
	return true
}

// digest is equal for records of the same key, value and headers.
func digest(r bus.Record) [sha256.Size]byte {
	h := sha256.New()
	part := func(b []byte) {
		n := int64(-1) // null
		if b != nil {
			n = int64(len(b))
		}
		_ = binary.Write(h, binary.BigEndian, n) // a hash takes everything
		h.Write(b)
	}
	part(r.Key)
	part(r.Value)
	for _, header := range r.Headers {
		part([]byte(header.Name))
		part(header.Value)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
