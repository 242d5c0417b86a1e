package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/internal/inside"
)

// disk refuses writes before the disk is full.
type disk struct {
	root  string // the log directory
	log   *slog.Logger
	dir   *os.File // to ask about
	space func() (free, total int64, err error)

	mu   sync.Mutex
	room room
	data int64 // bytes of records, at most

	// The decision about the request that is being handled, which is asked for each of its partitions. Only the goroutine of
	// the broker inside uses it.
	last kmsg.Request
	fits bool
}

// watchDisk opens the disk of the data directory, which holds so many bytes of records.
func watchDisk(ctx context.Context, cfg Config, data int64) (*disk, error) {
	keep := cfg.KeepFree
	f, err := os.Open(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("watch disk: %w", err)
	}
	d := &disk{root: logDir(cfg.Dir), log: cfg.Logger, dir: f, data: data, room: room{floor: max(keep, 0)}}
	d.space = inside.Space(ctx, func() (int64, int64, error) { return diskSpace(f) })
	_, total, err := d.space()
	switch {
	case errors.Is(err, errors.ErrUnsupported) || keep < 0:
		d.space = nil
	case err != nil:
		_ = f.Close() // it was only opened
		return nil, fmt.Errorf("watch disk: %w", err)
	case keep == 0:
		d.room.floor = defaultFloor(total)
	}
	return d, nil
}

// DiskRoom is what a user may still write to the disk that holds dir, and how much of it a broker there keeps free by default:
// below that it refuses writes.
func DiskRoom(dir string) (free, keep int64, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	free, total, err := diskSpace(f)
	return free, defaultFloor(total), err
}

// guard makes the broker inside answer what writes with a retriable error while the disk has no room. Its own code would
// write what fits and then stop for good. What frees space is let pass, and the few bytes that a group needs to go on reading
// and a producer to begin: some clients do not ask for their producer's number twice.
func (d *disk) guard(c *kfake.Cluster) {
	full := func(kreq kmsg.Request) bool { return !d.admit(kreq) }
	c.Fault(
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce, kmsg.CreateTopics, kmsg.CreatePartitions, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs},
			Err:  kerr.KafkaStorageError, Count: -1, When: full,
		},
		// Those that go to a coordinator get what other brokers make of it there: clients do not expect the other one.
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.TxnOffsetCommit, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.EndTxn},
			Err:  kerr.CoordinatorNotAvailable, Count: -1, When: full,
		},
	)
}

// admit decides once about each request.
func (d *disk) admit(kreq kmsg.Request) bool {
	if kreq != d.last {
		d.last, d.fits = kreq, d.fit(costOf(kreq), time.Now())
	}
	return d.fits
}

func (d *disk) fit(cost int64, now time.Time) bool {
	if d.space == nil {
		return true
	}
	d.mu.Lock()
	stale, data := d.room.stale(cost, now), d.data
	d.mu.Unlock()
	var free int64
	var err error
	if stale {
		free, err = d.free(data)
	}
	d.mu.Lock()
	before := d.room.full
	if stale && err == nil {
		d.room.saw(free, now)
	}
	fits := d.room.take(cost)
	if fits {
		d.data += cost
	}
	free, floor := d.room.free, d.room.floor
	d.mu.Unlock()
	switch ctx := context.Background(); {
	case err != nil:
		d.log.LogAttrs(ctx, slog.LevelError, "the space left on the disk is not known", slog.Any("error", err))
	case !fits && !before:
		d.log.LogAttrs(ctx, slog.LevelWarn, "the disk is nearly full: writes are refused until there is room", slog.Int64("free_bytes", free), slog.Int64("keep_free_bytes", floor))
	case fits && before:
		d.log.LogAttrs(ctx, slog.LevelWarn, "the disk has room again: writes go on", slog.Int64("free_bytes", free))
	}
	return fits
}

// free returns what is free beyond what the broker may have to write again as a whole: its logs of state while it runs, and
// the manifest when it stops, which has 44 bytes for each block.
func (d *disk) free(data int64) (int64, error) {
	free, _, err := d.space()
	if err != nil {
		return 0, fmt.Errorf("look at the disk of %s: %w", d.root, err)
	}
	free -= data / (blockBytes / 64)
	for _, name := range []string{"groups.log", producersName, "topics.json", "seq_windows.json"} {
		info, err := os.Stat(filepath.Join(d.root, name))
		if err == nil {
			free -= info.Size()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("look at the disk: %w", err)
		}
	}
	return free, nil
}

// degraded says why nothing is written, "" where all is.
func (d *disk) degraded(now time.Time) string {
	d.mu.Lock()
	full := d.room.full
	d.mu.Unlock()
	if !full || d.fit(0, now) {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("the disk of the embedded broker is nearly full: %d MiB are free and %d MiB are kept free, so that writes are refused until there is room",
		max(d.room.free, 0)>>20, d.room.floor>>20)
}

func (d *disk) close() {
	_ = d.dir.Close() // it was only read
}

// What a request makes the broker write, at most: files grow by whole blocks of the disk.
const (
	diskBlock     = 4096
	costPartition = 3 * diskBlock // records, index and their directory
	costEntry     = 512           // of a state log, beside its names and metadata
)

func costOf(kreq kmsg.Request) int64 {
	cost := int64(diskBlock)
	switch req := kreq.(type) {
	case *kmsg.ProduceRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				cost += costPartition + int64(len(p.Records))
			}
		}
	case *kmsg.OffsetCommitRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				cost += costCommit(req.Group, t.Topic, p.Metadata)
			}
		}
	case *kmsg.TxnOffsetCommitRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				cost += costCommit(req.Group, t.Topic, p.Metadata)
			}
		}
	case *kmsg.CreateTopicsRequest:
		for _, t := range req.Topics {
			cost += diskBlock + costPartition*int64(max(int(t.NumPartitions), len(t.ReplicaAssignment), 1))
		}
	case *kmsg.CreatePartitionsRequest:
		for _, t := range req.Topics {
			cost += costPartition * int64(t.Count)
		}
	}
	return cost
}

// costCommit is the size of a commit's entry; JSON may write a character of the metadata in six.
func costCommit(group, topic string, metadata *string) int64 {
	cost := costEntry + len(group) + len(topic)
	if metadata != nil {
		cost += 6 * len(*metadata)
	}
	return int64(cost)
}
