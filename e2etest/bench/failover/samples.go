package failover

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
)

// sample is one request.
type sample struct {
	sent, done time.Time
	err        error
}

// samples are requests in no order.
type samples []sample

// gap is the longest time between two good answers of which the later one came
// after the event. Without one, it has no end: see [samples.quiet].
func (s samples) gap(event time.Time) time.Duration {
	var good []time.Time
	for _, one := range s {
		if one.err == nil {
			good = append(good, one.done)
		}
	}
	slices.SortFunc(good, time.Time.Compare)
	longest := time.Duration(0)
	for i := 1; i < len(good); i++ {
		if good[i].After(event) {
			longest = max(longest, good[i].Sub(good[i-1]))
		}
	}
	return longest
}

// outage is the time from the event until a request was answered that had been
// sent after the last one that failed; 0 if none failed. It is what a client
// notices all of whose requests take the way that fails.
func (s samples) outage(event time.Time) time.Duration {
	var lost, found time.Time
	for _, one := range s {
		if one.err != nil && one.done.After(event) && one.sent.After(lost) {
			lost = one.sent
		}
	}
	for _, one := range s {
		if one.err == nil && one.sent.After(lost) && (found.IsZero() || one.done.Before(found)) {
			found = one.done
		}
	}
	if lost.IsZero() || found.IsZero() {
		return 0
	}
	return found.Sub(event)
}

// misled is the time from the event until the last request was sent that failed;
// 0 if none failed that was sent after it.
func (s samples) misled(event time.Time) (last time.Duration) {
	for _, one := range s {
		if one.err != nil {
			last = max(last, one.sent.Sub(event))
		}
	}
	return last
}

// failed counts the requests that failed after the event.
func (s samples) failed(event time.Time) (n int) {
	for _, one := range s {
		if one.err != nil && one.done.After(event) {
			n++
		}
	}
	return n
}

// story says how often which requests failed, and when as seen from the event.
func (s samples) story(event time.Time) string {
	type kind struct {
		n           int
		first, last time.Duration
	}
	kinds := map[string]kind{}
	for _, one := range s {
		if one.err == nil {
			continue
		}
		what := cause(one.err)
		k, sent := kinds[what], one.sent.Sub(event)
		if k.n == 0 {
			k.first, k.last = sent, sent
		}
		kinds[what] = kind{k.n + 1, min(k.first, sent), max(k.last, sent)}
	}
	var out []string
	for _, what := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[what]
		out = append(out, fmt.Sprintf("%d × %s, sent %.0f to %.0f ms after the event", k.n, what, bench.Milliseconds(k.first), bench.Milliseconds(k.last)))
	}
	return strings.Join(out, "; ")
}

// cause is err without the addresses that differ from request to request.
func cause(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err.Error()
	}
	if op.Timeout() {
		return op.Op + ": timeout"
	}
	return fmt.Sprintf("%s: %v", op.Op, op.Err)
}

// lastFailure is when the last request that failed was given up, with its
// error; the zero time if none failed.
func (s samples) lastFailure() (at time.Time, why error) {
	for _, one := range s {
		if one.err != nil && one.done.After(at) {
			at, why = one.done, one.err
		}
	}
	return at, why
}

// quiet is nil once requests have been answered and none has failed for so long
// before now, all of it after the event.
func (s samples) quiet(event, now time.Time, calm time.Duration) error {
	since, why := s.lastFailure()
	if since.Before(event) {
		since = event
	}
	answered := slices.ContainsFunc(s, func(one sample) bool { return one.err == nil && one.done.After(since) })
	if !answered || now.Sub(since) < calm {
		return fmt.Errorf("%d of %d requests failed, the last one %.1f s after the event: %w",
			s.failed(event), len(s), since.Sub(event).Seconds(), orNone(why))
	}
	return nil
}

// orNone stands in where no request has failed yet.
func orNone(err error) error {
	if err == nil {
		return fmt.Errorf("no failure yet")
	}
	return err
}

// slow is how many were answered, and took longer than limit.
func (s samples) slow(limit time.Duration) (n int) {
	for _, one := range s {
		if one.err == nil && one.done.Sub(one.sent) > limit {
			n++
		}
	}
	return n
}
