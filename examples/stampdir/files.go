package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zeebo/blake3"

	"github.com/omninode-ai/omnibus/services/bridge"
)

// sizeLimit is where reading a file is pointless: a record takes 1,000,000 bytes, and JSON makes no text shorter. Smaller
// files may still be too large once they are quoted; then the bus refuses them.
const sizeLimit = 1_000_000

// list finds the regular files below root, in order, as paths below it.
func list(root string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			paths = append(paths, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	return paths, nil
}

// read returns a file's content, or why the file cannot be stamped.
func read(path string) (content []byte, refused string) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err.Error()
	}
	if info.Size() > sizeLimit {
		return nil, fmt.Sprintf("%d bytes, the limit is %d", info.Size(), sizeLimit)
	}
	if content, err = os.ReadFile(path); err != nil {
		return nil, err.Error()
	}
	return content, ""
}

// hashOf is what the bridge must answer: for a file without a stamp what b3sum prints, computed here without the bridge's
// code, and else the hash of what is below the stamp.
func hashOf(content []byte) string {
	if len(bridge.Strip(content)) < len(content) {
		return bridge.Sum(content).String()
	}
	return bridge.Hash(blake3.Sum256(content)).String()
}
