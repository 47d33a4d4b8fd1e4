package engine

import (
	"sync/atomic"
	"time"
)

// durations are the upper bounds of the buckets of the time that a request takes.
var durations = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second, time.Minute,
}

// tally counts for one loop, or for some goroutines, so that processors do not write to
// the same memory all the time.
type tally struct {
	inFlight    atomic.Int64
	http, https atomic.Int64                      // connections of clients
	classes     [6]atomic.Uint64                  // answers by the first digit of their status
	buckets     [len(durations) + 1]atomic.Uint64 // requests by their duration
	took        atomic.Int64                      // all of them together, in nanoseconds
	retries     atomic.Uint64                     // requests that were sent to another endpoint
	unconnected atomic.Uint64                     // connections that endpoints did not accept
	_           [64]byte                          // the next one is in another line of the processor's memory
}

// count counts a request that is over.
func (t *tally) count(status int, took time.Duration) {
	t.classes[min(max(status/100, 0), 5)].Add(1)
	i := 0
	for i < len(durations) && took > durations[i] {
		i++
	}
	t.buckets[i].Add(1)
	t.took.Add(int64(took))
}

// open counts the connections of clients that speak HTTP or HTTPS.
func (t *tally) open(proto string) *atomic.Int64 {
	if proto == "https" {
		return &t.https
	}
	return &t.http
}
