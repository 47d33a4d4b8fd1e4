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
type fence struct {
	start time.Time
	until atomic.Int64 // nanoseconds after start
}

func newFence(now time.Time) *fence { return &fence{start: now} }

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

// close ends the certain time for good.
func (f *fence) close() { f.until.Store(closed) }

const closed = math.MinInt64 / 2 // less than any time, and nothing overflows

// left is how much of the certain time is left at now; negative when it is over.
func (f *fence) left(now time.Time) time.Duration {
	return time.Duration(f.until.Load()) - now.Sub(f.start)
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
