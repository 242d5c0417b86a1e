// Package broker runs a Kafka-compatible broker inside this process, for development, tests and small installations. It alone
// knows which broker that is. With a data directory it keeps every acknowledged record and commit over a kill -9, and over a
// loss of power as far as the disk honours fsync; there is one node and one disk, and no copy elsewhere.
//
// A directory that does not match what the broker left there is refused with a [*CorruptError], never mended silently. The one
// exception is an entry that was being written when the process died: it was never acknowledged, is cut, and is reported by
// [Broker.Recovery]. [Repair] keeps what is whole of a refused directory, on purpose.
//
// Writes are refused, with errors that clients retry, before the disk is full; [Broker.Faults] makes requests fail on purpose.
//
// Records are removed only from topics that set retention.ms or retention.bytes themselves, once an hour. Compacted topics
// are kept whole: the compaction of the broker inside is not safe against a kill.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/internal/inside"
)

// Config says how the broker listens and what it keeps. The zero value is a broker on a free loopback port that keeps nothing.
type Config struct {
	// Addr is where the broker listens; port 0 picks one. Default "127.0.0.1:0".
	Addr string
	// Advertise is the address that clients are told, where it differs from Addr; without a port it takes Addr's. It is
	// needed if Addr names no host. Default: the address listened on.
	Advertise string
	// Dir is where records and offsets are kept. Default: nowhere, they end with the broker.
	Dir string
	// Partitions is how many a topic gets that is created without a number. Default 6.
	Partitions int
	// Network carries the connections inside this process. Default: TCP.
	Network *Network
	// TLS makes every connection TLS. Default: none.
	TLS *tls.Config
	// SASL lists who may connect. Default: everybody.
	SASL []User
	// Logger gets what the broker has to say. Default: discarded.
	Logger *slog.Logger
	// MinSessionTimeout is the shortest session timeout that a group member may ask for. Default 6 s.
	MinSessionTimeout time.Duration
	// KeepFree is how many bytes of the disk are left free: writes that would take of them are refused with an error that
	// clients retry. Default: 5 % of the disk, but at least 16 MiB and at most 256 MiB. Negative: none.
	KeepFree int64
}

// User may connect with its name and password.
type User struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Name      string
	Password  string
}

func (cfg Config) withDefaults() Config {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = 6
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MinSessionTimeout == 0 {
		cfg.MinSessionTimeout = 6 * time.Second
	}
	return cfg
}

func (cfg Config) check() error {
	if cfg.Partitions < 0 {
		return fmt.Errorf("broker config Partitions: %d is negative", cfg.Partitions)
	}
	if cfg.MinSessionTimeout < 0 {
		return fmt.Errorf("broker config MinSessionTimeout: %s is negative", cfg.MinSessionTimeout)
	}
	for _, u := range cfg.SASL {
		switch u.Mechanism {
		case plainMechanism, "SCRAM-SHA-256", "SCRAM-SHA-512":
		default:
			return fmt.Errorf("broker config SASL: mechanism %q of user %q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", u.Mechanism, u.Name)
		}
		if u.Name == "" || u.Password == "" {
			return fmt.Errorf("broker config SASL: user %q needs a name and a password", u.Name)
		}
	}
	return nil
}

// Broker is a running broker.
type Broker struct {
	cluster  *kfake.Cluster
	ln       *listener
	log      *slog.Logger
	lock     *dirLock // nil if nothing is kept
	dir      string
	disk     *disk // nil if nothing is kept
	faults   *Faults
	verified *manifest // what the start found, nil if it had no manifest
	report   Report
	endSync  func() error // nil if the broker inside syncs
	controls *controls

	failed   chan error // holds one: the first failure, which is the only one sent
	failOnce sync.Once
	failure  atomic.Pointer[error]

	stop      chan struct{}
	running   sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// Start verifies what the directory holds, recovers it after an unclean stop, and returns once the broker takes requests.
// The context bounds the start only. Errors to ask for are [*DirInUseError], [*PortTakenError] and [*CorruptError].
func Start(ctx context.Context, cfg Config) (_ *Broker, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	b := &Broker{log: cfg.Logger, dir: cfg.Dir, failed: make(chan error, 1), stop: make(chan struct{})}
	defer func() {
		if err == nil {
			return
		}
		if b.ln != nil {
			_ = b.ln.Close() // the start has failed already, and nobody listens
		}
		if b.disk != nil {
			b.disk.close()
		}
		if b.lock != nil {
			b.lock.release()
		}
		if b.endSync != nil {
			_ = b.endSync() // a directory that was only looked at
		}
	}()
	if cfg.Dir != "" {
		if b.lock, err = lockDir(cfg.Dir); err != nil {
			return nil, err
		}
	}
	if b.ln, err = listen(ctx, cfg); err != nil {
		return nil, err
	}
	if cfg.Dir != "" {
		if b.verified, b.report, err = recoverDir(ctx, cfg.Dir, b.lock.sameBoot); err != nil {
			return nil, err
		}
		if err := b.lock.recovered(); err != nil {
			return nil, err
		}
		if b.disk, err = watchDisk(ctx, cfg, b.report.Bytes); err != nil {
			return nil, err
		}
	}
	if cfg.Dir != "" {
		flush, end, err := newFlush(cfg.Dir)
		if err != nil {
			return nil, err
		}
		if flush != nil {
			b.ln.sync, b.endSync = &syncer{flush: inside.Flush(ctx, flush), fail: b.fail}, end
		}
	}
	if b.cluster, err = kfake.NewCluster(b.options(cfg)...); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	if err := b.forgetUsers(); err != nil {
		b.fail(err)
	}
	if err := b.broken(); err != nil {
		b.cluster.Close()
		return nil, err
	}
	b.controls = newControls(b.cluster)
	observe(b.cluster, func(r kmsg.Request) {
		b.controls.begins()
		if s := b.ln.sync; s != nil {
			s.saw(r)
		}
	})
	if b.disk != nil {
		b.disk.guard(b.cluster)
		if err := b.sumUp(); err != nil {
			b.cluster.Close()
			return nil, err
		}
	}
	limitCommitMetadata(b.controls)
	if len(cfg.SASL) > 0 {
		answerWrongPasswords(b.cluster, cfg.SASL)
	}
	b.faults = newFaults(b.controls, b.ln)
	inside.Tell(ctx, b.cluster)
	b.running.Go(b.retain)
	return b, nil
}

// sumUp makes sure that after a kill a changed byte of the small files is noticed.
func (b *Broker) sumUp() error {
	flush := func() error { return syncDir(logDir(b.dir)) }
	if s := b.ln.sync; s != nil {
		flush = s.wait
	}
	c := newChecksums(b.dir, b.controls, flush, b.fail, b.stop)
	if err := c.begin(); err != nil {
		return err
	}
	b.ln.sums.Store(c)
	b.running.Go(c.keep)
	return nil
}

const (
	segmentBytes   = 16 << 20
	retentionEvery = time.Hour
	century        = 100 * 365 * 24 * time.Hour
)

func (b *Broker) options(cfg Config) []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("omnibus"),
		kfake.DefaultNumPartitions(cfg.Partitions),
		kfake.GroupMinSessionTimeout(cfg.MinSessionTimeout),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.ln, nil }),
		kfake.WithLogger(&logger{log: cfg.Logger, failed: b.fail}),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes": strconv.Itoa(segmentBytes),
			// Compaction deletes a partition's segments before it writes the new ones: a kill between loses them.
			"log.cleaner.backoff.ms": strconv.FormatInt(century.Milliseconds(), 10),
			// Retention does not spare compacted topics, so that only a topic's own setting may start it.
			"log.retention.ms": "-1",
		}),
	}
	if cfg.Dir != "" {
		opts = append(opts, kfake.DataDir(logDir(cfg.Dir)))
		if b.ln.sync == nil {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	if len(cfg.SASL) > 0 {
		opts = append(opts, kfake.EnableSASL())
	}
	for _, u := range cfg.SASL {
		opts = append(opts, kfake.Superuser(u.Mechanism, u.Name, u.Password))
	}
	return opts
}

// forgetUsers removes the copy of the users that the broker inside keeps: they come from the configuration at each start, and
// passwords have no business in the data directory.
func (b *Broker) forgetUsers() error {
	if b.dir == "" {
		return nil
	}
	err := os.Remove(filepath.Join(logDir(b.dir), "sasl.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stored users: %w", err)
	}
	return nil
}

// retain applies the topics' retention until the broker closes.
func (b *Broker) retain() {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

// fail stops the broker at the first write that did not succeed. It runs while the broker inside handles the request of that
// write, so that it must not wait for it: cutting the connections makes sure that no acknowledgement leaves any more.
func (b *Broker) fail(err error) {
	b.failOnce.Do(func() {
		err = fmt.Errorf("broker stopped: %w", err)
		b.failure.Store(&err)
		b.ln.cut()
		b.failed <- err
	})
}

func (b *Broker) broken() error {
	if err := b.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Addrs lists the addresses that clients connect to.
func (b *Broker) Addrs() []string { return []string{b.ln.Addr().String()} }

// Failed delivers the error that stopped the broker, if one does; [Broker.Close] closes the channel. The broker has by then
// cut all connections and still has to be closed.
func (b *Broker) Failed() <-chan error { return b.failed }

// Faults makes the broker fail on purpose.
func (b *Broker) Faults() *Faults { return b.faults }

// Degraded says, for people, what the broker does not do now although it runs; nothing where all is well.
func (b *Broker) Degraded() []string {
	var why []string
	if b.disk != nil {
		if full := b.disk.degraded(time.Now()); full != "" {
			why = append(why, full)
		}
	}
	for _, f := range b.faults.List() {
		why = append(why, fmt.Sprintf("fault %d is on: %s", f.ID, f))
	}
	return why
}

// Recovery reports what the start found in the data directory.
func (b *Broker) Recovery() Report { return b.report }

// Close cuts the connections, writes what is to be kept, marks the directory as left in order and gives it free. It returns
// the error that stopped the broker earlier or while it closed; the next start then recovers the directory as after a kill.
// Calls after the first return the same.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() {
		close(b.stop)
		b.running.Wait()
		if sums := b.ln.sums.Load(); sums != nil {
			if err := sums.end(); err != nil {
				b.fail(err)
			}
		}
		b.controls.close()
		b.cluster.Close()
		b.ln.wait()
		b.closeErr = b.leave()
		b.failOnce.Do(func() {}) // nothing can fail any more, and nothing is sent on the channel closed here
		close(b.failed)
	})
	return b.closeErr
}

// leave marks the directory as left in order, unless a write failed.
func (b *Broker) leave() error {
	if b.dir == "" {
		return b.broken()
	}
	defer b.lock.release()
	defer b.disk.close()
	if s := b.ln.sync; s != nil {
		flushed := s.wait() // what the broker inside wrote while it closed
		if err := errors.Join(flushed, b.endSync()); err != nil {
			return err
		}
	}
	if err := b.broken(); err != nil {
		return err
	}
	if err := b.forgetUsers(); err != nil {
		return err
	}
	if err := writeManifest(b.dir, b.verified); err != nil {
		return fmt.Errorf("close broker: %w", err)
	}
	return nil
}

// logDir is where the broker inside keeps its files. Beside it are the lock and the manifest.
func logDir(dir string) string { return filepath.Join(dir, "log") }
