package broker

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kfake"
)

// logger passes on what the broker inside logs. That is also the only way it tells of a write that failed: it then warns with
// an error among the arguments, and of nothing else does it warn so.
type logger struct {
	log    *slog.Logger
	failed func(error)
}

func (l *logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	case kfake.LogLevelNone, kfake.LogLevelInfo, kfake.LogLevelDebug:
		// What it calls information is a line for each client that hangs up.
	}
	ctx := context.Background()
	if to < slog.LevelWarn && !l.log.Enabled(ctx, to) {
		return
	}
	if to >= slog.LevelWarn {
		for _, arg := range args {
			if err, ok := arg.(error); ok {
				l.failed(fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err))
				return // the owner reports it
			}
		}
	}
	l.log.LogAttrs(ctx, to, "embedded broker", slog.String("detail", fmt.Sprintf(format, args...)))
}
