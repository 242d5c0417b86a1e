package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// RoundTrip is what became of events that went through the program: published as lines, consumed as NDJSON, and published again
// to another broker. Rates are events a second, each of a whole command from its start to its end.
type RoundTrip struct {
	Events  int     `json:"events"`
	Publish float64 `json:"publish"` // publish --batch - of {"topic","key","payload"}: wrapped and validated
	Consume float64 `json:"consume"` // consume -o ndjson
	Pipe    float64 `json:"pipe"`    // consume -o ndjson | publish --batch -, at once
	Again   float64 `json:"again"`   // consume -o ndjson, of the other broker
	Bytes   int64   `json:"bytes"`   // of the NDJSON
	Same    bool    `json:"same"`    // what both brokers gave, byte for byte: the SHA-256 of each partition
}

// roundTrip runs the program on two embedded brokers of its own: the event has to have the same topic on both.
func roundTrip(ctx context.Context, n int) (_ *RoundTrip, err error) {
	dir, err := os.MkdirTemp("", "omnibus-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left of it is in the place for such
	omnibus := filepath.Join(dir, "omnibus")
	if out, err := exec.CommandContext(ctx, "go", "-C", "..", "build", "-o", omnibus, "./cmd/omnibus").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build omnibus: %w: %s", err, out)
	}
	var brokers [2]string
	for i := range brokers {
		on, startErr := startEmbedded(ctx)
		if startErr != nil {
			return nil, startErr
		}
		defer func() { err = errors.Join(err, on.stop()) }()
		brokers[i] = on.brokers[0]
		if err := ensure(ctx, on.brokers); err != nil {
			return nil, err
		}
	}
	r := &RoundTrip{Events: n}
	command := func(broker string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, omnibus, append(args, "-b", broker, "-q")...)
		cmd.Env, cmd.Stderr = append(os.Environ(), "HOME="+dir), os.Stderr
		return cmd
	}
	if r.Publish, err = rate(n, func() error {
		publish := command(brokers[0], "publish", "--batch", "-")
		return feed(publish, func(w io.Writer) error { return writeLines(w, n) })
	}); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	consume := func(broker string) (d *digests, perSecond float64, err error) {
		d = &digests{sums: map[string]hash.Hash{}}
		perSecond, err = rate(n, func() error {
			cmd := command(broker, "consume", string(eventType), "-o", "ndjson")
			cmd.Stdout = d
			return cmd.Run()
		})
		return d, perSecond, err
	}
	first, perSecond, err := consume(brokers[0])
	if err != nil {
		return nil, fmt.Errorf("consume: %w", err)
	}
	r.Consume, r.Bytes = perSecond, first.size
	if r.Pipe, err = rate(n, func() error {
		return feed(command(brokers[1], "publish", "--batch", "-"), func(w io.Writer) error {
			cmd := command(brokers[0], "consume", string(eventType), "-o", "ndjson")
			cmd.Stdout = w
			return cmd.Run()
		})
	}); err != nil {
		return nil, fmt.Errorf("consume and publish: %w", err)
	}
	second, perSecond, err := consume(brokers[1])
	if err != nil {
		return nil, fmt.Errorf("consume again: %w", err)
	}
	r.Again, r.Same = perSecond, first.lines == n && second.lines == n && maps.Equal(first.sum(), second.sum())
	return r, nil
}

func ensure(ctx context.Context, brokers []string) error {
	b, err := bus.Open(ctx, bus.Config{Brokers: brokers, Service: "bench", Catalog: contracts.Catalog()})
	if err != nil {
		return err
	}
	_, err = b.EnsureTopics(ctx, eventType)
	return errors.Join(err, b.Close())
}

func rate(n int, run func() error) (perSecond float64, err error) {
	began := time.Now()
	err = run()
	return float64(n) / time.Since(began).Seconds(), err
}

// feed runs cmd with what write gives on its standard input: the pipe itself, so that another process may write to it directly.
func feed(cmd *exec.Cmd, write func(w io.Writer) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout = r, io.Discard
	if err := cmd.Start(); err != nil {
		return errors.Join(err, r.Close(), w.Close())
	}
	err = errors.Join(r.Close(), write(w), w.Close())
	return errors.Join(cmd.Wait(), err)
}

// writeLines writes n lines of a batch.
func writeLines(w io.Writer, n int) error {
	events, err := makeSamples(samples, keys)
	if err != nil {
		return err
	}
	lines := make([][]byte, len(events))
	for i, e := range events {
		payload, err := jsonx.Marshal(e.payload)
		if err != nil {
			return err
		}
		lines[i] = fmt.Appendf(nil, `{"topic":%q,"key":%q,"payload":%s}`+"\n", eventType, e.key, payload)
	}
	out := bufio.NewWriterSize(w, 256<<10)
	for i := range n {
		if _, err := out.Write(lines[i%len(lines)]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// digests hash the lines of each partition, which are in order within it and not between.
type digests struct {
	sums  map[string]hash.Hash
	rest  []byte
	lines int
	size  int64
}

func (d *digests) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	d.rest = append(d.rest, p...)
	from := 0
	for {
		end := bytes.IndexByte(d.rest[from:], '\n')
		if end < 0 {
			break
		}
		line := d.rest[from : from+end+1]
		_, after, _ := bytes.Cut(line, []byte(`"partition":`))
		partition, _, _ := bytes.Cut(after, []byte(","))
		sum, ok := d.sums[string(partition)]
		if !ok {
			sum = sha256.New()
			d.sums[string(partition)] = sum
		}
		_, _ = sum.Write(line) // never fails
		d.lines++
		from += end + 1
	}
	d.rest = slices.Delete(d.rest, 0, from)
	return len(p), nil
}

func (d *digests) sum() map[string]string {
	out := map[string]string{}
	for partition, sum := range d.sums {
		out[partition] = hex.EncodeToString(sum.Sum(nil))
	}
	return out
}
