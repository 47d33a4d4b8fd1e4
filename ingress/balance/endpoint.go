package balance

import (
	"math"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// rampFor is how long it takes until an endpoint that is new, or comes back, has
	// its full share, and rampFrom is the part of it that it begins with.
	rampFor  = 10 * time.Second
	rampFrom = 0.1

	// An endpoint that fails is passed over for shortest, twice as long after each
	// further failure, at most longest.
	shortest = 2 * time.Second
	longest  = time.Minute

	// halfLife is that of what is known of an endpoint's latency.
	halfLife = 5 * time.Second
)

// Endpoint is what is known of an address, in whatever pools it is. Make it with
// [NewEndpoint].
type Endpoint struct {
	addr netip.AddrPort

	inFlight atomic.Int32
	down     atomic.Int64  // passed over until then
	ramp     atomic.Int64  // since when its share grows
	failed   atomic.Int64  // when it did so last
	failures atomic.Int32  // in a row
	latency  atomic.Uint64 // float64 bits, in ns, as it was at the time of seen; 0: unknown
	seen     atomic.Int64
}

// NewEndpoint makes an Endpoint that there has been since then, of which nothing else
// is known yet.
func NewEndpoint(addr netip.AddrPort, since time.Duration) *Endpoint {
	e := &Endpoint{addr: addr}
	e.ramp.Store(int64(since))
	return e
}

// Begin counts a request that is sent to the endpoint; [Endpoint.End] has to follow.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

// End counts it as over.
func (e *Endpoint) End() { e.inFlight.Add(-1) }

// InFlight is how many requests were begun that are not over.
func (e *Endpoint) InFlight() int { return int(e.inFlight.Load()) }

// Answer notes how long it took until the endpoint began to answer a request.
func (e *Endpoint) Answer(now, latency time.Duration) {
	if e.failures.Load() != 0 {
		e.recover(now, now-latency)
	}
	// A peak counts at once, and what is better bit by bit (peak EWMA): a slow
	// endpoint is to be noticed before many wait for it.
	is, was := max(float64(latency), 1), math.Float64frombits(e.latency.Load())
	if was > is {
		weight := fade(now - time.Duration(e.seen.Load()))
		is = was*weight + is*(1-weight)
	}
	e.latency.Store(math.Float64bits(is))
	e.seen.Store(int64(now))
}

// Fail notes that the endpoint took no connection: it is passed over for a while,
// and then its share grows again.
func (e *Endpoint) Fail(now time.Duration) {
	if !e.up(now) {
		return // others that were under way fail as well: that is one failure
	}
	away := shortest << min(e.failures.Add(1)-1, 8)
	e.failed.Store(int64(now))
	e.away(now + min(away, longest))
}

// recover notes that it answers a request that was begun after it had failed.
func (e *Endpoint) recover(now, begun time.Duration) {
	if begun < time.Duration(e.failed.Load()) {
		return // what it had accepted before says nothing
	}
	e.failures.Store(0)
	if !e.up(now) { // asked because all are passed over
		e.away(now)
	}
}

// away has it be passed over until then.
func (e *Endpoint) away(till time.Duration) {
	e.down.Store(int64(till))
	e.ramp.Store(int64(till))
}

// up tells whether it is not passed over.
func (e *Endpoint) up(now time.Duration) bool { return time.Duration(e.down.Load()) <= now }

// share is the part of its share that one has whose share grows since then.
func share(since int64, now time.Duration) float64 {
	age := now - time.Duration(since)
	if age >= rampFor {
		return 1
	}
	return max(rampFrom, float64(age)/float64(rampFor))
}

// expects is the latency to be expected: what was seen fades, so that whoever was
// slow is asked again. 0 if it is unknown.
func (e *Endpoint) expects(now time.Duration) float64 {
	return math.Float64frombits(e.latency.Load()) * fade(now-time.Duration(e.seen.Load()))
}

// fade is 1 for what has just been, and half of that for each half-life; between
// those it is a straight line, which costs less than a power.
func fade(age time.Duration) float64 {
	if age <= 0 {
		return 1
	}
	halves := age / halfLife
	if halves > 60 {
		return 0
	}
	part := float64(age%halfLife) / float64(halfLife)
	return (1 - part/2) / float64(uint64(1)<<halves)
}
