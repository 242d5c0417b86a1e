package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// corrupt stops the broker in order, changes one byte of one file of its directory, and expects that it refuses to start and
// names the file. With the byte changed back it has to start.
func (r *run) corrupt(ctx context.Context, f fault) error {
	p := r.cluster.embedded
	release, err := p.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer r.during(f)()
	if err := p.stop(ctx, endWithin); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(r.plan.Seed, uint64(f.At))) //nolint:gosec // to be repeatable
	file, err := anyFile(rng, filepath.Join(r.dir, dataDir, "log"))
	if err != nil {
		return err
	}
	restore, at, err := flip(rng, file)
	if err != nil {
		return err
	}
	refused := r.refuses(ctx, p, file, at)
	return errors.Join(refused, restore(), p.start(ctx))
}

// refuses returns nil if the broker does not start and says why.
func (r *run) refuses(ctx context.Context, p *player, file string, at int64) error {
	o, _ := p.orders(0)
	now, err := p.spawn(ctx, o, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	err = now.awaitReady(ctx)
	if err == nil {
		return errors.Join(fmt.Errorf("the broker started though byte %d of %s was changed", at, file), now.kill())
	}
	if !now.names(filepath.Base(file)) {
		return errors.Join(fmt.Errorf("byte %d of %s was changed, and the broker said: %w", at, file, err), now.kill())
	}
	return nil
}

// anyFile chooses one of the files below dir that hold something.
func anyFile(rng *rand.Rand, dir string) (string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		files = append(files, path)
		return nil
	})
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("%s holds no file", dir)
	}
	slices.Sort(files)
	return files[rng.IntN(len(files))], nil
}

// flip changes one byte of a file; restore changes it back.
func flip(rng *rand.Rand, file string) (restore func() error, at int64, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, 0, err
	}
	at, change := rng.Int64N(info.Size()), byte(1+rng.IntN(255)) //nolint:gosec // below 256
	once := func() error {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		b := make([]byte, 1)
		_, err = f.ReadAt(b, at)
		if err == nil {
			_, err = f.WriteAt([]byte{b[0] ^ change}, at)
		}
		return errors.Join(err, f.Close())
	}
	return once, at, once()
}
