package kube

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/steelyard-lb/steelyard/config"
	"k8s.io/apimachinery/pkg/util/wait"
)

// The default durations of a Lease. With d the longest time an answer of the
// API server takes and r the retry period, the last renewal that is known to
// have gone well was sent at most d+r ago: 1.125 s at d = 1 s. That is within
// the certain time (lease minus margin, 1.3 s), so that the leader does not
// stumble. A follower notices a dead leader within the lease, a jittered retry
// and its own request: 1.55 s + d, and then takes over, reads and writes.
const (
	defaultLease = 1400 * time.Millisecond
	defaultRetry = 125 * time.Millisecond
	leaseMargin  = 100 * time.Millisecond

	retryJitterFactor = 1.2
	complaintGap      = 10 * time.Second // between two words about the same trouble
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
// leader before wrote. [Source.Refresh] reads what is true.
//
// client-go's own election counts in whole seconds and waits for each answer,
// which is too coarse for hand-overs within three seconds.
func (c *Client) Lead(ctx context.Context, o LeaseOptions, run func(context.Context) error) error {
	o = o.withDefaults()
	for ctx.Err() == nil {
		l := &lease{
			api: c.coordination, key: config.Key{Namespace: o.Namespace, Name: o.Name},
			identity: o.Identity, duration: o.Lease, fence: newFence(time.Now()),
		}
		if !compete(ctx, l, o) {
			return nil
		}
		level.Info(o.Logger).Log("msg", "leading")
		lost, err := hold(ctx, l, o.Retry, run)
		level.Info(o.Logger).Log("msg", "no longer leading")
		if !lost || err != nil {
			return err
		}
	}
	return nil
}

// compete tries to take the Lease until it is ours, or false if ctx ends first.
func compete(ctx context.Context, l *lease, o LeaseOptions) bool {
	var leader string
	var complained time.Time
	for {
		err := l.try(ctx)
		if err == nil {
			return true
		}
		if now := time.Now(); !errors.Is(err, errHeld) && ctx.Err() == nil && now.Sub(complained) > complaintGap {
			complained = now
			level.Warn(o.Logger).Log("msg", "cannot compete for the lead", "err", err)
		}
		if holder := l.holder(); holder != "" && holder != leader {
			leader = holder
			level.Info(o.Logger).Log("msg", "leader is "+leader)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait.Jitter(o.Retry, retryJitterFactor)):
		}
	}
}

// hold runs while the Lease is surely ours and releases it. Renewing goes on
// until run has returned, so that the Lease is not given away while run winds
// down. lost tells that run was told to end because of the Lease.
func hold(ctx context.Context, l *lease, retry time.Duration, run func(context.Context) error) (lost bool, err error) {
	leading, lose := context.WithCancel(withFence(ctx, l.fence))
	defer lose()
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var tasks sync.WaitGroup
	tasks.Go(func() { l.keep(renewing, retry, lose) })
	tasks.Go(func() { l.fence.wait(leading); lose() })
	err = run(leading)
	asked := leading.Err() != nil
	lose()
	stop()
	tasks.Wait()
	_ = l.release(context.WithoutCancel(ctx)) // or it runs out by itself
	if asked && (errors.Is(err, context.Canceled) || errors.Is(err, ErrNotLeader)) {
		err = nil
	}
	return asked && ctx.Err() == nil, err
}
