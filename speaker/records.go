package speaker

import (
	"context"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/feed"
)

const (
	readTimeout = time.Second            // bounds a reading
	readEvery   = 100 * time.Millisecond // between two that fail at once
)

// recordStore shows who owns what as it is now, not as a watch has it.
type recordStore interface {
	// ReadClaims reads at most so many records; 0 is all.
	ReadClaims(ctx context.Context, most int64) ([]*config.L2Claim, error)
}

// reading is what a look at the records brought.
type reading struct {
	begun  time.Time
	all    bool // not one as a sign only
	claims []*config.L2Claim
	err    error
}

// reader reads the records away from the agent's loop, one reading at a time.
type reader struct {
	store recordStore
	done  *feed.Latest[reading]
	tasks sync.WaitGroup
	busy  bool      // of the loop: until it took the reading
	begun time.Time // the last one
	stop  context.CancelFunc
}

func newReader(store recordStore) *reader {
	return &reader{store: store, done: feed.NewLatest[reading](nil)}
}

// Begin begins a reading unless there is one: of all records, or of one as a
// sign that the API server is there, so that the watch shows the others. A
// reading from before the time since is of no use any more, and probably hangs
// in a connection that a cut has broken: it is called off, and the next one
// begins when it is back.
func (r *reader) Begin(ctx context.Context, all bool, since time.Time) {
	now := time.Now()
	if r.busy && r.begun.Before(since) {
		r.stop()
	}
	if r.busy || now.Sub(r.begun) < readEvery {
		return
	}
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	r.busy, r.begun, r.stop = true, now, cancel
	most := int64(1)
	if all {
		most = 0
	}
	r.tasks.Go(func() {
		defer cancel()
		got := reading{begun: now, all: all}
		got.claims, got.err = r.store.ReadClaims(limited, most)
		r.done.Put(got)
	})
}

// learn takes in what the records say. What they say of later than the
// snapshot counts at once: after a cut the watch may be late by seconds.
func (a *Agent) learn(got reading) {
	a.records.busy = false
	a.ground.deaf = got.err != nil || a.ground.deaf && !got.all
	a.late.learn(a.snap, got)
	if got.err != nil {
		level.Debug(a.log).Log("msg", "records not read", "err", got.err)
		return
	}
	a.ground.read = got.begun
}
