package broker

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// topicsFile is topics.json.
type topicsFile struct {
	Version int          `json:"version"`
	Topics  []topicEntry `json:"topics"`
}

type topicEntry struct {
	Name       string            `json:"name"`
	ID         string            `json:"id"` // base64
	Partitions int               `json:"partitions"`
	Replicas   int               `json:"replicas"`
	Configs    map[string]string `json:"configs,omitzero"`
}

const topicsName = "topics.json"

// examineTopics holds the list of topics against the partitions that are there. Where it cannot be trusted, settings that
// could remove records are left out.
func (r *repair) examineTopics() error {
	raw, there, err := r.read(topicsName)
	if err != nil {
		return err
	}
	kept, err := r.partitionsKept()
	if err != nil {
		return err
	}
	var file topicsFile
	trusted := there && r.bad[topicsName] == nil && jsonx.Unmarshal(raw, &file) == nil
	if trusted {
		listed := true
		for _, t := range file.Topics {
			if kept[t.Name] > int32(t.Partitions) {
				listed = false
			}
			delete(kept, t.Name)
		}
		if listed && len(kept) == 0 || !there && len(kept) == 0 {
			r.topics = partitionsOf(file)
			return nil
		}
		for name := range kept {
			r.found(topicsName, 0, fmt.Sprintf("it does not list topic %s, which has records", name))
		}
		if kept, err = r.partitionsKept(); err != nil {
			return err
		}
	} else if !there && len(kept) == 0 && r.bad[topicsName] == nil {
		return nil
	} else {
		r.found(topicsName, 0, "it cannot be read")
	}
	entries := make(map[string]topicEntry)
	for _, t := range readableTopics(raw) {
		entries[t.Name] = t
	}
	for name, partitions := range kept {
		t, ok := entries[name]
		if !ok {
			t = topicEntry{Name: name}
			r.note("topic %s is listed again, because it has records", name)
		}
		t.Partitions = max(t.Partitions, int(partitions))
		entries[name] = t
	}
	file = topicsFile{Version: 1}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		t := entries[name]
		if id, err := base64.StdEncoding.DecodeString(t.ID); err != nil || len(id) != 16 {
			t.ID = base64.StdEncoding.EncodeToString(newTopicID())
		}
		if !trusted && len(t.Configs) > 0 {
			t.Configs = nil
			r.note("the settings of topic %s are the default ones again: all of its records are kept until you set them", name)
		}
		t.Replicas = 1
		file.Topics = append(file.Topics, t)
	}
	content, err := jsonx.Marshal(file)
	if err != nil {
		return err
	}
	r.topics = partitionsOf(file)
	r.change(fileName(topicsName), content, fmt.Sprintf("written anew: %d topics, those that can be read or have records", len(file.Topics)))
	return nil
}

func partitionsOf(f topicsFile) map[string]int32 {
	out := make(map[string]int32)
	for _, t := range f.Topics {
		out[t.Name] = int32(t.Partitions)
	}
	return out
}

// partitionsKept counts the partitions of each topic that has records.
func (r *repair) partitionsKept() (map[string]int32, error) {
	kept := make(map[string]int32)
	entries, err := os.ReadDir(filepath.Join(r.root, "partitions"))
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		p, err := openPartition(r.root, e.Name())
		if _, corrupt := errors.AsType[*CorruptError](err); corrupt || !e.IsDir() {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, s := range p.segments {
			if info, err := os.Stat(s.path); err == nil && info.Size() > 0 {
				kept[p.topic] = max(kept[p.topic], p.number+1)
			}
		}
	}
	return kept, nil
}

// readableTopics reads the topics whose entries can be read, in a file that as a whole may not be.
func readableTopics(raw []byte) []topicEntry {
	var file topicsFile
	if jsonx.Unmarshal(raw, &file) == nil {
		return slices.DeleteFunc(file.Topics, func(t topicEntry) bool { return !topicName().MatchString(t.Name) || t.Partitions < 1 })
	}
	var found []topicEntry
	for _, text := range regexp.MustCompile(`\{"name":"[^{}]*(?:\{[^{}]*\})?[^{}]*\}`).FindAll(raw, -1) {
		var t topicEntry
		if jsonx.Unmarshal(text, &t) == nil && topicName().MatchString(t.Name) && t.Partitions > 0 {
			found = append(found, t)
		}
	}
	return found
}

func topicName() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`) }
