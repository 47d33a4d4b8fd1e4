package grants

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/bench"
	corev1 "k8s.io/api/core/v1"
)

const (
	crowdSize   = 10_000
	burstRounds = bench.DefaultRounds
	burstSize   = crowdSize / burstRounds / 2 // of each side in a round
	crowdPrefix = "svc"
)

// Burst measures Services per second when many wait at once. 10,000 Services
// exist from the beginning, and each round turns 1,000 of them, on each side,
// into Services of type LoadBalancer while no controller runs. Then the clock
// goes from the first status that the watcher sees to the last: of the
// controller, which starts and finds them waiting; of the peer, a bare loop
// with as many workers that knows what to write.
func (l *Lab) Burst() *bench.Rig {
	return &bench.Rig{Name: "burst", Lab: true, Shared: l, Rounds: burstRounds, Open: func(ctx context.Context, env *bench.Env) (bench.Instrument, error) {
		w, err := l.open(ctx, env)
		if err != nil {
			return nil, err
		}
		floor, err := w.newFloor(ctx)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		err = w.createAll(ctx, names(crowdPrefix, 0, crowdSize), corev1.ServiceTypeClusterIP)
		env.Say("%d Services created, %.0f/s", crowdSize, crowdSize/time.Since(start).Seconds())
		return &burst{world: w, floor: floor}, err
	}}
}

type burst struct {
	world *world
	floor *floor
	used  int // Services that have been turned
}

// Measure turns the next Services and has them served.
func (b *burst) Measure(ctx context.Context, side bench.Side, _ int) (bench.Metrics, error) {
	chosen := names(crowdPrefix, b.used, burstSize)
	b.used += burstSize
	turned, err := b.world.turnAll(ctx, chosen)
	if err != nil {
		return nil, fmt.Errorf("turn Services into LoadBalancers: %w", err)
	}
	seen := b.world.watcher.expectAll(chosen)
	serve := b.byController
	if side == bench.Peers {
		serve = b.byLoop
	}
	times, err := serve(ctx, turned, seen)
	if err != nil {
		return nil, err
	}
	first, last := slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare)
	return bench.Metrics{MetricRate: float64(len(times)-1) / last.Sub(first).Seconds()}, nil
}

func (b *burst) byController(ctx context.Context, _ []*corev1.Service, seen []<-chan time.Time) ([]time.Time, error) {
	c, err := b.world.startController()
	if err != nil {
		return nil, err
	}
	times, err := b.world.watcher.awaitAll(ctx, seen, patience)
	if err != nil {
		return nil, fmt.Errorf("%w; the controller's log ends with:\n%s", err, c.proc.Tail(5))
	}
	return times, c.stop()
}

func (b *burst) byLoop(ctx context.Context, services []*corev1.Service, seen []<-chan time.Time) ([]time.Time, error) {
	all, addrs := make([]string, len(services)), make([]string, len(services))
	for i, svc := range services {
		all[i], addrs[i] = svc.Name, b.floor.take()
	}
	err := each(ctx, all, func(ctx context.Context, i int, _ string) error {
		return b.floor.give(ctx, services[i], addrs[i])
	})
	if err != nil {
		return nil, err
	}
	return b.world.watcher.awaitAll(ctx, seen, patience)
}

// Close leaves the Services to the next rig; the lab's end removes them.
func (b *burst) Close() error { return nil }
