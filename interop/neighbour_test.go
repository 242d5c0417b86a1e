package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/parts"
)

// record is how records travel between the tests and the programs in python: bytes as base64.
type record struct {
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []header `json:"headers"`
}

type header struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

func recordOf(r bus.Record) record {
	out := record{Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, header(h))
	}
	return out
}

// neighbour is somebody else's Kafka client, as programs that publish with it and consume with it.
type neighbour struct {
	name string
	text bool // its keys and header values are text, none of them null

	// publish publishes records once with each compression, in order.
	publish func(ctx context.Context, t *testing.T, f fixture, codecs []string, records []record)
	// consume returns the next n records of a group, committed. It has left the group by then.
	consume func(ctx context.Context, t *testing.T, f fixture, group string, n int) []record
}

func neighbours() []neighbour {
	fastStream := python("faststream")
	fastStream.text = true
	return []neighbour{python("aiokafka"), python("confluent", "murmur2_random"), fastStream, kcat("murmur2_random")}
}

// python is the programs NAME_publish.py, which takes flags, and NAME_consume.py.
func python(name string, flags ...string) neighbour {
	return neighbour{
		name: name,
		publish: func(ctx context.Context, t *testing.T, f fixture, codecs []string, records []record) {
			t.Helper()
			args := slices.Concat([]string{f.brokers, f.topic}, flags, codecs)
			run(ctx, t, pythonProgram(ctx, t, name+"_publish.py", args...), lines(t, records))
		},
		consume: func(ctx context.Context, t *testing.T, f fixture, group string, n int) []record {
			t.Helper()
			out := run(ctx, t, pythonProgram(ctx, t, name+"_consume.py", f.brokers, f.topic, group, strconv.Itoa(n)), nil)
			return parse(t, out, func(line []byte) (r record, err error) { return r, json.Unmarshal(line, &r) })
		},
	}
}

func kcat(partitioner string) neighbour {
	return neighbour{
		name: "kcat",
		text: true,
		publish: func(ctx context.Context, t *testing.T, f fixture, codecs []string, records []record) {
			t.Helper()
			var in []byte
			for _, r := range records { // a key ends with the tab, and nothing at all is null
				in = append(append(append(append(in, r.Key...), '\t'), r.Value...), '\n')
			}
			for _, codec := range codecs {
				args := []string{"-P", "-b", f.brokers, "-t", f.topic, "-K", `\t`, "-Z", "-z", codec, "-X", "partitioner=" + partitioner}
				for _, h := range records[0].Headers {
					args = append(args, "-H", h.Name+"="+string(h.Value))
				}
				run(ctx, t, exec.CommandContext(ctx, "kcat", args...), in)
			}
		},
		consume: func(ctx context.Context, t *testing.T, f fixture, group string, n int) []record {
			t.Helper()
			out := run(ctx, t, exec.CommandContext(ctx, "kcat", "-b", f.brokers, "-G", group, "-X", "auto.offset.reset=earliest", "-q", "-J", "-u",
				"-c", strconv.Itoa(n), f.topic), nil)
			return parse(t, out, kcatRecord)
		},
	}
}

// kcatRecord reads a line of "kcat -J".
func kcatRecord(line []byte) (record, error) {
	var m struct {
		Partition    int32
		Offset       int64
		Key, Payload *string
		Headers      []*string
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return record{}, err
	}
	bytesOf := func(s *string) []byte {
		if s == nil {
			return nil
		}
		return []byte(*s)
	}
	r := record{Partition: m.Partition, Offset: m.Offset, Key: bytesOf(m.Key), Value: bytesOf(m.Payload)}
	for pair := range slices.Chunk(m.Headers, 2) {
		r.Headers = append(r.Headers, header{Name: *pair[0], Value: bytesOf(pair[1])})
	}
	return r, nil
}

func lines(t *testing.T, records []record) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, r := range records {
		if err := json.NewEncoder(&b).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func parse(t *testing.T, out []byte, read func(line []byte) (record, error)) (records []record) {
	t.Helper()
	for line := range bytes.Lines(out) {
		r, err := read(line)
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if len(r.Headers) == 0 {
			r.Headers = nil // clients differ in how they say that there are none
		}
		records = append(records, r)
	}
	return records
}

// pythonProgram is one of the programs in python, in the environment that holds what they need.
func pythonProgram(ctx context.Context, t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	interpreter, err := parts.Python("../.cache", "python/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, interpreter, append([]string{filepath.Join("python", name)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")
	return cmd
}
