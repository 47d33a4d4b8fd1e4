package kube

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync/atomic"
	"time"
)

// ErrNotLeader is the error of a write that was started as leader and is not
// sent, because the Lease may belong to somebody else by now.
var ErrNotLeader = errors.New("no longer the leader")

// fence is the time until which this process surely holds the Lease. It goes
// by the monotonic clock, which also runs while the process is frozen.
//
// A process that was frozen and is thawed when its time is nearly over could
// send a write that reaches the API server after its successor has read. So one
// that stood still for longer than patience is not certain any more.
type fence struct {
	start    time.Time
	patience time.Duration
	until    atomic.Int64 // nanoseconds after start
	awake    atomic.Int64 // at the last beat, in nanoseconds after start; 0: there was none
}

func newFence(now time.Time, patience time.Duration) *fence {
	return &fence{start: now, patience: patience}
}

// extend moves the end of the certain time to t, if it is not later already.
func (f *fence) extend(t time.Time) {
	end := int64(t.Sub(f.start))
	for {
		until := f.until.Load()
		if end <= until || until == closed || f.until.CompareAndSwap(until, end) {
			return
		}
	}
}

// beat notes that the process is awake at now. If the beat before was too long
// ago, the certain time is over for good.
func (f *fence) beat(now time.Time) {
	awake := now.Sub(f.start)
	if before := time.Duration(f.awake.Swap(int64(awake))); before > 0 && awake-before > f.patience {
		f.close()
	}
}

// close ends the certain time for good.
func (f *fence) close() { f.until.Store(closed) }

const closed = math.MinInt64 / 2 // less than any time, and nothing overflows

// left is how much of the certain time is left at now; negative when it is over.
func (f *fence) left(now time.Time) time.Duration {
	end := min(time.Duration(f.until.Load()), time.Duration(f.awake.Load())+f.patience)
	return end - now.Sub(f.start)
}

// wait returns when the certain time is over or ctx ends.
func (f *fence) wait(ctx context.Context) {
	for ctx.Err() == nil {
		left := f.left(time.Now())
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

type fenceKey struct{}

func withFence(ctx context.Context, f *fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

// fencedTransport looks at the fence right before a write leaves, so that a
// process that was frozen in the middle of one does not finish it when thawed.
type fencedTransport struct{ next http.RoundTripper }

func (t fencedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if f, ok := r.Context().Value(fenceKey{}).(*fence); ok && r.Method != http.MethodGet && f.left(time.Now()) <= 0 {
		if r.Body != nil {
			_ = r.Body.Close() // as every RoundTripper must
		}
		return nil, ErrNotLeader
	}
	return t.next.RoundTrip(r)
}
