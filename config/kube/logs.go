package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

// logEvery is the shortest time between two lines with the same message.
const logEvery = 30 * time.Second

// captureLogs sends what client-go says through logger: errors as warnings, at
// most one in a while of each kind, and no chatter. It replaces process-wide
// settings of client-go, which has no others.
func captureLogs(logger log.Logger) {
	sink := &logSink{logger: logger, last: map[string]time.Time{}}
	klog.SetLogger(klog.New(sink))
	utilruntime.ErrorHandlers = []utilruntime.ErrorHandler{
		func(_ context.Context, err error, msg string, _ ...any) { sink.Error(err, msg) },
	}
}

// logSink is a sink for klog on a go-kit logger.
type logSink struct {
	logger log.Logger

	mu   sync.Mutex
	last map[string]time.Time // message → when it was last logged
}

// Init, WithValues and WithName keep nothing: the message and error say it all.
func (s *logSink) Init(klog.RuntimeInfo)            {}
func (s *logSink) WithValues(...any) klog.LogSink   { return s }
func (s *logSink) WithName(string) klog.LogSink     { return s }
func (s *logSink) Enabled(verbosity int) bool       { return verbosity == 0 }
func (s *logSink) Info(_ int, msg string, _ ...any) { _ = level.Debug(s.logger).Log("msg", msg) }

// Error logs once in a while per message.
func (s *logSink) Error(err error, msg string, _ ...any) {
	if s.due(msg, time.Now()) {
		_ = level.Warn(s.logger).Log("msg", "client-go: "+msg, "err", fmt.Sprint(err))
	}
}

func (s *logSink) due(msg string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.last[msg]; ok && now.Sub(t) < logEvery {
		return false
	}
	if len(s.last) > 100 { // messages are constants in client-go; make sure of it
		clear(s.last)
	}
	s.last[msg] = now
	return true
}
