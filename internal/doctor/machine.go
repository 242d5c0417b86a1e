package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

func checkLimits(context.Context, *exam) []Finding {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return []Finding{{Skip, "this system does not say how many files a program may open", ""}}
	}
	return judgeLimit(uint64(limit.Cur)) //nolint:unconvert // signed on some systems
}

// Files that a program needs: a client has a connection for each broker, and the embedded broker a file for each partition that is
// in use, its index, and a connection for each client.
const (
	filesFew  = 256
	filesGood = 1024
)

func judgeLimit(files uint64) []Finding {
	const fix = "ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit"
	switch {
	case files < filesFew:
		return []Finding{{Fail, fmt.Sprintf("only %d files may be open: a program fails in the middle of its work", files), fix}}
	case files < filesGood:
		return []Finding{{Warn, fmt.Sprintf("%d files may be open: few for the broker of \"omnibus up\"", files), fix}}
	}
	return []Finding{{OK, fmt.Sprintf("%d files may be open", files), ""}}
}

func checkData(ctx context.Context, e *exam) []Finding {
	up := e.cfg.Up
	if up.Data == "" {
		return []Finding{{Skip, "there is no home directory for it (HOME, XDG_DATA_HOME, --data)", ""}}
	}
	at, err := nearestDir(up.Data)
	if err != nil {
		return []Finding{{Fail, fmt.Sprintf("%s cannot be used: %s", up.Data, oneline.Cause(err)), "--data with a directory that can be written"}}
	}
	var found []Finding
	switch free, keep, err := broker.DiskRoom(at); {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		found = append(found, Finding{Warn, fmt.Sprintf("the room on the disk of %s is not known: %s", at, oneline.Cause(err)), "--data with another directory"})
	default:
		found = append(found, judgeRoom(up.Data, free, keep)...)
	}
	dir := filepath.Join(up.Data, "kafka")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return append(found, Finding{OK, "nothing is kept in " + up.Data + " yet", ""})
	}
	report, err := broker.PlanRepair(ctx, dir)
	if used, ok := errors.AsType[*broker.DirInUseError](err); ok {
		return append(found, Finding{Skip, fmt.Sprintf("process %d has it open, and verified it when it started", used.PID), ""})
	}
	switch {
	case ctx.Err() != nil:
		return append(found, Finding{Skip, "not verified: it takes longer than a check may", "omnibus repair verifies it, and changes nothing"})
	case err != nil:
		return append(found, Finding{Fail, fmt.Sprintf("%s cannot be verified: %s", dir, oneline.Cause(err)), "omnibus repair says more"})
	case len(report.Damage) > 0:
		d := report.Damage[0]
		return append(found, Finding{
			Fail, fmt.Sprintf("%s in %s: %s at byte %d: %s. \"omnibus up\" refuses it", count(len(report.Damage), "damage", "damages"), dir, d.File, d.Offset, d.Why),
			"omnibus repair says what can be kept",
		})
	}
	return append(found, Finding{OK, "what is kept in " + up.Data + " matches what was written down about it", ""})
}

// nearestDir is dir, or the directory in which it would be made.
func nearestDir(dir string) (string, error) {
	for {
		st, err := os.Stat(dir)
		switch {
		case err == nil && !st.IsDir():
			return "", fmt.Errorf("%s is no directory", dir)
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", err
		}
		dir = parent
	}
}

// judgeRoom compares what is free with what the broker keeps free.
func judgeRoom(dir string, free, keep int64) []Finding {
	const fix = "make room on that disk, or --data with a directory on another one"
	room := fmt.Sprintf("%d MiB are free for %s", free>>20, dir)
	switch {
	case free <= keep:
		return []Finding{{Fail, fmt.Sprintf("%s, and the broker keeps %d MiB free: it refuses writes", room, keep>>20), fix}}
	case free <= 4*keep:
		return []Finding{{Warn, fmt.Sprintf("%s; the broker refuses writes below %d MiB", room, keep>>20), fix}}
	}
	return []Finding{{OK, room, ""}}
}

func checkPorts(ctx context.Context, e *exam) []Finding {
	up := e.cfg.Up
	if up.Running {
		return []Finding{{OK, fmt.Sprintf("\"omnibus up\" has them: process %d", up.PID), ""}}
	}
	var found []Finding
	for _, p := range []struct{ addr, what, flag string }{{up.Kafka, "Kafka", "--port-kafka"}, {up.Console, "health", "--port-console"}, {up.Registry, "schema registry", "--port-registry"}} {
		if p.addr == "" {
			continue
		}
		err := broker.CheckPort(ctx, p.addr)
		taken, ok := errors.AsType[*broker.PortTakenError](err)
		switch {
		case ok && slices.ContainsFunc(e.cfg.Bus.Brokers, func(b string) bool { return samePlace(b, p.addr) }):
			found = append(found, Finding{OK, fmt.Sprintf("%s is where the settings have the broker%s", p.addr, owner(taken)), ""})
		case ok:
			found = append(found, Finding{Warn, fmt.Sprintf("%s (%s) is taken%s: \"omnibus up\" would refuse to start", p.addr, p.what, owner(taken)), "stop that process, or omnibus up " + p.flag + " PORT; 0 picks a free one"})
		case err != nil:
			found = append(found, Finding{Warn, fmt.Sprintf("%s (%s) cannot be listened on: %s", p.addr, p.what, oneline.Cause(err)), "omnibus up " + p.flag + " PORT"})
		default:
			found = append(found, Finding{OK, fmt.Sprintf("%s (%s) is free", p.addr, p.what), ""})
		}
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, "any that are free will do (port 0)", ""})
	}
	return found
}

func owner(e *broker.PortTakenError) string {
	if e.PID == 0 {
		return ""
	}
	return fmt.Sprintf(", by process %d (%s)", e.PID, e.Process)
}

// samePlace tells whether two addresses of this machine are one.
func samePlace(x, y string) bool {
	hostX, portX, errX := net.SplitHostPort(x)
	hostY, portY, errY := net.SplitHostPort(y)
	local := func(host string) bool {
		ip := net.ParseIP(host)
		return host == "localhost" || ip != nil && ip.IsLoopback()
	}
	return errX == nil && errY == nil && portX == portY && (hostX == hostY || local(hostX) && local(hostY))
}
