package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// runState is what a running stack leaves in its data directory, for "down", "status" and a second "up".
type runState struct {
	PID      int      `json:"pid"`
	Brokers  []string `json:"brokers"`
	URL      string   `json:"url"`
	Registry string   `json:"registry"`
	Services []string `json:"services"`
	Started  string   `json:"started"`
	Keeps    bool     `json:"keeps"` // false: --ephemeral
}

// dataDir is where the embedded broker keeps its data, and the state of a running stack.
func (a *app) dataDir() (string, error) {
	if dir := a.settings.get("OMNIBUS_DATA").value; dir != "" {
		return filepath.Abs(a.path(dir))
	}
	if home, ok := a.env.lookup("XDG_DATA_HOME"); ok && filepath.IsAbs(home) {
		return filepath.Join(home, "omnibus"), nil
	}
	home, ok := a.env.lookup("HOME")
	if !ok || home == "" {
		return "", fail(codeSettings, "there is no home directory to keep data in").because("HOME and XDG_DATA_HOME are not set").fix("--data DIR").fix("--ephemeral")
	}
	return filepath.Join(home, ".local", "share", "omnibus"), nil
}

// brokerDir is the part of the data directory that belongs to the broker.
func brokerDir(dir string) string { return filepath.Join(dir, "kafka") }

func lockPath(dir string) string { return filepath.Join(dir, "up.lock") }
func logPath(dir string) string  { return filepath.Join(dir, "omnibus.log") }

// holdDir makes dir and locks it until the file is closed. The lock ends with the process, however that ends, so that no
// state of a dead one is believed.
func (a *app) holdDir(dir string) (*os.File, error) {
	cannot := func(err error) error {
		return fail(codeFile, "cannot use %s", dir).because("%s", plainPathError(err)).fix("--data with a directory that can be written")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, cannot(err)
	}
	f, err := os.OpenFile(lockPath(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cannot(err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, cannot(err)
	}
	s, _, _ := readState(dir) // it may still be starting, and then there is none
	return nil, runsAlready(dir, s)
}

func runsAlready(dir string, s runState) *failure {
	out := fail(codeRunning, "Omnibus runs already").at("data", "%s", dir)
	if s.PID != 0 {
		out.at("process", "%d, since %s", s.PID, s.Started)
		for _, b := range s.Brokers {
			out.at("kafka", "%s", b)
		}
	}
	return out.because("another \"omnibus up\" holds the data directory").fix("omnibus status").fix("omnibus down").fix("--data DIR for a second one")
}

// writeState replaces the state of the holder of the lock.
func writeState(f *os.File, s runState) error {
	b, err := jsonx.MarshalIndent(s)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(b, '\n'), 0)
	return err
}

// readState tells whether somebody holds dir, and what it says of itself.
func readState(dir string) (s runState, running bool, err error) {
	f, err := os.Open(lockPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return runState{}, false, nil
	}
	if err != nil {
		return runState{}, false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); {
	case err == nil:
		return runState{}, false, nil
	case !errors.Is(err, syscall.EWOULDBLOCK):
		return runState{}, false, err
	}
	b, err := os.ReadFile(lockPath(dir))
	if err != nil {
		return runState{}, true, err
	}
	_ = jsonx.Unmarshal(b, &s) // one that is starting has written nothing yet
	return s, true, nil
}

// awaitEnd waits until nobody holds dir any more.
func awaitEnd(ctx context.Context, dir string) error {
	f, err := os.Open(lockPath(dir))
	if err != nil {
		return err
	}
	free := make(chan error, 1) // one value, so that the waiting can end after ctx has
	go func() {
		defer f.Close() //nolint:errcheck // it was only locked
		for {
			err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
			if !errors.Is(err, syscall.EINTR) {
				free <- err
				return
			}
		}
	}()
	select {
	case err := <-free:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func sinceText(a *app, started string) string {
	t, err := time.Parse(time.RFC3339, started)
	if err != nil {
		return started
	}
	return a.timeText(t) + " (" + a.ago(t) + ")"
}
