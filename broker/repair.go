package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// PlanRepair finds out what is wrong with a data directory that [Start] refuses, and what [Repair] would do about it. It
// changes nothing. An error is a [*DirInUseError] while a broker runs on the directory.
func PlanRepair(ctx context.Context, dir string) (RepairReport, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return RepairReport{}, err
	}
	defer lock.release()
	r, err := examine(ctx, dir, lock.sameBoot)
	if err != nil {
		return RepairReport{}, fmt.Errorf("examine data directory %s: %w", dir, err)
	}
	return r.report, nil
}

// Repair makes a data directory that [Start] refuses one that it accepts: what verifies is kept, and what does not is put
// aside. Every file that it changes or removes is copied to a directory of its own below quarantine first, with the report. It
// does what [PlanRepair] says as long as nothing has changed since.
func Repair(ctx context.Context, dir string) (RepairReport, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return RepairReport{}, err
	}
	defer lock.release()
	r, err := examine(ctx, dir, lock.sameBoot)
	if err != nil {
		return RepairReport{}, fmt.Errorf("examine data directory %s: %w", dir, err)
	}
	if len(r.changes) == 0 {
		return r.report, nil
	}
	if err := r.execute(time.Now()); err != nil {
		return r.report, fmt.Errorf("repair data directory %s: %w", dir, err)
	}
	left := &recovery{root: logDir(dir), sameBoot: lock.sameBoot, producers: newProducers(), commits: make(map[partitionKey]int64)}
	if err := left.unclean(ctx); err != nil {
		return r.report, fmt.Errorf("the data directory is still refused after the repair: %w", err)
	}
	return r.report, nil
}

// repair examines a directory and collects what to do.
type repair struct {
	dir  string
	root string

	sameBoot bool                     // see dirLock
	clean    bool                     // it was left in order: there is a manifest, which counts
	bad      map[string]*CorruptError // files that do not match what was known of them, below the log directory
	changes  []change
	report   RepairReport

	topics  map[string]int32 // and their partitions
	commits map[partitionKey]int64
}

// change is a file's new content; nil removes it.
type change struct {
	file    string // below the data directory
	content []byte
}

func examine(ctx context.Context, dir string, sameBoot bool) (*repair, error) {
	r := &repair{dir: dir, root: logDir(dir), sameBoot: sameBoot, bad: make(map[string]*CorruptError), commits: make(map[partitionKey]int64)}
	if err := r.compare(ctx); err != nil {
		return nil, err
	}
	if _, err := os.Stat(r.root); errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	for _, step := range []func() error{r.examineMeta, r.examineGroups, r.examineTopics, r.examineProducers, r.examineState, r.examineStrangers} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if err := r.examinePartitions(ctx); err != nil {
		return nil, err
	}
	for _, name := range []string{manifestName, checksumsName} {
		listed := slices.ContainsFunc(r.changes, func(c change) bool { return c.file == name })
		if _, err := os.Stat(r.path(name)); err == nil && len(r.changes) > 0 && !listed {
			r.change(name, nil, "set aside: it no longer describes the directory")
		}
	}
	return r, nil
}

// compare finds the files that are not what the manifest says.
func (r *repair) compare(ctx context.Context) error {
	m, err := readManifest(r.dir)
	if corrupt, ok := errors.AsType[*CorruptError](err); ok {
		r.damage(corrupt)
		r.change(manifestName, nil, "set aside: the directory is verified as after a kill")
		return nil
	}
	if err != nil {
		return err
	}
	var differ []*CorruptError
	if r.clean = m != nil; r.clean {
		differ, err = m.differences(ctx, r.dir)
	} else {
		differ, err = r.compareSmall()
	}
	if err != nil {
		return err
	}
	for _, d := range differ {
		r.bad[strings.TrimPrefix(d.File, "log/")] = d
		r.damage(d)
	}
	return nil
}

// compareSmall does so for the small files after a kill.
func (r *repair) compareSmall() ([]*CorruptError, error) {
	sums, err := readChecksums(r.dir)
	if corrupt, ok := errors.AsType[*CorruptError](err); ok {
		r.damage(corrupt)
		r.change(checksumsName, nil, "set aside: the small files cannot be held against it")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return sums.differences(r.dir)
}

func (r *repair) damage(e *CorruptError) {
	r.report.Damage = append(r.report.Damage, Damage{File: e.File, Offset: e.Offset, Why: e.Why})
}

// found notes damage of a file, unless it is known to differ already.
func (r *repair) found(name string, at int64, why string) {
	if r.bad[name] == nil {
		r.damage(&CorruptError{File: fileName(name), Offset: at, Why: why})
	}
}

func (r *repair) change(file string, content []byte, what string) {
	r.changes = append(r.changes, change{file, content})
	r.report.Changes = append(r.report.Changes, Change{File: file, What: what})
}

func (r *repair) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// read reads a file of the log directory, which may be missing.
func (r *repair) read(name string) (raw []byte, there bool, err error) {
	raw, err = os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return raw, err == nil, err
}

// examineMeta replaces the file that says that there is a broker's data.
func (r *repair) examineMeta() error {
	const name = "meta.json"
	raw, there, err := r.read(name)
	if err != nil {
		return err
	}
	var v jsonx.Value
	if there && r.bad[name] == nil && jsonx.Unmarshal(raw, &v) == nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(r.root, "partitions")); !there && errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever kept here
	}
	if !there {
		r.found(name, 0, "it is missing")
	} else {
		r.found(name, 0, "it cannot be read")
	}
	r.change(fileName(name), []byte(`{"version":1,"cluster_id":"omnibus"}`), "written anew: it holds no more than the version")
	return nil
}

// examineGroups keeps the entries of the groups' log that verify.
func (r *repair) examineGroups() error {
	const name = "groups.log"
	raw, there, err := r.read(name)
	if err != nil {
		return err
	}
	if !there {
		if r.bad[name] != nil {
			r.note("every position of every group is gone with %s: the groups begin anew", fileName(name))
		}
		return nil
	}
	var good []byte
	var lost []groupEntry
	entries, unread := 0, 0
	positions := make(map[positionKey]int64)
	salvageFrames(raw, func(entry, data []byte) error {
		var e groupEntry
		if err := jsonx.Unmarshal(data, &e); err != nil {
			return err
		}
		good = append(good, entry...)
		entries++
		switch key := (positionKey{e.Group, e.Topic, e.Part}); e.Type {
		case "commit":
			positions[key] = e.Offset
			at := partitionKey{e.Topic, e.Part}
			r.commits[at] = max(r.commits[at], e.Offset)
		case "delete":
			delete(positions, key)
		}
		return nil
	}, func(at int64, bytes []byte, why string) {
		if !r.clean && at+int64(len(bytes)) == int64(len(raw)) && incomplete(bytes) {
			return // it was being written, and the next start cuts it
		}
		r.found(name, at, why)
		unread++
		lost = append(lost, guessEntries(bytes)...)
	})
	if unread == 0 && r.bad[name] == nil {
		return nil
	}
	if d := r.bad[name]; d != nil && unread == 0 {
		r.note("%s is not as the broker left it (%s), and positions that were at its end fall back", fileName(name), d.Why)
	}
	for _, e := range lost {
		if e.Type != "commit" && e.Type != "" {
			continue // what a group agreed on is agreed on anew when its members come back
		}
		now, ok := positions[positionKey{e.Group, e.Topic, e.Part}]
		if !ok {
			now = -1
		}
		if now < e.Offset || e.Offset < 0 {
			r.report.Positions = append(r.report.Positions, LostPosition{Group: e.Group, Topic: e.Topic, Partition: e.Part, Before: e.Offset, Now: now})
		}
		at := partitionKey{e.Topic, e.Part}
		r.commits[at] = max(r.commits[at], e.Offset)
	}
	r.change(fileName(name), notNil(good), fmt.Sprintf("kept: %d entries; dropped: %d places that do not verify", entries, unread))
	return nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// incomplete says whether the bytes can be the beginning of an entry that was being written.
func incomplete(b []byte) bool {
	_, n, why := frame(b)
	return why == "" && n > len(b) && notBeginningFrame(b) == ""
}

// examineProducers keeps the entries of the producers' log that verify; the next start adds those that the records tell of.
func (r *repair) examineProducers() error {
	raw, there, err := r.read(producersName)
	if err != nil || !there {
		return err
	}
	var good []byte
	unread := 0
	salvageFrames(raw, func(entry, data []byte) error {
		var e producerEntry
		if err := jsonx.Unmarshal(data, &e); err != nil {
			return err
		}
		good = append(good, entry...)
		return nil
	}, func(at int64, bytes []byte, why string) {
		if !r.clean && at+int64(len(bytes)) == int64(len(raw)) && incomplete(bytes) {
			return
		}
		r.found(producersName, at, why)
		unread++
	})
	if unread > 0 || r.bad[producersName] != nil {
		r.change(fileName(producersName), notNil(good), "kept: what verifies; producers are found again in their records")
	}
	return nil
}

// examineState sets the files aside that others make good, or that nothing does.
func (r *repair) examineState() error {
	for name, note := range map[string]string{
		"seq_windows.json":    "",
		"session_state.json":  "",
		"acls.json":           "the access rules are gone: set them again",
		"quotas.json":         "the quotas are gone: set them again",
		"broker_configs.json": "the broker's own settings are those of the beginning again",
	} {
		raw, there, err := r.read(name)
		if err != nil {
			return err
		}
		var v jsonx.Value
		bad := r.bad[name] != nil
		if there && !bad && jsonx.Unmarshal(raw, &v) == nil || !there && !bad {
			continue
		}
		r.found(name, 0, "it cannot be read")
		if note != "" {
			r.note("%s", note)
		}
		if !there {
			continue
		}
		what := "set aside"
		if name == "seq_windows.json" {
			what = "set aside: it is made again from the records"
		}
		r.change(fileName(name), nil, what)
	}
	slices.SortFunc(r.report.Changes, func(a, b Change) int { return strings.Compare(a.File, b.File) })
	slices.Sort(r.report.Notes)
	return nil
}

// examineStrangers sets files aside that no broker left.
func (r *repair) examineStrangers() error {
	for name, d := range r.bad {
		inPartition := strings.HasPrefix(name, "partitions/")
		if d.Why != strangerWhy || inPartition && isRecords(name) {
			continue
		}
		r.change(fileName(name), nil, "set aside: the broker did not leave it there")
	}
	return nil
}

// execute copies what is to change to the quarantine, and then changes it.
func (r *repair) execute(now time.Time) error {
	r.report.Quarantine = "quarantine/" + now.UTC().Format("20060102T150405.000Z")
	to := filepath.Join(r.dir, filepath.FromSlash(r.report.Quarantine))
	dirs := []string{r.dir, filepath.Dir(to), to}
	for _, c := range r.changes {
		raw, err := os.ReadFile(r.path(c.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		aside := filepath.Join(to, filepath.FromSlash(c.file))
		if err := os.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
			return err
		}
		if err := replaceFile(aside, raw); err != nil {
			return err
		}
		dirs = append(dirs, filepath.Dir(aside))
	}
	report, err := jsonx.MarshalIndent(r.report)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(to, "report.json"), append(report, '\n')); err != nil {
		return err
	}
	for _, d := range dirs {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	// What describes the directory goes first: from then on every file is looked at.
	describes := func(c change) bool { return c.file == manifestName || c.file == checksumsName }
	r.changes = append(slices.Collect(filtered(r.changes, describes)), slices.DeleteFunc(r.changes, describes)...)
	for _, c := range r.changes {
		path := r.path(c.file)
		if c.content == nil {
			err = os.Remove(path)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		} else if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = replaceFile(path, c.content)
		}
		if err == nil {
			err = syncDir(filepath.Dir(path))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func filtered(all []change, want func(change) bool) iter.Seq[change] {
	return func(yield func(change) bool) {
		for _, c := range all {
			if want(c) && !yield(c) {
				return
			}
		}
	}
}

func (r *repair) path(file string) string { return filepath.Join(r.dir, filepath.FromSlash(file)) }

// newTopicID is the ID of a topic whose own cannot be read.
func newTopicID() []byte {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	return id
}
