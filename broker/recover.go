package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omninode-ai/omnibus/internal/defect"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// recoverDir makes a locked data directory ready for the broker inside. After a clean stop every file must match the
// manifest, which is returned; else everything is verified first, and only then mended.
func recoverDir(ctx context.Context, dir string, sameBoot bool) (*manifest, Report, error) {
	begin := time.Now()
	r := &recovery{
		root: logDir(dir), sameBoot: sameBoot,
		producers: newProducers(), commits: make(map[partitionKey]int64),
	}
	m, err := r.run(ctx, dir)
	if err != nil {
		if _, ok := errors.AsType[*CorruptError](err); !ok {
			err = fmt.Errorf("open data directory %s: %w", dir, err)
		}
		return nil, Report{}, err
	}
	r.report.Took = time.Since(begin)
	return m, r.report, nil
}

// recovery verifies a directory and collects what has to be done to it.
type recovery struct {
	root      string
	sameBoot  bool
	producers *producers
	commits   map[partitionKey]int64 // the highest offset that a group has committed
	known     map[int64]int16        // the producers of pids.log, with their epochs
	plans     []func() error
	report    Report
}

type partitionKey struct {
	topic  string
	number int32
}

// plan puts off a change until everything is verified.
func (r *recovery) plan(change func() error) { r.plans = append(r.plans, change) }

// remove plans to remove a file, which may be missing.
func (r *recovery) remove(path string) {
	r.plan(func() error {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// cut plans to cut an incomplete entry off.
func (r *recovery) cut(path, name string, at, bytes int64) {
	r.report.Cuts = append(r.report.Cuts, Cut{File: fileName(name), Offset: at, Bytes: bytes})
	r.plan(func() error { return truncate(path, at) })
}

func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

func (r *recovery) run(ctx context.Context, dir string) (*manifest, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(r.root, "meta.json")); errors.Is(err, fs.ErrNotExist) && m == nil {
		r.report.Fresh = true
		return nil, r.checkFresh()
	}
	if m != nil {
		if err := m.verify(ctx, dir); err != nil {
			return nil, err
		}
		err = r.clean(m)
	} else {
		err = r.checkSums(dir)
		if err == nil {
			err = r.unclean(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	// The sums go before what they are of changes.
	if err := removeChecksums(dir); err != nil {
		return nil, err
	}
	if m != nil {
		// Without the manifest the next start knows that this one did not end in order, from the first change on.
		if err := errors.Join(os.Remove(filepath.Join(dir, manifestName)), syncDir(dir)); err != nil {
			return nil, err
		}
	}
	for _, change := range r.plans {
		if err := change(); err != nil {
			return nil, fmt.Errorf("mend: %w", err)
		}
	}
	return m, nil
}

// checkFresh refuses a directory that has records, but not the file that comes before all records.
func (r *recovery) checkFresh() error {
	entries, err := os.ReadDir(filepath.Join(r.root, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = &CorruptError{File: fileName("meta.json"), Why: "it is missing, but there are partitions"}
	}
	return err
}

// clean counts what the manifest lists, and looks for partitions whose records retention has removed altogether.
func (r *recovery) clean(m *manifest) error {
	r.report.Clean = true
	records := make(map[string]bool) // by the partition's directory
	for name, h := range m.Files {
		if filepath.Ext(name) == segmentSuffix {
			r.report.Segments++
			r.report.Bytes += h.Size
			records[filepath.ToSlash(filepath.Dir(name))] = true
		}
	}
	for name := range m.Files {
		partDir := filepath.ToSlash(filepath.Dir(name))
		if filepath.Base(name) != snapshotName || records[partDir] {
			continue
		}
		p, err := openPartition(r.root, filepath.Base(partDir))
		if err != nil {
			return err
		}
		r.plan(func() error { return p.keepEnd(p.old.HighWatermark) })
	}
	return nil
}

// checkSums verifies the small files after a kill.
func (r *recovery) checkSums(dir string) error {
	sums, err := readChecksums(dir)
	if err != nil {
		return err
	}
	differ, err := sums.differences(dir)
	if err == nil && len(differ) > 0 {
		err = differ[0]
	}
	return err
}

// unclean verifies everything and plans what the stop did not do.
func (r *recovery) unclean(ctx context.Context) error {
	partitions, err := r.readTopics()
	if err != nil {
		return err
	}
	if err := errors.Join(r.checkState(), r.readGroups(), r.readProducers()); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(r.root, "partitions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		p, err := openPartition(r.root, e.Name())
		if err != nil {
			return err
		}
		if p.number >= partitions[p.topic] {
			if err := r.forgotten(p); err != nil {
				return err
			}
			continue
		}
		if err := p.recover(ctx, r); err != nil {
			return err
		}
	}
	r.report.Producers = len(r.producers.windows)
	if !defect.On(defect.LostWindows) {
		r.plan(r.writeProducers)
	}
	return nil
}

// readTopics returns the number of partitions of every topic.
func (r *recovery) readTopics() (map[string]int32, error) {
	var f struct {
		Topics []struct {
			Name       string `json:"name"`
			Partitions int32  `json:"partitions"`
		} `json:"topics"`
	}
	if err := r.readJSON("topics.json", &f); err != nil {
		return nil, err
	}
	partitions := make(map[string]int32)
	for _, t := range f.Topics {
		partitions[t.Name] = t.Partitions
	}
	return partitions, nil
}

// readJSON reads a state file, which may be missing.
func (r *recovery) readJSON(name string, v any) error {
	raw, err := os.ReadFile(filepath.Join(r.root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := jsonx.Unmarshal(raw, v); err != nil {
		return &CorruptError{File: fileName(name), Why: err.Error()}
	}
	return nil
}

// checkState reads the state files that nothing here depends on.
func (r *recovery) checkState() error {
	for _, name := range []string{"meta.json", "acls.json", "broker_configs.json", "quotas.json"} {
		var v jsonx.Value
		if err := r.readJSON(name, &v); err != nil {
			return err
		}
	}
	return nil
}

// readGroups reads the groups' log and cuts it where it ends within an entry: the broker inside would go on writing after
// that, where it never reads again.
func (r *recovery) readGroups() error {
	const name = "groups.log"
	end, size, err := readStateLog(r.root, name, func(data []byte) error {
		var e struct {
			Type   string `json:"type"`
			Topic  string `json:"t"`
			Part   int32  `json:"p"`
			Offset int64  `json:"o"`
		}
		if err := jsonx.Unmarshal(data, &e); err != nil {
			return err
		}
		if e.Type == "commit" {
			key := partitionKey{e.Topic, e.Part}
			r.commits[key] = max(r.commits[key], e.Offset)
		}
		return nil
	})
	if err == nil && end < size {
		r.cut(filepath.Join(r.root, name), name, end, size-end)
	}
	return err
}

// readProducers reads the producers' log and cuts it likewise.
func (r *recovery) readProducers() error {
	r.known = make(map[int64]int16)
	end, size, err := readStateLog(r.root, producersName, func(data []byte) error {
		var e producerEntry
		if err := jsonx.Unmarshal(data, &e); err != nil {
			return err
		}
		r.known[e.Producer] = e.Epoch
		return nil
	})
	if err == nil && end < size {
		r.cut(filepath.Join(r.root, producersName), producersName, end, size-end)
	}
	return err
}

const producersName = "pids.log"

// writeProducers writes the rebuilt windows, and the producers that the log lacks.
func (r *recovery) writeProducers() error {
	raw, err := jsonx.Marshal(r.producers.file())
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(r.root, "seq_windows.json"), raw); err != nil {
		return err
	}
	var frames []byte
	for _, e := range r.producers.missing(r.known) {
		if frames, err = appendFrame(frames, e); err != nil {
			return err
		}
	}
	if len(frames) == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(r.root, producersName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(frames)
	return errors.Join(err, f.Sync(), f.Close())
}

// forgotten deals with a partition that no topic has. The broker inside deletes a topic's records before it forgets the topic.
func (r *recovery) forgotten(p *partition) error {
	for _, s := range p.segments {
		info, err := os.Stat(s.path)
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			return &CorruptError{
				File: fileName("topics.json"),
				Why:  fmt.Sprintf("it does not list partition %d of topic %s, which has records", p.number, p.topic),
			}
		}
	}
	r.plan(func() error { return os.RemoveAll(p.path) })
	return nil
}
