package bfd

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/steelyard-lb/steelyard/config/feed"
)

// Engine runs BFD sessions.
type Engine struct {
	metrics *metrics
	updates *feed.Latest[Update]
	wanted  atomic.Pointer[[]Session] // nil: nothing new

	mu    sync.Mutex // guards alarm; the loop does not take it
	alarm int        // eventfd that wakes the loop; -1: it does not run
}

// New makes an engine without sessions. reg may be nil.
func New(reg prometheus.Registerer) *Engine {
	return &Engine{metrics: newMetrics(reg), updates: feed.NewLatest(mergeUpdates), alarm: -1}
}

// Updates yields what is known of the sessions: soon after each change, and
// once a second. It has one reader.
func (e *Engine) Updates() <-chan Update { return e.updates.C() }

// Apply makes sessions those that there should be. One that there is already
// goes on, with other settings if they changed. To the peer of one that is not
// wanted any more an AdminDown is sent, for as long as it needs to hear it;
// until then the session is seen as leaving. Of two with one path the first
// counts, and one that cannot be is seen with its problem.
func (e *Engine) Apply(sessions []Session) {
	own := slices.Clone(sessions)
	e.wanted.Store(&own)
	e.ring()
}

// Run runs the sessions until ctx ends, and then falls silent: no peer is told,
// and one that hears nothing until its detection time is over goes down. An
// engine that starts meanwhile is too late to be taken for this one, but not
// late: whoever wants to end in order applies no sessions first, and waits until
// none is left. Run may be called again when it has returned.
func (e *Engine) Run(ctx context.Context) error {
	alarm, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make the alarm of the BFD engine: %w", err)
	}
	e.setAlarm(alarm)
	defer func() {
		e.setAlarm(-1)
		_ = unix.Close(alarm)
	}()
	defer context.AfterFunc(ctx, e.ring)()
	runtime.LockOSThread() // what is said of priorities is said of threads
	defer runtime.UnlockOSThread()
	newLoop(e, alarm).run(ctx)
	return nil
}

func (e *Engine) setAlarm(fd int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alarm = fd
}

// ring wakes the loop.
func (e *Engine) ring() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.alarm >= 0 {
		// Fails only when it rings already.
		_, _ = unix.Write(e.alarm, binary.NativeEndian.AppendUint64(nil, 1))
	}
}
