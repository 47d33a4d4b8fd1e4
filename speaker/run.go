package speaker

import (
	"context"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/sync/errgroup"
)

const (
	askLimit   = 1500 * time.Millisecond // for the question why we stop
	leaveLimit = 5 * time.Second         // for routers and members to take over
)

// Run runs the agent and all its tasks until ctx ends, then restarts or leaves
// as the cluster says. The error is that of the task that failed first.
func (a *Agent) Run(ctx context.Context) error {
	// The tasks outlive ctx: going away in order needs them.
	tasks, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(tasks)
	for _, run := range append(a.Tasks, a.reports.Run, a.beat) {
		group.Go(func() error { return run(failed) })
	}
	loop, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(failed, end)()
	a.loop(loop)
	a.claims.Wait()
	if ctx.Err() != nil {
		a.goAway(failed)
	}
	stop()
	return group.Wait()
}

// goAway ends this node's part in the cluster, for a moment or for good.
func (a *Agent) goAway(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, askLimit)
	leave, why := a.Ask.Leaves(asking)
	cancel()
	if !leave {
		level.Info(a.log).Log("msg", "restarting: table, claims and routes stay", "reason", why)
		a.restart(ctx)
		return
	}
	level.Info(a.log).Log("msg", "leaving", "reason", why)
	a.leave(ctx)
}

// restart goes so that nobody takes over and no router drops a route.
func (a *Agent) restart(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if err := a.Members.Restarting(limited); err != nil {
		level.Warn(a.log).Log("msg", "members not told of the restart", "err", err)
	}
	a.Routers.Abandon()
}

// leave hands everything over: routes are withdrawn, addresses answered for
// until a successor has them, and the forwarder is removed last.
func (a *Agent) leave(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	if err := a.Members.Leaving(limited); err != nil {
		level.Warn(a.log).Log("msg", "members not told that this node leaves", "err", err)
	}
	if err := a.Routers.Stop(limited); err != nil {
		level.Warn(a.log).Log("msg", "sessions not closed in order", "err", err)
	}
	a.handOver(limited)
	a.LAN.Apply(nil, a.host)
	if a.Forwarder != nil {
		if err := a.Forwarder.Remove(); err != nil {
			level.Error(a.log).Log("msg", "forwarding table not removed", "err", err)
		}
	}
	if err := a.Members.Leave(limited); err != nil {
		level.Warn(a.log).Log("msg", "goodbye not said", "err", err)
	}
}

// handOver goes on answering for what the records still give to this node,
// until they name successors.
func (a *Agent) handOver(ctx context.Context) {
	for a.complete() && a.othersAlive() {
		a.decide()
		mine := held(a.plan.Claims)
		if a.LAN.Apply(mine, a.host); len(mine) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case snap := <-a.Snapshots:
			a.snap = snap
		case a.members = <-a.Members.Members():
		}
	}
}

// beat tells the responders that this process is awake. It has a goroutine of
// its own, because a decision may take longer than a heartbeat may be late.
func (a *Agent) beat(ctx context.Context) error {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			a.LAN.Beat()
		}
	}
}

// othersAlive tells whether anybody could take over.
func (a *Agent) othersAlive() bool {
	for _, m := range a.members {
		if m.Node != a.Node && m.Alive && !m.Leaving {
			return true
		}
	}
	return false
}
