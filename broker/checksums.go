package broker

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const (
	checksumsName  = "checksums"
	checksumsMagic = "omnibus broker checksums 1 "
)

// sums are the SHA-256 of files by path below the log directory. The segments and the logs of state have checksums of their own;
// these are of the small files, which the broker inside writes as a whole. They hold after a kill; after a clean stop the
// manifest does.
type sums struct {
	Files map[string][]byte `json:"files"`
}

// readChecksums returns nil where there are none.
func readChecksums(dir string) (*sums, error) {
	text, err := os.ReadFile(filepath.Join(dir, checksumsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nil is a file that is not there
	}
	if err != nil {
		return nil, fmt.Errorf("read checksums: %w", err)
	}
	s := new(sums)
	if err := unseal(checksumsName, checksumsMagic, text, s); err != nil {
		return nil, err
	}
	return s, nil
}

// differences lists the files that are not as then. A partition's snapshot may be gone with its topic.
func (s *sums) differences(dir string) (differ []*CorruptError, err error) {
	if s == nil {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		sum, err := sumOf(dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && filepath.Base(name) == snapshotName:
		case errors.Is(err, fs.ErrNotExist):
			differ = append(differ, &CorruptError{File: fileName(name), Why: missingWhy})
		case err != nil:
			return nil, err
		case !bytes.Equal(sum, s.Files[name]):
			differ = append(differ, &CorruptError{File: fileName(name), Why: "block 0 of 64 KiB is not the one that the broker left: it does not match its checksum"})
		}
	}
	return differ, nil
}

func sumOf(dir, name string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(logDir(dir), filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	return sum[:], nil
}

func (s *sums) write(dir string) error {
	body, err := jsonx.Marshal(s)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, checksumsName), seal(checksumsMagic, body)); err != nil {
		return err
	}
	return syncDir(dir)
}

// checksums keeps the sums while the broker runs. A request that makes the broker inside write one of the files takes the
// file's sum away before, and it is made again once the request has been handled: the file that a kill leaves is either the one
// that has a sum, or has none.
type checksums struct {
	dir    string
	inner  *kfake.Cluster
	flush  func() error // makes what was written so far durable
	failed func(error)
	stop   <-chan struct{}

	asked   atomic.Int64 // requests that began, which the broker inside handles one at a time
	reached atomic.Int64 // the latest that is known to be past its beginning
	wake    chan struct{}

	turn  chan struct{} // holds a value; who has it may use what follows
	sums  sums
	ended bool
	upTo  int64         // requests whose files have sums
	again chan struct{} // closed when upTo has changed
}

// stateFiles are written when one of stateKeys asks for it.
func stateFiles() []string {
	return []string{"meta.json", "topics.json", "acls.json", "quotas.json", "broker_configs.json"}
}

func stateKeys() []kmsg.Key {
	return []kmsg.Key{
		kmsg.CreateTopics, kmsg.DeleteTopics, kmsg.CreatePartitions, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs,
		kmsg.CreateACLs, kmsg.DeleteACLs, kmsg.AlterClientQuotas, kmsg.AlterUserSCRAMCredentials,
	}
}

func newChecksums(dir string, controls *controls, flush func() error, failed func(error), stop <-chan struct{}) *checksums {
	c := &checksums{
		dir: dir, inner: controls.inner, flush: flush, failed: failed, stop: stop,
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), again: make(chan struct{}),
	}
	c.sums.Files = make(map[string][]byte)
	c.turn <- struct{}{}
	for _, k := range stateKeys() {
		controls.add(k, func(kmsg.Request) (kmsg.Response, error, bool) {
			c.before()
			return nil, nil, false
		})
	}
	// The broker inside asks this while it handles the request.
	controls.inner.Fault(kfake.Fault{Keys: stateKeys(), Count: -1, When: func(kmsg.Request) bool {
		c.reached.Store(c.asked.Load())
		select {
		case c.wake <- struct{}{}:
		default:
		}
		return false
	}})
	return c
}

// before takes the sums away of what the next request may write.
func (c *checksums) before() {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	c.asked.Add(1)
	if c.ended {
		return
	}
	had := len(c.sums.Files)
	for _, name := range stateFiles() {
		delete(c.sums.Files, name)
	}
	if len(c.sums.Files) < had {
		c.report(c.sums.write(c.dir))
	}
}

// keep makes the sums again until the broker closes.
func (c *checksums) keep() {
	for {
		select {
		case <-c.stop:
			return
		case <-c.wake:
			c.report(c.after(c.reached.Load()))
		}
	}
}

// begin makes the first sums, of all small files.
func (c *checksums) begin() error {
	c.inner.ListenAddrs() // returns between two requests: what came before those here were asked has been handled
	<-c.turn
	err := walk(logDir(c.dir), func(_, name string, info fs.FileInfo) (err error) {
		if filepath.Base(name) == snapshotName && !info.IsDir() {
			c.sums.Files[name], err = sumOf(c.dir, name)
		}
		return err
	})
	c.turn <- struct{}{}
	if err != nil {
		return fmt.Errorf("sum up the data directory: %w", err)
	}
	return c.after(0)
}

// after makes the sums of the state again if no request has begun since the n-th was under way.
func (c *checksums) after(n int64) error {
	c.inner.ListenAddrs() // as above: it has been handled
	// The files must reach the disk before their sums do, or a loss of power in between looks like damage.
	if err := c.flush(); err != nil {
		return err
	}
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	if c.ended || c.asked.Load() != n {
		return nil // it takes the sums away, and wakes again
	}
	for _, name := range stateFiles() {
		sum, err := sumOf(c.dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("sum up the data directory: %w", err)
		}
		c.sums.Files[name] = sum
	}
	if err := c.sums.write(c.dir); err != nil {
		return fmt.Errorf("write checksums: %w", err)
	}
	c.upTo = n
	close(c.again)
	c.again = make(chan struct{})
	return nil
}

// end takes all sums away: what follows writes every file.
func (c *checksums) end() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	c.ended = true
	return removeChecksums(c.dir)
}

func removeChecksums(dir string) error {
	if err := os.Remove(filepath.Join(dir, checksumsName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove checksums: %w", err)
	}
	return syncDir(dir)
}

func (c *checksums) report(err error) {
	if err != nil {
		c.failed(err)
	}
}

// patience is how long the answer to a request waits for the sums of what it wrote. They come at once, but for a request that
// the broker inside refused without looking at it.
const patience = time.Second

// wait returns once everything that was asked for before has sums.
func (c *checksums) wait() {
	n := c.asked.Load()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		<-c.turn
		done, again := c.upTo >= n, c.again
		c.turn <- struct{}{}
		if done {
			return
		}
		select {
		case <-again:
		case <-timer.C:
			return
		case <-c.stop:
			return
		}
	}
}
