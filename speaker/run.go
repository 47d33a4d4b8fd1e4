package speaker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log/level"
	"golang.org/x/sync/errgroup"
)

// What going away may take at most; 17.5 s in all, of the 30 s that a pod has.
const (
	askLimit   = 1500 * time.Millisecond // for the question why we stop
	tellLimit  = 1500 * time.Millisecond // for the members to hear of it
	dropLimit  = 2 * time.Second         // for connections to close so that routers keep our routes
	stopLimit  = 5 * time.Second         // for routers to turn to other nodes, and to drop our routes
	handLimit  = 3 * time.Second         // for other nodes to take over
	drainTime  = time.Second             // for packets that are under way to us
	finishTime = 5 * time.Second         // for answers, where others hand us what is open
)

var errEnded = errors.New("ended although nobody told it to")

// Run runs the agent and all its tasks until ctx ends, then restarts or leaves
// as the cluster says. If a task fails, Run gives up and returns its error.
func (a *Agent) Run(ctx context.Context) error {
	// The tasks outlive ctx, and each other's failures: going away in order
	// needs them.
	tasks, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	loop, end := context.WithCancel(ctx)
	defer end()
	var group errgroup.Group
	for _, run := range a.tasks() {
		group.Go(func() error {
			defer end()
			err := run(tasks)
			switch {
			case errors.Is(err, context.Canceled) && tasks.Err() != nil:
				return nil
			case err == nil && !a.going.Load():
				return fmt.Errorf("task of the speaker: %w", errEnded)
			}
			return err
		})
	}
	a.loop(loop)
	a.claims.Wait()
	a.records.tasks.Wait()
	a.going.Store(true)
	a.Health.NotReady("decision", "going away")
	if ctx.Err() != nil {
		a.goAway(tasks)
	} else {
		a.giveUp(tasks)
	}
	stop()
	return group.Wait()
}

// tasks are all that runs beside the loop.
func (a *Agent) tasks() []func(context.Context) error {
	tasks := append([]func(context.Context) error{a.reports.Run, a.guard.Run, a.beat}, a.Tasks...)
	if a.Faults != nil {
		tasks = append(tasks, a.watchFaults)
	}
	return tasks
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
	a.within(ctx, tellLimit, "members not told of the restart", a.Members.Restarting)
	a.within(ctx, dropLimit, "sessions not closed", a.abandon)
}

// giveUp goes after a fault. This node may be back at once or never, so others
// are to take over what is answered for; but the node is not dead, its pods
// stay in use, and the kernel goes on forwarding for the routes that remain.
func (a *Agent) giveUp(ctx context.Context) {
	level.Warn(a.log).Log("msg", "a task failed: addresses are left to others, table and routes stay")
	a.LAN.Apply(nil, a.host)
	a.within(ctx, tellLimit, "goodbye not said", a.Members.Leave)
	a.within(ctx, dropLimit, "sessions not closed", a.abandon)
}

// abandon lets go of the sessions and waits for that until ctx ends; the end of
// the process does it as well.
func (a *Agent) abandon(ctx context.Context) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		a.Routers.Abandon()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave hands everything over: routes are made the last choice and then
// withdrawn while the forwarder still forwards, addresses answered for
// until a successor has them, and the forwarder, and the routes that answers may
// take, are removed last. Each step has
// a time of its own, so that one that hangs takes nothing from the others.
func (a *Agent) leave(ctx context.Context) {
	a.tellHealth(true)
	a.within(ctx, tellLimit, "members not told that this node leaves", a.Members.Leaving)
	a.within(ctx, stopLimit, "sessions not closed in order", a.Routers.Stop)
	a.within(ctx, handLimit, "addresses not handed over in time", a.handOver)
	a.LAN.Apply(nil, a.host)
	if a.Forwarder != nil {
		a.drain(ctx)
		if err := a.Forwarder.Remove(); err != nil {
			level.Error(a.log).Log("msg", "forwarding table not removed", "err", err)
		}
	}
	if err := a.Inbound.Remove(); err != nil {
		level.Error(a.log).Log("msg", "routes of routers not removed", "err", err)
	}
	a.within(ctx, tellLimit, "goodbye not said", a.Members.Leave)
}

// within does a step of going away; its error is only worth a line.
func (a *Agent) within(ctx context.Context, limit time.Duration, fault string, step func(context.Context) error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := step(limited); err != nil {
		level.Warn(a.log).Log("msg", fault, "err", err)
	}
}

// handOver goes on answering for what the records still give to this node,
// until they name successors. Where nobody is left there is none to wait for,
// and where others may have the addresses nothing is answered for.
func (a *Agent) handOver(ctx context.Context) error {
	for a.complete() && a.othersAlive() {
		a.decide()
		mine := a.claimed()
		if a.LAN.Apply(mine, a.host); len(mine) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d addresses left: %w", len(mine), ctx.Err())
		case a.snap = <-a.Snapshots:
		case members := <-a.Members.Members():
			a.meet(members)
		}
	}
	return nil
}

// drain forwards what is still coming, if anything may be: for longer if nodes
// stay that hand this one the packets of open connections.
func (a *Agent) drain(ctx context.Context) {
	if a.told.nothing() {
		return
	}
	wait := drainTime
	if a.othersAlive() {
		wait = finishTime
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
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
