package kube

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/steelyard-lb/steelyard/config"
)

// The default durations of a Lease. With d the longest time an answer of the
// API server takes and r the retry period, the last renewal that is known to
// have gone well was sent at most d+r ago: 1.125 s at d = 1 s. That is within
// the certain time (lease minus margin, 1.3 s), so that the leader does not
// stumble. A follower looks at the Lease every retry; it sees the last renewal
// at most d+r after it was carried out, far less as a rule, and takes over a
// lease later.
const (
	defaultLease = 1400 * time.Millisecond
	defaultRetry = 125 * time.Millisecond
	leaseMargin  = 100 * time.Millisecond

	complaintGap = 10 * time.Second // between two words about the same trouble
)

// LeaseOptions name a Lease. Durations that are 0 have their defaults.
type LeaseOptions struct {
	Namespace, Name string
	Identity        string // of this process, such as its Pod's name
	// Lease is how long nothing may be heard of a holder before another takes over.
	Lease  time.Duration
	Retry  time.Duration // between attempts
	Logger log.Logger
}

func (o LeaseOptions) withDefaults() LeaseOptions {
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Retry == 0 {
		o.Retry = defaultRetry
	}
	if o.Logger == nil {
		o.Logger = log.NewNopLogger()
	}
	return o
}

// Lead competes for the Lease and calls run whenever this process holds it.
// run's context ends before another process can hold the Lease, and writes
// made under it are refused from then on. When ctx ends, run's context does,
// and the Lease is released once run has returned. Lead returns when ctx is
// done or when run returned of its own accord, with run's error.
//
// A new leader must not trust its watch cache: it may lag behind what the
// leader before wrote. prepare is for reading what is true, as [Source.Refresh]
// does: Lead calls it when it sends the request that takes the Lease, so that
// both are under way together, and run once both went well. If somebody else
// takes the Lease, prepare's context ends. An error of prepare is like one of run.
//
// client-go's own election counts in whole seconds and waits for each answer,
// which is too coarse for hand-overs within three seconds.
func (c *Client) Lead(ctx context.Context, o LeaseOptions, prepare, run func(context.Context) error) error {
	o = o.withDefaults()
	words := &words{logger: o.Logger}
	for {
		l := &lease{
			api: c.coordination, key: config.Key{Namespace: o.Namespace, Name: o.Name},
			identity: o.Identity, duration: o.Lease, fence: newFence(time.Now(), o.Lease/2),
		}
		if !compete(ctx, l, o.Retry, words) {
			return nil
		}
		if lost, err := hold(ctx, l, o.Retry, words, prepare, run); !lost {
			return err
		}
	}
}

// compete looks at the Lease until it is free, or false if ctx ends first.
// Looks do not wait for each other: the quickest answer tells that the holder
// is alive, and the time without a sign of it begins when it was seen last.
func compete(ctx context.Context, l *lease, retry time.Duration, words *words) bool {
	looking, stop := context.WithCancel(ctx)
	defer stop()
	sightings := make(chan sighting)
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(l.left()):
			return true
		case <-tick.C:
			go func() {
				select {
				case sightings <- l.look(looking):
				case <-looking.Done():
				}
			}()
		case s := <-sightings:
			if s.err != nil {
				words.trouble(s.err)
				continue
			}
			l.note(s)
			words.leader(l.holder())
		}
	}
}

// hold takes the Lease, runs while it surely is ours, and releases it. Renewing
// goes on until run has returned, so that the Lease is not given away while run
// winds down. lost tells that it was the Lease that ended run, or that somebody
// else was quicker to take it.
func hold(ctx context.Context, l *lease, retry time.Duration, words *words, prepare, run func(context.Context) error) (lost bool, err error) {
	leading, lose := context.WithCancel(withFence(ctx, l.fence))
	defer lose()
	prepared := make(chan error, 1)
	go func() { prepared <- prepare(leading) }()
	if err := l.take(ctx); err != nil {
		lose()
		<-prepared
		words.trouble(err)
		return true, nil
	}
	words.term("leading")
	defer words.term("no longer leading")
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var tasks sync.WaitGroup
	tasks.Go(func() { l.keep(renewing, retry, lose) })
	tasks.Go(func() { l.fence.wait(leading); lose() })
	if err = <-prepared; err == nil {
		err = run(leading)
	}
	asked := leading.Err() != nil
	lose()
	stop()
	tasks.Wait()
	_ = l.release(context.WithoutCancel(ctx)) // or it runs out by itself
	if asked && (errors.Is(err, context.Canceled) || errors.Is(err, ErrNotLeader)) {
		err = nil
	}
	return asked && ctx.Err() == nil && err == nil, err
}

// words are what is said about competing, each once.
type words struct {
	logger     log.Logger
	holder     string    // told of last
	complained time.Time // of trouble
}

func (w *words) term(msg string) { level.Info(w.logger).Log("msg", msg) }

// leader says who leads, if somebody does and it is news.
func (w *words) leader(holder string) {
	if holder != "" && holder != w.holder {
		w.holder = holder
		w.term("leader is " + holder)
	}
}

// trouble says why nothing came of competing, unless others were quicker.
func (w *words) trouble(err error) {
	if now := time.Now(); !errors.Is(err, errHeld) && now.Sub(w.complained) > complaintGap {
		w.complained = now
		level.Warn(w.logger).Log("msg", "cannot compete for the lead", "err", err)
	}
}
