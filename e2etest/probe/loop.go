package probe

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab/network"
)

// Result sums up a loop of requests.
type Result struct {
	Sent, Failed int
	Gap          time.Duration // longest time without a good answer
	LastErr      error         // of the last request that failed
	Slowest      time.Duration // of the good answers
}

// String is one line for people.
func (r Result) String() string {
	s := fmt.Sprintf("%d requests, %d failed, longest gap %v, slowest %v",
		r.Sent, r.Failed, r.Gap.Round(time.Millisecond), r.Slowest.Round(time.Millisecond))
	if r.LastErr != nil {
		s += fmt.Sprintf(", last error: %v", r.LastErr)
	}
	return s
}

// Loop is a running series of requests.
type Loop struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	result Result
	good   time.Time // when the last good answer came, or the start
	bad    time.Time // when the last request failed, or the start
}

// Start makes a request every interval, each on its own connection and without
// waiting for the one before, until Stop.
func Start(ns *network.Netns, r Request, interval time.Duration) *Loop {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Loop{cancel: cancel, good: time.Now(), bad: time.Now()}
	l.ended.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.ended.Go(func() { l.once(ns, r) })
			}
		}
	})
	return l
}

func (l *Loop) once(ns *network.Netns, r Request) {
	// Not the loop's context: a request under way when it stops is still judged.
	answer, err := Get(context.Background(), ns, r)
	if err == nil && answer.Status >= 400 {
		err = fmt.Errorf("status %d: %.80s", answer.Status, answer.Body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Sent++
	if err != nil {
		l.result.Failed++
		l.result.LastErr, l.bad = err, time.Now()
		return
	}
	l.mark(time.Now())
	l.result.Slowest = max(l.result.Slowest, answer.Took)
}

// mark notes a good answer, or the end of the loop.
func (l *Loop) mark(now time.Time) {
	l.result.Gap = max(l.result.Gap, now.Sub(l.good))
	l.good = now
}

// Peek returns the result so far, the open gap included.
func (l *Loop) Peek() Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.result
	r.Gap = max(r.Gap, time.Since(l.good))
	return r
}

// Reset forgets what was counted so far, as if the loop started now.
func (l *Loop) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result, l.good, l.bad = Result{}, time.Now(), time.Now()
}

// Stop ends the loop, waits for the requests under way, and returns the result.
func (l *Loop) Stop() Result {
	l.mu.Lock()
	end := time.Now()
	l.mu.Unlock()
	l.cancel()
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if end.After(l.good) {
		l.mark(end)
	}
	return l.result
}

// Quiet is how long no request has failed, from the last failure or from the
// start of the count.
func (l *Loop) Quiet() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.bad)
}
