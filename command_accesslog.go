package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/ingress/accesslog"
	"github.com/steelyard-lb/steelyard/ingress/engine"
)

// accessLogFlags say where the access log goes, and how it looks.
type accessLogFlags struct{ to, format string }

func (o *accessLogFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.to, "access-log", "stdout", "where one line for each request goes: stdout (or -), off, or the path of a file, which is opened anew at SIGHUP or SIGUSR1")
	f.StringVar(&o.format, "access-log-format", "", "logfmt, json or combined; empty: as --log-format")
}

// open opens the log. The file is nil if it is none.
func (o *accessLogFlags) open(logFormat string) (engine.AccessLog, *logFile, error) {
	format, err := accesslog.ParseFormat(cmp.Or(o.format, logFormat))
	if err != nil {
		return engine.AccessLog{}, nil, usageError{fmt.Errorf("--access-log-format: %w", err)}
	}
	switch {
	case o.to == "off":
		return engine.AccessLog{}, nil, nil
	case o.to == "stdout" || o.to == "-":
		return engine.AccessLog{Writer: os.Stdout, Format: format}, nil, nil
	case !strings.Contains(o.to, "/"): // such as true or false, which it once was
		return engine.AccessLog{}, nil, usageError{fmt.Errorf("--access-log %q: write stdout, off, or a path such as /var/log/access.log", o.to)}
	}
	file, err := openLogFile(o.to)
	if err != nil {
		return engine.AccessLog{}, nil, fmt.Errorf("--access-log: %w", err)
	}
	return engine.AccessLog{Writer: file, Format: format}, file, nil
}

// logFile is a file that is only appended to, and opened anew by its path after others
// have moved it away.
type logFile struct {
	path string

	mu sync.Mutex
	f  *os.File
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.reopen()
}

// reopen goes on with the file that now has the path, if it can be had.
func (l *logFile) reopen() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.f
	l.f = f
	if old != nil {
		return old.Close()
	}
	return nil
}

// Write appends to the file.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Write(b)
}

// reopenWhenTold opens the file anew at each signal that comes through told, until ctx
// ends. If that fails, lines go on to where they went.
func (l *logFile) reopenWhenTold(ctx context.Context, told <-chan os.Signal, logger log.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case sig := <-told:
			if err := l.reopen(); err != nil {
				level.Error(logger).Log("msg", "access log cannot be opened anew", "signal", sig, "err", err)
				continue
			}
			level.Info(logger).Log("msg", "access log opened anew", "signal", sig, "path", l.path)
		}
	}
}

// rotations are the signals by which others tell that they moved log files away.
func rotations() <-chan os.Signal {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP, syscall.SIGUSR1)
	return told
}
