package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// detached is what the process in the background writes once: that it is ready, or why it is not.
type detached struct {
	upDoc
	Error *errorBody `json:"error"`
}

// runDetached starts this command again in the background and waits until it is ready or has failed. Ready comes through a
// pipe, so that neither has to ask again and again, and a process that dies closes it.
func runDetached(ctx context.Context, a *app) error {
	dir, err := a.dataDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(codeFile, "cannot use %s", dir).because("%s", plainPathError(err)).fix("--data with a directory that can be written")
	}
	log, err := os.OpenFile(logPath(dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return cannotRead(logPath(dir), err)
	}
	defer log.Close() //nolint:errcheck // the background process has its own
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close() //nolint:errcheck // it was only read
	args := slices.DeleteFunc(slices.Clone(a.args), func(arg string) bool { return arg == "--detach" || arg == "-d" || arg == "--detach=true" })
	cmd, err := a.self(context.WithoutCancel(ctx), append(args, "--ready-fd", "3")) // it outlives this process
	if err != nil {
		_ = write.Close() // nothing was started
		return err
	}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C in this terminal is not for it
	err = cmd.Start()
	_ = write.Close() // the child has it; here it would keep the pipe open
	if err != nil {
		return fail(codeInternal, "cannot start the background process").because("%s", plainPathError(err)).fix("omnibus up without --detach")
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }) // it may have ended already
	b, err := io.ReadAll(read)
	stop()
	if ctx.Err() != nil {
		_ = cmd.Wait() // it was told to end
		return ctx.Err()
	}
	var d detached
	if err != nil || jsonx.Unmarshal(b, &d) != nil {
		_ = cmd.Wait() // the pipe is closed, so it has ended
		return fail(codeInternal, "the background process ended before it was ready").at("log", "%s", logPath(dir)).fix("omnibus up without --detach")
	}
	if d.Error != nil {
		_ = cmd.Wait() // as above
		return d.Error.failure().at("log", "%s", logPath(dir))
	}
	if err := cmd.Process.Release(); err != nil {
		return err
	}
	return a.print(d.upDoc, func() error {
		err := a.printFields(
			field{"started", "process " + strconv.Itoa(d.PID)}, field{"kafka", strings.Join(d.Brokers, ",")}, field{"registry", d.Registry}, field{"health", d.URL + "/readyz"},
			field{"data", d.Data}, field{"services", strings.Join(d.Services, ", ")}, field{"log", logPath(dir)},
		)
		if err == nil {
			a.hint("omnibus status shows it, omnibus down stops it")
		}
		return err
	})
}

// self is this program with other arguments, in the same directory and environment.
func (a *app) self(ctx context.Context, args []string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = os.Args[0]
	if a.dir != "" {
		if cmd.Dir, err = filepath.Abs(a.dir); err != nil {
			return nil, err
		}
	}
	for name, value := range sorted(a.env) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd, nil
}

// failure is the failure that another process reported.
func (e errorBody) failure() *failure {
	f := &failure{message: e.Message, cause: e.Cause, err: errors.New(e.Code)}
	if n, err := strconv.Atoi(strings.TrimPrefix(e.Code, "OMB-")); err == nil {
		f.code = code(n)
	}
	for name, value := range sorted(e.Where) {
		f.details = append(f.details, detail{name, value})
	}
	if e.Hint != "" {
		f.fixes = strings.Split(e.Hint, hintSeparator)
	}
	return f
}
