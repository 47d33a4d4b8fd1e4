package health

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/feed"
	"github.com/steelyard-lb/steelyard/l4proxy/health/check"
)

// slots are the checks that run at once at most, each with a connection.
const slots = 128

// Checker makes the checks of this node.
type Checker struct {
	metrics *metrics
	box     *feed.Latest[[]check.Assignment]
	found   *feed.Latest[[]check.Verdict]
	probe   func(context.Context, check.Target) error
}

// New makes a checker that does nothing until Run. reg may be nil.
func New(reg prometheus.Registerer) *Checker {
	return &Checker{metrics: newMetrics(reg), box: feed.NewLatest[[]check.Assignment](nil),
		found: feed.NewLatest(addVerdicts), probe: Probe}
}

// addVerdicts joins what was not read yet with what came now: of each target the
// last word is enough.
func addVerdicts(old, next []check.Verdict) []check.Verdict {
	out := slices.DeleteFunc(slices.Clone(old), func(v check.Verdict) bool {
		return slices.ContainsFunc(next, func(n check.Verdict) bool { return n.ID == v.ID })
	})
	return append(out, next...)
}

// Apply makes list what is checked from now on. It does not wait.
func (c *Checker) Apply(list []check.Assignment) { c.box.Put(list) }

// Found yields verdicts. It has one reader, which gets all that came since it
// read last.
func (c *Checker) Found() <-chan []check.Verdict { return c.found.C() }

// ended is a check and what it came to.
type ended struct {
	check.Check
	check.Result
}

// Run checks until ctx ends, and returns nil when the last check has ended.
func (c *Checker) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	agenda := check.NewAgenda(rand.Uint64(), slots)
	done := make(chan ended, slots) // a check that ended never waits
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		list, next := agenda.Begin(time.Now())
		for _, one := range list {
			tasks.Go(func() { done <- ended{one, c.ask(ctx, one.Target)} })
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case assigned := <-c.box.C():
			agenda.Apply(assigned, time.Now())
		case e := <-done:
			if v, news := agenda.End(e.Check, e.Result); news {
				c.found.Put([]check.Verdict{v})
			}
		}
	}
}

// ask makes one check, which ends in time whatever the target does.
func (c *Checker) ask(ctx context.Context, t check.Target) check.Result {
	limited, cancel := context.WithTimeout(ctx, t.Check.Timeout)
	defer cancel()
	err := c.probe(limited, t)
	r := check.Result{ID: t.ID()}
	if err != nil {
		r.Hung = limited.Err() != nil || late(err)
		r.Why = reason(err, r.Hung, t.Check.Timeout)
	}
	c.metrics.count(t.Check.Kind, r)
	return r
}
