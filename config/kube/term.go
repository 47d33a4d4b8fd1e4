package kube

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// term is one attempt to lead: waiting for the Lease, holding it, losing it.
type term struct {
	parent context.Context
	stop   func() // ends the election, which releases the Lease if it is held
	run    func(context.Context) error
	logger log.Logger
	fence  *fence
	done   chan struct{} // closed when run has returned

	mu        sync.Mutex
	leading   bool // run was called
	abandoned bool // run may not be called any more
	lost      bool // run's context ended because of the Lease
	err       error
}

// lead runs while the Lease is held. held ends when the election gives it up.
func (t *term) lead(held context.Context) {
	t.mu.Lock()
	if t.abandoned {
		t.mu.Unlock()
		return
	}
	t.leading = true
	t.mu.Unlock()
	defer close(t.done)
	defer t.stop()

	ctx, cancel := context.WithCancel(withFence(t.parent, t.fence))
	defer cancel()
	loss := sync.OnceFunc(func() {
		t.mu.Lock()
		t.lost = true
		t.mu.Unlock()
		cancel()
	})
	unhook := context.AfterFunc(held, loss)
	defer unhook()
	var watchdog sync.WaitGroup
	watchdog.Go(func() { t.watch(ctx, loss) })
	level.Info(t.logger).Log("msg", "leading")
	t.err = t.run(ctx)
	cancel()
	watchdog.Wait()
	level.Info(t.logger).Log("msg", "no longer leading")
}

// watch calls loss when the certain time is over. The election would notice
// too, but only when its own request has timed out.
func (t *term) watch(ctx context.Context, loss func()) {
	for {
		left := t.fence.left(time.Now())
		if left <= 0 {
			loss()
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// abandon ends the election if it has not been won; otherwise run's context is
// a child of the one that ended, and run's return ends the election.
func (t *term) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.leading {
		t.abandoned = true
		t.stop()
	}
}

// wait returns once run has, with its outcome. It is called when the election
// is over.
func (t *term) wait() (again bool, err error) {
	t.mu.Lock()
	if !t.leading {
		t.abandoned = true
		t.mu.Unlock()
		return t.parent.Err() == nil, nil
	}
	t.mu.Unlock()
	<-t.done
	t.mu.Lock()
	defer t.mu.Unlock()
	asked := t.lost || t.parent.Err() != nil // run was told to end
	if asked && (t.err == nil || errors.Is(t.err, context.Canceled) || errors.Is(t.err, ErrNotLeader)) {
		return t.lost && t.parent.Err() == nil, nil
	}
	return false, t.err
}
