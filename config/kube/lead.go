package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/klog/v2"
)

// The default durations of a Lease. With d the longest time an answer of the
// API server takes and r the retry period, the last renewal that is known to
// have gone well was sent at most d+r ago: 1.125 s at d = 1 s. That is within
// the certain time (lease minus margin, 1.3 s), so that the leader does not
// stumble. A follower notices a dead leader within the lease, a jittered retry
// and its own request: 1.55 s + d, and then takes over, reads and writes.
const (
	defaultLease  = 1400 * time.Millisecond
	defaultMargin = 100 * time.Millisecond
	defaultRenew  = 1300 * time.Millisecond
	defaultRetry  = 125 * time.Millisecond
)

// LeaseOptions name a Lease. Durations that are 0 have their defaults.
type LeaseOptions struct {
	Namespace, Name string
	Identity        string // of this process, such as its Pod's name
	Lease           time.Duration
	Renew           time.Duration // give up leading after this long without success
	Retry           time.Duration // between attempts
	Logger          log.Logger
}

func (o LeaseOptions) withDefaults() LeaseOptions {
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{{&o.Lease, defaultLease}, {&o.Renew, defaultRenew}, {&o.Retry, defaultRetry}} {
		if *d.to == 0 {
			*d.to = d.def
		}
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
func (c *Client) Lead(ctx context.Context, o LeaseOptions, run func(context.Context) error) error {
	o = o.withDefaults()
	for ctx.Err() == nil {
		again, err := c.leadOnce(ctx, o, run)
		if !again || err != nil {
			return err
		}
	}
	return nil
}

// leadOnce waits for the Lease and leads until it is lost (again is true then),
// ctx ends or run does.
func (c *Client) leadOnce(ctx context.Context, o LeaseOptions, run func(context.Context) error) (again bool, err error) {
	// The election outlives ctx, so that the Lease is not given away while run
	// winds down; and it keeps its opinions to itself, the term logs changes.
	electing, stop := context.WithCancel(klog.NewContext(context.WithoutCancel(ctx), klog.New(nil)))
	defer stop()
	t := &term{
		parent: ctx, stop: stop, run: run, logger: o.Logger,
		done: make(chan struct{}), fence: newFence(time.Now()),
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &leaseLock{
			leases: c.leases.Leases(o.Namespace), name: o.Name, identity: o.Identity,
			duration: o.Lease, margin: defaultMargin, fence: t.fence,
		},
		LeaseDuration: o.Lease, RenewDeadline: o.Renew, RetryPeriod: o.Retry,
		ReleaseOnCancel: true, Name: o.Name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: t.lead,
			OnStoppedLeading: func() {},
			OnNewLeader: func(who string) {
				if who != "" {
					level.Info(o.Logger).Log("msg", "leader is "+who)
				}
			},
		},
	})
	if err != nil {
		return false, fmt.Errorf("lease %s/%s: %w", o.Namespace, o.Name, err)
	}
	unhook := context.AfterFunc(ctx, t.abandon)
	defer unhook()
	elector.Run(electing)
	return t.wait()
}
