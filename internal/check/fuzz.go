package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"time"
)

// fuzz runs every fuzz target for a while: Go runs one at a time.
func fuzz(ctx context.Context, w io.Writer, args []string) error {
	each := "10s"
	if len(args) > 0 {
		each = args[0]
	}
	if _, err := time.ParseDuration(each); err != nil {
		return fmt.Errorf("fuzz: how long for each target: %w", err)
	}
	steps, err := fuzzTargets(os.DirFS("."), each)
	if err != nil {
		return err
	}
	return runSteps(ctx, w, steps, nil)
}

var fuzzFunc = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(`)

// fuzzTargets finds the fuzz targets below root.
func fuzzTargets(root fs.FS, each string) ([]step, error) {
	var steps []step
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		src, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		for _, m := range fuzzFunc.FindAllSubmatch(src, -1) {
			name := string(m[1])
			c := goCommand("test", "-run=^$", "-fuzz=^"+name+"$", "-fuzztime="+each, "./"+path.Dir(file))
			steps = append(steps, stepOf(path.Join(path.Dir(file), name), c))
		}
		return nil
	})
	return steps, err
}
